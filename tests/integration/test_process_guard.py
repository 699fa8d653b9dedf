"""The guard of a process, on real processes: what ends with what, and what is ended."""

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from heartbeat.connection_string import sqlalchemy_url
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.stack.daemon_lock import DaemonLock, DaemonLockedError, holder_of
from heartbeat.stack.guard import Guarded
from heartbeat.stack.process_lock import LockFolder

PATIENCE_SECONDS = 40
_QUICK = (
    "import sys; import heartbeat.stack.guard as guard;"
    "guard.POLL_SECONDS = 0.2; guard.STARTING_POLLS = 5; guard.STOP_SECONDS = 2;"
    "guard._LOCK_POLL_SECONDS = 0.1;"
    "sys.exit(guard.main(sys.argv[1:]))"
)
_SERVES = """
import http.server, os, subprocess, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
child = subprocess.Popen(["sleep", "600"])
print("child", child.pid, flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def waits_until(condition: Callable[[], object], what: str = "it") -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)


class Watched:
    """A small server with a child, under a guard that polls quickly."""

    def __init__(self, home: Path, port: int, database_url: str) -> None:
        self.database_url = database_url
        self.locks = LockFolder(home).of("served")
        self._guarded = Guarded(
            "served",
            str(home),
            (sys.executable, "-c", _SERVES, str(port)),
            f"http://127.0.0.1:{port}/healthz",
        )
        self._guards: list[subprocess.Popen[str]] = []

    def starts(self, **changes: object) -> "subprocess.Popen[str]":
        guarded = dataclasses.replace(self._guarded, **changes)  # type: ignore[arg-type]
        description = guarded.guard_command()[-1]
        guard = subprocess.Popen(
            [sys.executable, "-c", _QUICK, description],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "HEARTBEAT_DATABASE_URL": self.database_url},
        )
        self._guards.append(guard)
        return guard

    def has_processes(self, count: int) -> bool:
        return len(self.locks.process.holders()) == count

    def ends(self) -> None:
        for guard in self._guards:
            guard.kill()
            guard.wait()
            assert guard.stdout is not None
            guard.stdout.close()
        self.locks.end(5)
        assert not self.locks.is_held()


@pytest.fixture
def watched(
    tmp_path: Path, postgres: EmbeddedPostgres, migrated_template: str
) -> Iterator[Watched]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    watched = Watched(tmp_path, port, postgres.url("postgres"))
    yield watched
    watched.ends()


def test_a_guard_that_is_asked_to_stop_ends_its_process_and_all_that_this_started(
    watched: Watched,
) -> None:
    guard = watched.starts()
    waits_until(lambda: watched.has_processes(2))
    guard.terminate()
    assert guard.wait(PATIENCE_SECONDS) == 0
    assert watched.locks.holders() == []


def test_a_process_that_ends_takes_its_children_and_its_guard_with_it(watched: Watched) -> None:
    guard = watched.starts()
    waits_until(lambda: watched.has_processes(2))
    held = watched.locks.process.held()
    assert held is not None
    os.kill(held.pid, signal.SIGKILL)
    said, _ = guard.communicate(timeout=PATIENCE_SECONDS)
    assert guard.returncode == 1
    assert "served has ended by SIGKILL" in said
    waits_until(lambda: watched.locks.holders() == [])


def test_a_process_that_does_not_answer_is_ended(watched: Watched) -> None:
    guard = watched.starts(question="http://127.0.0.1:9/healthz")
    waits_until(lambda: watched.has_processes(2))
    held = watched.locks.process.held()
    assert held is not None
    psutil.Process(held.pid).suspend()
    said, _ = guard.communicate(timeout=PATIENCE_SECONDS)
    assert guard.returncode == 1
    assert "served is ended to be started again: 5 polls without an answer" in said


def test_a_process_is_not_ended_while_what_it_needs_does_not_answer(watched: Watched) -> None:
    watched.database_url = "postgresql://localhost:1/none"
    guard = watched.starts(question="http://127.0.0.1:9/healthz")
    waits_until(lambda: watched.has_processes(2))
    with pytest.raises(subprocess.TimeoutExpired):
        guard.wait(5)
    assert watched.has_processes(2)


def test_the_next_guard_ends_what_a_killed_one_has_left(watched: Watched) -> None:
    guard = watched.starts()
    waits_until(lambda: watched.has_processes(2))
    guard.kill()
    guard.wait()
    waits_until(lambda: watched.has_processes(1), "the process has ended with its guard")
    (child,) = watched.locks.process.holders()
    second = watched.starts()
    waits_until(lambda: watched.has_processes(2))
    assert child not in watched.locks.process.holders()
    assert second.poll() is None


def test_several_of_one_kind_have_locks_of_their_own(watched: Watched, tmp_path: Path) -> None:
    watched.starts()
    waits_until(lambda: watched.has_processes(2))
    second = watched.starts(command=("sleep", "600"), question=None)
    waits_until(lambda: len(LockFolder(tmp_path).living()) == 2)
    assert [each.name for each in LockFolder(tmp_path).living()] == ["served", "served.2"]
    second.terminate()
    second.wait(PATIENCE_SECONDS)
    assert watched.has_processes(2)


class Daemons:
    """Guards of daemons on one database, each of a state folder of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self._environment = {
            **os.environ,
            "HEARTBEAT_DAGSTER_DATABASE_URL": sqlalchemy_url(url),
        }
        self._guards: list[subprocess.Popen[bytes]] = []

    def starts(self, name: str) -> "subprocess.Popen[bytes]":
        guarded = Guarded(
            "daemon", str(self.folder / name), ("sleep", "600"), None, one_a_database=True
        )
        (self.folder / name).mkdir(exist_ok=True)
        with (self.folder / f"{name}.log").open("ab") as log:
            guard = subprocess.Popen(
                [sys.executable, "-c", _QUICK, guarded.guard_command()[-1]],
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=self._environment,
            )
        self._guards.append(guard)
        return guard

    def runs(self, name: str) -> bool:
        return LockFolder(self.folder / name).of("daemon").process.is_held()

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def end(self) -> None:
        for guard in self._guards:
            guard.terminate()
            guard.wait()


