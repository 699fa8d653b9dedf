"""Killed, cut off, out of disk, or twice at once: the next run ends with the source's rows."""

import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.landing.landing_run import LandingInProgressError, LandingRun
from heartbeat.landing.selection import select_tables
from tests.integration.command_line import HEARTBEAT, run_here, told
from tests.integration.landed_bank import VARIABLE, Bank, Notes

SOAK = "HEARTBEAT_SOAK" in os.environ
RANDOM_KILLS = 100 if SOAK else 3
in_a_soak = pytest.mark.skipif(not SOAK, reason="takes long; `make soak` runs it")
SCHEMA = """
create table core.payment (
    id int primary key, state text, details jsonb, update_time timestamptz default now()
);
create table core.account (id int primary key, eur numeric, note text);
create table core.entry (v text, eur numeric);
create table core.client (id int primary key, name text, note text);
create table core.empty (id int primary key);
"""
FILL = """
insert into core.payment select i, 'new', jsonb_build_object('n', i)
    from generate_series(1, 40000) i;
insert into core.account select i, i, repeat('y', 60) from generate_series(1, 40000) i;
insert into core.entry select 'v' || i % 100, i from generate_series(1, 20000) i;
insert into core.client select i, 'żółć ' || i, repeat('x', 60) from generate_series(1, 20000) i;
analyze core.payment; analyze core.client;
"""
BUSINESS = """
update core.payment set state = 'done', update_time = clock_timestamp() where id % 3 = 0;
update core.account set eur = eur + 1;
update core.entry set eur = eur + 1;
update core.client set name = name || '!' where id % 50 = 0;
delete from core.client where id % 97 = 0;
"""
OPTIONS = """\
first_load_rows: 9000
tables:
  core.payment: {cursor: update_time, lag: 15 minutes}
  core.client: {write: reconcile}
"""
TABLES = ("payment", "account", "entry", "client", "empty")
READS = "query like 'copy (select%'"
LOADS = "query like 'copy %from stdin%'"
WRITES = "query like 'insert into \"bank_core\"%'"


@pytest.fixture
def busy(bank: Bank) -> Bank:
    """A bank that takes a while to land."""
    bank.has(SCHEMA + FILL)
    bank.discovered(OPTIONS)
    return bank


