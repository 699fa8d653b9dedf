"""What the code of an audit cut may not do, tried; the worker and its other cuts go on."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from psycopg.rows import dict_row

from heartbeat.audit import confined_process
from heartbeat.audit.audit_cut import AuditCut, load_cuts
from heartbeat.audit.audit_snapshot import SnapshotOutcome, compute_snapshot, compute_snapshots
from heartbeat.audit.confined_process import ConfinedProcess, CutLimits, cut_patience
from heartbeat.audit.confinement import NO_FILE_RULES
from heartbeat.errors import HeartbeatError
from heartbeat.settings import Settings
from tests.integration.test_audit_snapshot import AS_OF, CUT

READ = "    conn.execute("
PICTURE = "    return alt.Chart("
SECRET = "open sesame"


@dataclass(frozen=True)
class House:
    """A project with a good cut and a bad one, a state folder with a secret, and marts."""

    settings: Settings
    folder: Path

    @property
    def secret(self) -> Path:
        return self.settings.home / "logins" / "heartbeat_ingest"

    def has(self, name: str, content: str) -> AuditCut:
        (self.folder / f"{name}.py").write_text(content, encoding="utf-8")
        loaded = load_cuts(self.folder, CutLimits.of(self.settings))
        return next(cut for cut in loaded.cuts if cut.cut_id == name)

    def computes(self, cut: AuditCut, **limits: str) -> SnapshotOutcome:
        settings = self.settings.model_copy(update=limits)
        return compute_snapshot(cut, "7d", settings, as_of=AS_OF, run_id="run")

    def computes_code(self, statement: str, before: str = READ, **limits: str) -> SnapshotOutcome:
        """What comes of a cut that runs those lines before it reads, or before it draws."""
        lines = "".join(f"    {line}\n" for line in statement.splitlines())
        return self.computes(self.has("bad", CUT.replace(before, lines + before, 1)), **limits)

    def snapshots(self) -> dict[str, dict[str, Any]]:
        with psycopg.connect(self.settings.database_url, row_factory=dict_row) as connection:
            rows = connection.execute("select * from heartbeat.audit_cut_snapshot").fetchall()
        return {row["cut_id"]: row for row in rows}

    def sessions(self) -> int:
        """Of cuts that read, or hold what they have read."""
        with psycopg.connect(self.settings.database_url) as connection:
            row = connection.execute(
                "select count(*) from pg_stat_activity where datname = current_database()"
                " and application_name = 'heartbeat' and pid <> pg_backend_pid()"
            ).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def house(settings: Settings) -> House:
    with psycopg.connect(settings.database_url) as connection:
        connection.execute(
            "create schema bank_core; create table bank_core.payment (id int primary key);"
            "create table bank_core.entry (id int primary key);"
            "call heartbeat.open_to_readers('bank_core', array['payment', 'entry'])"
        )
    house = House(settings, settings.project / "audit_cuts")
    house.secret.parent.mkdir(parents=True)
    house.secret.write_text(SECRET)
    return house


def until(is_so: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.02)


NETWORK = "a cut may not open network connections"
PROGRAMS = "a cut may not start or signal other programs"
WRITING = "a cut may not write files"
FILES = "a cut reads files of audit_cuts only"
TIME = r"it was ended after 3s \(HEARTBEAT_CUT_TIMEOUT\)"
MEMORY = r"it used more than 512MB \(HEARTBEAT_CUT_MEMORY\)"
LOOP = "while True: pass"
SLOW_SPEC = (
    "return alt.Chart(pd.DataFrame({'n': [1]})).mark_bar().transform_calculate("
    "m=\"test(/^(a+)+$/, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!')\""
    ").encode(y='m:N')"
)
LARGE_SPEC = "return alt.Chart(alt.sequence(0, 1e8, as_='n')).mark_bar().encode(y='n:Q')"

REFUSED = {
    "its own environment as the kernel has it": ("open('/proc/self/environ').read()", FILES),
    "the environment of the worker": ("open('/proc/{worker}/environ').read()", FILES),
    "the memory of its parent": ("import os; open(f'/proc/{{os.getppid()}}/mem', 'rb')", FILES),
    "a password in the state folder": ("open('{secret}').read()", FILES),
    "the names in the state folder": ("import os; os.listdir('{home}')", FILES),
    "the rest of the project": ("import os; os.listdir('{project}')", FILES),
    "another file of the machine": ("open('/etc/passwd').read()", FILES),
    "a connection": (
        "import socket; socket.create_connection(('127.0.0.1', 18620), timeout=5)",
        NETWORK,
    ),
    "a request": (
        "from urllib.request import urlopen; urlopen('http://127.0.0.1:18620/', timeout=5)",
        NETWORK,
    ),
    "a socket of the machine": (
        "import socket; socket.socket(socket.AF_UNIX).connect('/var/run/docker.sock')",
        NETWORK,
    ),
    "a datagram to a socket of the machine": (
        "import socket; socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
        NETWORK,
    ),
    "its own connection to another place": (
        (
            "import os, socket\n"
            "socket.socket(fileno=os.dup(conn.fileno())).connect('/var/run/docker.sock')"
        ),
        NETWORK,
    ),
    "another session in marts": (
        "import psycopg; psycopg.connect(conn.info.dsn, password='x')",
        "OperationalError: connection",
    ),
    "another program": ("import subprocess; subprocess.run(['/bin/true'])", PROGRAMS),
    "becoming another program": ("import os; os.execv('/bin/true', ['true'])", PROGRAMS),
    "a fork bomb": ("import os\nwhile True: os.fork()", PROGRAMS),
    "a child by another way": (
        "import multiprocessing\nmultiprocessing.get_context('fork').Process().start()",
        PROGRAMS,
    ),
    "killing the worker": ("import os; os.kill({worker}, 9)", PROGRAMS),
    "killing its parent": ("import os; os.kill(os.getppid(), 9)", PROGRAMS),
    "killing everything": ("import os; os.kill(-1, 9)", PROGRAMS),
    "writing a file": ("open('/tmp/left', 'w')", WRITING),
    "writing over itself": ("open(__file__, 'a').write('x')", WRITING),
    "removing itself": ("import os; os.remove(__file__)", WRITING),
    "the rights of a file": (
        "import os; os.fchmod(os.open(__file__, os.O_RDONLY), 0o777)",
        WRITING,
    ),
    "a lock on a file": (
        "import fcntl; fcntl.flock(open(__file__), fcntl.LOCK_EX)",
        WRITING,
    ),
    "a signal by a descriptor": (
        (
            "import fcntl, signal, socket\n"
            "one, other = socket.socketpair()\n"
            "fcntl.fcntl(one, 10, signal.SIGKILL)"
        ),
        PROGRAMS,
    ),
    "memory that is shared": (
        "import mmap; mmap.mmap(-1, 2**20)",
        "Cannot allocate memory",
    ),
    "a folder": ("import os; os.mkdir('/tmp/left')", WRITING),
    "a file in memory": ("import os; os.memfd_create('m')", PROGRAMS),
    "much memory at once": ("bytearray(10**10)", MEMORY),
    "much memory bit by bit": (
        "parts = []\nwhile True: parts.append(b'x' * 2**20)",
        MEMORY,
    ),
    "many threads": (
        (
            "import threading, time\n"
            "for _ in range(1000): threading.Thread(target=time.sleep, args=[600]).start()\n"
            "time.sleep(600)"
        ),
        "(it started more than 256 threads|RuntimeError: can't start new thread)",
    ),
    "ending": ("import os; os._exit(0)", "its process ended with exit code 0"),
    "ending with an error": ("import os; os._exit(3)", "its process ended with exit code 3"),
    "ending itself": ("import sys; sys.exit(4)", "SystemExit: 4"),
    "killing itself": (
        "import os; os.kill(os.getpid(), 9)",
        "its process was killed by SIGKILL",
    ),
    "a fault in native code": (
        "import ctypes; ctypes.string_at(0)",
        "its process was killed by SIGSEGV",
    ),
    "a large payload": ("return {{'x': 'y' * (40 * 2**20)}}", "it gave more than 32 MB"),
    "a payload beyond its memory": ("return {{'x': 'y' * 10**9}}", MEMORY),
    "a deep payload": (
        "deep = []\nfor _ in range(10**5): deep = [deep]\nreturn {{'x': deep}}",
        "RecursionError",
    ),
    "an endless loop": (LOOP, TIME),
    "an endless sleep": ("import time; time.sleep(600)", TIME),
    "an endless statement": (
        "conn.execute('set statement_timeout = 0')\nconn.execute('select pg_sleep(600)')",
        TIME,
    ),
    "a false answer": ("import os; os.write(3, b'[]\\n'); os._exit(0)", "gave no answer"),
    "half an answer": ("import os; os.write(3, b'{{'); os._exit(0)", "gave no answer"),
}


def patience(told: str) -> str:
    """A short one only where it is what ends the cut."""
    return "3s" if TIME in told else "5min"


@pytest.mark.parametrize(("statement", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_it_fails_with_a_plain_error_and_nothing_else_does(
    house: House, statement: str, told: str
) -> None:
    assert house.computes(house.has("bad", CUT)).error is None
    before = house.snapshots()["bad"]
    code = statement.format(
        worker=os.getpid(),
        secret=house.secret,
        home=house.settings.home,
        project=house.settings.project,
    )

    outcome = house.computes_code(code, cut_timeout=patience(told), cut_memory="512MB")

    assert outcome.error is not None
    assert re.match(rf"compute failed at bad\.py(:\d+)?: .*{told}", outcome.error), outcome.error
    assert house.snapshots()["bad"] == before | {"error": outcome.error}
    assert house.computes(house.has("good", CUT)).error is None
    until(lambda: house.sessions() == 0)


DRAWN_AMISS = {
    "an endless loop in the chart": (LOOP, TIME),
    "a connection in the chart": ("import socket; socket.socket()", NETWORK),
    "an endless expression of the spec": (SLOW_SPEC, TIME),
    "a spec that grows without end": (LARGE_SPEC, rf"({TIME}|{MEMORY}|its process was killed)"),
    "a large chart": (
        "return alt.Chart(pd.DataFrame({'n': ['y' * (40 * 2**20)]})).mark_bar()",
        "it gave more than 32 MB",
    ),
    "a chart that is none": (
        (
            "class Fake:\n    def to_dict(self): return {'mark': 'bar', 'data': {'url': 'file:///x'}}\n"
            "return Fake()"
        ),
        "chart.data.url refers to a URL",
    ),
}


@pytest.mark.parametrize(("statement", "told"), DRAWN_AMISS.values(), ids=DRAWN_AMISS.keys())
def test_a_chart_fails_alone_as_well(house: House, statement: str, told: str) -> None:
    assert house.computes(house.has("good", CUT)).error is None

    outcome = house.computes_code(
        statement, PICTURE, cut_timeout=patience(told), cut_memory="512MB"
    )

    assert outcome.error is not None
    step = "(compute|chart)" if TIME in told else "chart"  # a busy machine may not get to it
    assert re.match(rf"{step} failed at bad\.py(:\d+)?: .*{told}", outcome.error), outcome.error
    assert house.computes(house.has("good", CUT)).error is None


def test_the_environment_of_a_cut_holds_no_secret(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SOURCE_BANK_URL", "HEARTBEAT_INGEST_PASSWORD", "PGPASSWORD", "AWS_SECRET"):
        monkeypatch.setenv(name, SECRET)
    confined_process._SERVER.end()
    house.computes_code("import os; return {'known': dict(os.environ)}")

    snapshot = house.snapshots()["bad"]
    assert "META.reads has" in snapshot["error"]  # it was computed, and has read nothing
    outcome = house.computes_code(
        "import os\nconn.execute('select from bank_core.payment, bank_core.entry')\n"
        "return {'known': dict(os.environ), 'n': 1}"
    )
    assert outcome.error is None
    known = house.snapshots()["bad"]["payload"]["known"]
    assert SECRET not in known.values()
    assert not [name for name in known if name.startswith(("HEARTBEAT", "SOURCE", "PG", "AWS"))]


def test_what_a_cut_prints_is_shown_up_to_a_limit(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = house.computes_code("print('looked at'); print('x' * 5_000_000)")

    assert outcome.error is None
    printed = capsys.readouterr().out
    assert printed.startswith("looked at\n")
    assert len(printed) < 70_000
    assert "what it prints beyond 64 kB is left out" in printed


def test_what_a_cut_changes_in_its_process_reaches_no_other_and_no_picture(house: House) -> None:
    good = house.computes(house.has("good", CUT))
    outcome = house.computes_code(
        "import vl_convert, psycopg\n"
        "import heartbeat.audit.chart_rendering as rendering\n"
        "import heartbeat.audit.cut_task as task\n"
        "vl_convert.vegalite_to_svg = lambda *a, **k: '<svg onload=alert(1)>'\n"
        "rendering.draw = rendering.render = None\n"
        "psycopg.Connection.execute = task.json_payload = None",
        PICTURE,
    )

    assert outcome.error is None
    snapshots = house.snapshots()
    assert snapshots["bad"]["svg"] == snapshots["good"]["svg"]
    assert house.computes(house.has("good", CUT)) == good


def test_what_runs_when_a_cut_is_imported_is_confined_too(house: House) -> None:
    house.has("good", CUT)
    imports = {
        "loop": ("while True: pass", "the import fails: it was ended after 1s"),
        "network": ("import socket; socket.socket()", NETWORK),
        "secret": (f"open('{house.secret}')", FILES),
        "exit": ("import os; os._exit(0)", "its process ended with exit code 0"),
    }
    for name, (statement, _) in imports.items():
        (house.folder / f"{name}.py").write_text(f"{statement}\n{CUT}", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("heartbeat.audit.audit_cut._IMPORT_TIMEOUT", "1s")
        loaded = load_cuts(house.folder)

    assert [cut.cut_id for cut in loaded.cuts] == ["good"]
    told = {problem.path.stem: problem.problem for problem in loaded.problems}
    assert told.keys() == imports.keys()
    for name, (_, expected) in imports.items():
        assert expected in told[name]


def test_all_windows_of_a_cut_share_its_time(house: House) -> None:
    cut = house.has("bad", CUT.replace(READ, f"    {LOOP}\n{READ}", 1))
    settings = house.settings.model_copy(update={"cut_timeout": "1s"})

    first, second = compute_snapshots(cut, settings, as_of=AS_OF, run_id="run")

    for outcome in (first, second):
        assert "it was ended after 1s (HEARTBEAT_CUT_TIMEOUT)" in str(outcome.error)


WORKER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from heartbeat.audit.audit_cut import load_cuts
from heartbeat.audit.audit_snapshot import compute_snapshot
from heartbeat.settings import Settings

(cut,) = load_cuts(Path(sys.argv[1])).cuts
compute_snapshot(cut, "7d", Settings.load(), as_of=datetime.now(UTC), run_id="run")
"""


