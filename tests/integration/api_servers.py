"""API processes of their own, and the proxies that stand before them or before the database."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psycopg

REPOSITORY = Path(__file__).parents[2]
CONFIGURATIONS = REPOSITORY / "docs" / "operations" / "scale"
HAPROXY = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
PATIENCE_SECONDS = 120


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until then; a busy machine may take its time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not {what}"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ApiProcess:
    """`python -m heartbeat_api` on a port of its own, that can be killed and started again."""

    def __init__(self, variables: Mapping[str, str], folder: Path) -> None:
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self._variables = {**variables, "HEARTBEAT_API_PORT": str(self.port)}
        self._log = folder / f"api-{self.port}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, answers: bool = True) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("HEARTBEAT_")}
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "heartbeat_api"],
                env={**inherited, **self._variables},
                cwd=REPOSITORY,
                stdout=output,
                stderr=output,
            )
        if answers:
            until(self.is_well, f"well: {self.said()}")

    def is_well(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.said()
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.origin}/healthz", timeout=10).is_success
        return False

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(PATIENCE_SECONDS)

    def said(self) -> str:
        return self._log.read_text()


@contextmanager
def api_processes(
    count: int, variables: Mapping[str, str], folder: Path
) -> Iterator[list[ApiProcess]]:
    """So many of them, started at once and well."""
    processes = [ApiProcess(variables, folder) for _ in range(count)]
    try:
        for each in processes:
            each.start(answers=False)
        for each in processes:
            until(each.is_well, f"well: {each.said()}")
        yield processes
    finally:
        for each in processes:
            with suppress(AssertionError):
                each.kill()


@contextmanager
def haproxy(processes: list[ApiProcess], folder: Path) -> Iterator[str]:
    """haproxy with the documented configuration before two processes; gives its origin."""
    assert HAPROXY is not None
    port = free_port()
    text = (CONFIGURATIONS / "haproxy.cfg").read_text(encoding="utf-8")
    for known, own in ((8080, port), (8000, processes[0].port), (8001, processes[1].port)):
        text = text.replace(f"127.0.0.1:{known}", f"127.0.0.1:{own}")
    path = folder / "haproxy.cfg"
    path.write_text(text, encoding="utf-8")
    origin = f"http://127.0.0.1:{port}"
    with _running([HAPROXY, "-db", "-f", str(path)]):
        until(lambda: _answers(f"{origin}/healthz"), "answering through haproxy")
        yield origin


@contextmanager
def pgbouncer(url: str, **settings: str) -> Iterator[str]:
    """PgBouncer with the documented configuration before a database, its clients trusted.

    Gives the same URL through it.
    """
    assert PGBOUNCER is not None
    said = psycopg.conninfo.conninfo_to_dict(url)
    port = free_port()
    text = (CONFIGURATIONS / "pgbouncer.ini").read_text(encoding="utf-8")
    server = f"marts = host={said['host']} port={said['port']} dbname={said['dbname']}"
    text = re.sub(r"^marts = .*$", server, text, flags=re.MULTILINE)
    own = {
        "listen_port": str(port),
        "auth_type": "any",
        "unix_socket_dir": "",
        **settings,
    }
    for name, value in own.items():
        text = re.sub(rf"^{name} = .*\n", "", text, flags=re.MULTILINE) + f"{name} = {value}\n"
    if own["auth_type"] == "any":
        text = re.sub(r"^auth_file = .*\n", "", text, flags=re.MULTILINE)
        text = text.replace(server, f"{server} user={said['user']}")
    folder = Path(tempfile.mkdtemp(prefix="heartbeat-pgbouncer-"))
    folder.chmod(0o755)  # it refuses to run as root, and becomes another user
    path = folder / "pgbouncer.ini"
    path.write_text(text, encoding="utf-8")
    through = f"postgresql://{said['user']}:x@127.0.0.1:{port}/marts"
    user = ["-u", Path(str(said["host"])).owner()] if os.getuid() == 0 else []
    with _running([PGBOUNCER, *user, str(path)]):
        until(lambda: _connects(through), "connected through PgBouncer")
        yield through
    shutil.rmtree(folder)


def _answers(url: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(url, timeout=10).is_success
    return False


def _connects(url: str) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=5).close()
        return True
    return False


@contextmanager
def _running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