def ingest() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [HEARTBEAT, "ingest"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def goes_through(process: "subprocess.Popen[str]") -> str:
    """The output of a run that succeeds."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def lands() -> str:
    """The output of a whole run that nobody disturbs: in this process, which is there already."""
    return told(run_here("ingest"))


def is_at(connection: psycopg.Connection[Any], moment: str) -> bool:
    query = (
        "select exists (select from pg_stat_activity where datname = current_database()"
        f" and pid <> pg_backend_pid() and state = 'active' and ({moment}))"
    )
    return connection.execute(query.encode()).fetchone() == (True,)


def met(
    connection: psycopg.Connection[Any], moment: str, starts: "Callable[[], subprocess.Popen[str]]"
) -> "subprocess.Popen[str]":
    """A run that is in that moment; where a quick one has passed it unseen, another is started."""
    for _ in range(10):
        process = starts()
        while process.poll() is None:
            if is_at(connection, moment):
                return process
            time.sleep(0.002)
        goes_through(process)
    raise AssertionError(f"no run was seen where {moment}")


def look_again(process: "subprocess.Popen[str]") -> None:
    """A moment later: who only looks takes the processor from whom it looks at."""
    assert process.poll() is None, "the run ended before its moment came"
    time.sleep(0.002)


def kill(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate(timeout=60)


def assert_landed(bank: Bank) -> None:
    """Equal rows, and nothing left over."""
    for table in TABLES:
        rows = {
            schema: sorted(
                row
                for (row,) in connection.execute(f"select t::text from {schema}.{table} t".encode())
            )
            for schema, connection in (("core", bank.source), ("bank_core", bank.marts))
        }
        assert rows["bank_core"] == rows["core"], table
    found = bank.landed(
        "select table_schema || '.' || table_name from information_schema.tables"
        " where table_schema like 'bank%' and table_name not like '\\_dlt%'"
    )
    assert {name for (name,) in found} == {f"bank_core.{table}" for table in TABLES}
    assert files_left(bank) == []


def files_left(bank: Bank) -> list[Path]:
    home = bank.settings.dlt_home
    return [path for end in ("*.copy", "*.csv", "*.sql") for path in home.rglob(end)]


@pytest.mark.parametrize(
    ("side", "moment", "fresh"),
    [
        pytest.param("source", READS, True, id="extract of the first load", marks=in_a_soak),
        pytest.param("source", READS, False, id="extract of a tick"),
        pytest.param("marts", LOADS, True, id="load of the first load"),
        pytest.param("marts", LOADS, False, id="load of a tick", marks=in_a_soak),
        pytest.param("marts", WRITES, False, id="write of a merge or a replace"),
    ],
)
def test_a_run_killed_in_its(busy: Bank, side: str, moment: str, fresh: bool) -> None:
    def starts() -> "subprocess.Popen[str]":
        if fresh:
            busy.marts.execute("drop schema if exists bank_core cascade")
        else:
            busy.has(BUSINESS)
        return ingest()

    if not fresh:
        lands()
    kill(met(busy.source if side == "source" else busy.marts, moment, starts))

    lands()

    assert_landed(busy)


def test_runs_killed_at_random_moments_leave_nothing_that_the_next_run_does_not_mend(
    busy: Bank,
) -> None:
    chance = random.Random(20261121)
    for number in range(RANDOM_KILLS):
        if number % 3 == 0:
            busy.marts.execute("drop schema if exists bank_core cascade")
        process = ingest()
        while not is_at(busy.source, "application_name = 'heartbeat'"):
            if process.poll() is not None:
                break
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 1.5))
        kill(process)
        busy.has(BUSINESS)
        if number % 2:
            continue
        lands()
        assert_landed(busy)
    lands()
    assert_landed(busy)


def test_a_first_load_that_was_killed_loses_at_most_one_range(busy: Bank) -> None:
    process = ingest()
    position = "select resume_after[1]::int from heartbeat.table_load where table_name = 'payment'"
    while busy.landed(position) in ([], [(None,)], [(9000,)]):
        look_again(process)
    kill(process)
    ((landed,),) = busy.landed(position)
    assert landed in (18_000, 27_000, 36_000, 40_000)
    assert busy.landed("select count(*) from bank_core.payment")[0][0] >= landed

    out = lands()

    ((resumed,),) = [
        line.split("id = ")[1:] for line in out.splitlines() if "payment: the first" in line
    ]
    assert int(resumed) >= landed
    assert_landed(busy)


@pytest.mark.parametrize(
    "returns",
    [
        pytest.param(True, id="and comes back"),
        pytest.param(False, id="and stays away", marks=in_a_soak),
    ],
)
def test_the_source_server_is_killed_in_mid_copy(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, returns: bool
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="heartbeat-source-"))
    server = EmbeddedPostgres(folder / "pg")
    try:
        with server.running():
            monkeypatch.setenv(VARIABLE, server.url("postgres"))
            with psycopg.connect(server.url("postgres"), autocommit=True) as source:
                source.execute(("create schema core;" + SCHEMA + FILL).encode())
                bank.discovered(OPTIONS)
                lands()
                source.execute(BUSINESS.encode())
                expected = source.execute("select count(*), sum(eur) from core.account").fetchone()
                before = bank.landed("select count(*), sum(eur) from bank_core.account")
                process = ingest()
                while not is_at(source, READS):
                    assert process.poll() is None
                os.kill(
                    int((folder / "pg" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL
                )
            if not returns:
                _, err = process.communicate(timeout=120)
                assert process.returncode == 1
                assert err.count("bank_core.account: ") == 1
                assert "cannot connect with SOURCE_BANK_URL" in err
                assert bank.landed("select count(*), sum(eur) from bank_core.account") == before
            restarted = start(server)
            if returns:
                assert "lost the snapshot, trying again" in goes_through(process)
            else:
                lands()
            assert bank.landed("select count(*), sum(eur) from bank_core.account") == [expected]
            assert files_left(bank) == []
        restarted.wait(timeout=60)
    finally:
        shutil.rmtree(folder)


def start(server: EmbeddedPostgres) -> "subprocess.Popen[bytes]":
    """A server once the processes of the killed one are gone."""
    while True:
        process = subprocess.Popen(
            server.command(), user=server.system_user, stderr=subprocess.DEVNULL
        )
        while process.poll() is None:
            if server.answers():
                return process
            time.sleep(0.05)


@pytest.fixture
def small_disk(bank: Bank) -> Iterator[Path]:
    bank.settings.home.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(bank.settings.home)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small disk here")
    yield bank.settings.home
    subprocess.run(["umount", str(bank.settings.home)], check=True)


def test_a_table_that_the_disk_cannot_hold_fails_alone(busy: Bank, small_disk: Path) -> None:
    busy.has(
        "insert into core.account select i, i, repeat('y', 60) from generate_series(40001, 90000) i"
    )

    process = ingest()
    _, err = process.communicate(timeout=120)

    assert process.returncode == 1
    assert err.count("bank_core.account: [Errno 28] No space left on device") == 1
    assert err.count("bank_core.") == 1
    assert busy.landed("select count(*) from bank_core.payment") == [(40_000,)]
    assert files_left(busy) == []
    busy.has("delete from core.account where id > 20000")
    lands()
    assert_landed(busy)


def test_two_runs_at_once_land_once(busy: Bank) -> None:
    processes = [ingest(), ingest(), ingest()]
    ends = [(process.communicate(timeout=120), process.returncode) for process in processes]
    assert 0 in [code for _, code in ends]
    for (_, err), code in ends:
        assert code == 0 or "source bank is being landed by another process" in err
    assert_landed(busy)


def test_a_landing_in_another_process_is_not_disturbed(busy: Bank) -> None:
    source = busy.discovered(OPTIONS)
    (part,) = select_tables([source], source=None, schema=None, tables=None)
    process = met(busy.source, READS, ingest)
    process.send_signal(signal.SIGSTOP)
    with (
        LandingRun(busy.settings, "second", [part], Notes()) as run,
        pytest.raises(LandingInProgressError, match="being landed by another process"),
    ):
        run.land(part)
    process.send_signal(signal.SIGCONT)
    goes_through(process)
    assert_landed(busy)