def test_a_worker_that_is_killed_leaves_no_process_and_no_session(house: House) -> None:
    house.has("bad", CUT.replace(READ, f"    {LOOP}\n{READ}", 1))
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(house.folder)])
    try:
        # the worker's own session, and that of the cut
        until(lambda: house.sessions() == 2)
        others = psutil.Process(worker.pid).children(recursive=True)
        assert len(others) >= 2
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    until(lambda: not any(each.is_running() for each in others))
    until(lambda: house.sessions() == 0)


def test_a_stopped_process_is_ended_like_one_that_loops(house: House) -> None:
    outcome = house.computes_code("import os; os.kill(os.getpid(), 19)", cut_timeout="1s")

    assert "it was ended after 1s" in str(outcome.error)


def test_a_kernel_that_cannot_confine_is_told_of_once_or_refused(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    started = ConfinedProcess._started
    monkeypatch.setattr(confined_process, "_TOLD", set())
    monkeypatch.setattr(
        ConfinedProcess, "_started", lambda self: started(self) | {"missing": [NO_FILE_RULES]}
    )
    cut = house.has("good", CUT)
    assert house.computes(cut).error is None
    assert caplog.text.count("Audit cuts run with more rights than they need") == 1

    required = CutLimits.of(house.settings.model_copy(update={"cut_confinement": "required"}))
    with pytest.raises(HeartbeatError, match="audit cuts are not run: this kernel cannot limit"):
        ConfinedProcess(required, house.folder, patience=cut_patience(required))