@pytest.fixture
def daemons(tmp_path: Path, source_url: str) -> Iterator[Daemons]:
    daemons = Daemons(tmp_path, source_url)
    yield daemons
    daemons.end()


def test_a_second_daemon_on_a_database_waits_for_the_first_and_names_it(daemons: Daemons) -> None:
    first = daemons.starts("one")
    waits_until(lambda: daemons.runs("one"))
    daemons.starts("two")
    waits_until(lambda: "waits" in daemons.said("two"))
    assert "daemon waits: another daemon works on this database" in daemons.said("two")
    assert socket.gethostname() in daemons.said("two")
    assert not daemons.runs("two")
    first.kill()
    waits_until(lambda: daemons.runs("two"))
    waits_until(lambda: not daemons.runs("one"), "the first has ended with its guard")


def test_a_daemon_whose_lock_is_lost_does_not_go_on(daemons: Daemons, source_url: str) -> None:
    guard = daemons.starts("one")
    waits_until(lambda: daemons.runs("one"))
    with psycopg.connect(source_url, autocommit=True) as server:
        server.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name like 'heartbeat daemon%'"
        )
    assert guard.wait(PATIENCE_SECONDS) == 1
    assert not daemons.runs("one")
    assert "keeps other daemons away from the database is lost" in daemons.said("one")


def test_the_lock_is_lost_only_when_the_session_has_ended(source_url: str) -> None:
    lock = DaemonLock.take(source_url, "here")
    for _ in range(3):
        lock.ask()
        time.sleep(0.1)
        assert not lock.is_lost()
    with pytest.raises(DaemonLockedError, match=r"heartbeat daemon, .*, here"):
        DaemonLock.take(source_url, "there")
    lock.release()
    waits_until(lambda: holder_of(source_url) is None)
    DaemonLock.take(source_url, "there").release()
