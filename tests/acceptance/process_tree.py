"""The processes of a running stack by name, and whether there is exactly one of each."""

import signal
import time
from collections.abc import Iterable
from contextlib import suppress

import httpx
import psutil

from forkserver_launcher.worker_lock import WorkerLocks
from heartbeat.stack.process_lock import LockFolder
from tests.acceptance.running_stack import PATIENCE_SECONDS, Up

OWN = ("code-location", "daemon", "webserver", "api")
CHILD = "code-location's child"
FORK_SERVER = "fork server"
PROCESSES = (
    *("up", "supervisord", "marts", CHILD, FORK_SERVER, *OWN),
    *(f"guard of {name}" for name in ("marts", *OWN)),
)
"""Every process of the tree."""


class ProcessTree:
    """What lives of one stack, as its locks tell."""

    def __init__(self, up: Up) -> None:
        self._up = up
        self._locks = LockFolder(up.home)
        self._workers = WorkerLocks(up.home / "dagster" / "run_workers")

    def pid(self, name: str) -> int:
        """The process of that name; waits until there is one."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if found := self._found(name):
                return found[0]
            time.sleep(0.2)
        raise AssertionError(f"there is no {name}: {self.lives()}")

    def send(self, name: str, number: signal.Signals) -> int:
        pid = self.pid(name)
        psutil.Process(pid).send_signal(number)
        return pid

    def pids(self) -> list[int]:
        """Every process that is part of the stack, children of databases and runs among them."""
        held = [pid for each in self._locks.living() for pid in each.holders()]
        runs = [each for _, pid in self._workers.holders() for each in _with_children(pid)]
        return sorted({*held, *runs, *self._workers.servers()})

    def lives(self) -> dict[str, list[int]]:
        return {name: self._found(name) for name in PROCESSES}

    def is_whole(self, without: Iterable[str] = ()) -> bool:
        """Whether each process is there once, no other is, and all of the stack works."""
        expected = set(PROCESSES) - {FORK_SERVER, *without}
        lives = self.lives()
        return (
            all(len(lives[name]) == 1 for name in expected)
            and len(lives[FORK_SERVER]) <= 1
            and {each.name for each in self._locks.living()}
            <= {"up", "supervisord", "marts", "demo-bank", *OWN, "demo-sources-a", "demo-sources-b"}
            and self.strangers() == []
            and self.is_ready()
        )

    def strangers(self) -> list[str]:
        """Processes that belong to the state folder and to no lock; none that just begins."""
        known = self.pids()
        return [each for each in self._up.processes() if int(each.split()[0]) not in known]

    def is_ready(self) -> bool:
        with suppress(httpx.HTTPError):
            address = f"http://127.0.0.1:{self._up.ports['API']}/readyz"
            return httpx.get(address, timeout=20).status_code == httpx.codes.OK
        return False

    def why_not(self) -> str:
        """What is not as it should be, for the message of a failed test."""
        said = ""
        with suppress(httpx.HTTPError):
            address = f"http://127.0.0.1:{self._up.ports['API']}/readyz"
            said = httpx.get(address, timeout=20).text
        return f"{self.lives()} {self.strangers()} {said}"

    def _found(self, name: str) -> list[int]:
        if name == FORK_SERVER:
            return list(self._workers.servers())
        if name == "up" or name.startswith("guard of "):
            return self._locks.of(name.removeprefix("guard of ")).guard.holders()
        process = self._locks.of("code-location" if name == CHILD else name).process
        held = process.held()
        if held is None:
            return []
        return [pid for pid in process.holders() if (pid == held.pid) == (name != CHILD)]


def _with_children(pid: int) -> list[int]:
    """A worker, and what captures the output of its steps."""
    with suppress(psutil.NoSuchProcess):
        return [pid, *(each.pid for each in psutil.Process(pid).children(recursive=True))]
    return []
