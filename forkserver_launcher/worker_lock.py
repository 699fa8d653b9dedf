"""Whether the worker of a run is alive: it holds a lock on a file, and the kernel frees it.

A lock cannot outlive its process, whichever way that ends, and no other process can come into its
possession, as it can with a process id.
"""

import fcntl
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

_SUFFIX = ".worker"
_SERVER_SUFFIX = ".server"
_STOP_SECONDS = 20.0
# a lock is taken right after its file is made; until then nobody holds it
_ABANDONED_SECONDS = 10.0


class WorkerLocks:
    """The locks of all workers of one machine, one file a run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, run_id: str) -> int:
        """Lock for a run; returns the descriptor that holds it, to be inherited by the worker.

        Raises BlockingIOError when a worker has the run already.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path(run_id), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def is_held(self, run_id: str) -> bool:
        """Whether a living worker has the run."""
        return _is_locked(self.path(run_id))

    def forget(self, run_id: str) -> None:
        """Remove the file of a worker that has ended."""
        self.path(run_id).unlink(missing_ok=True)

    def forget_abandoned(self) -> None:
        """Remove what is left of workers that were killed when nobody was there to see it."""
        newest = time.time() - _ABANDONED_SECONDS
        for path in self._folder.glob(f"*{_SUFFIX}"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < newest and not self.is_held(path.stem):
                    self.forget(path.stem)

    def holders(self) -> Iterator[tuple[str, int]]:
        """Run and process id of every living worker."""
        for run_id, (pid, _) in self.beats().items():
            yield run_id, pid

    def beats(self) -> Mapping[str, tuple[int, str]]:
        """By run: the process id of its living worker, and what differs with each sign of life."""
        found = {}
        for path in self._folder.glob(f"*{_SUFFIX}"):
            with suppress(FileNotFoundError):
                pid, _, beat = path.read_text().partition(" ")
                if pid and self.is_held(path.stem):
                    found[path.stem] = int(pid), beat
        return found

    def beat(self, run_id: str, number: int) -> None:
        """Leave a sign of life of the worker that has the run."""
        with self.path(run_id).open("r+b", buffering=0) as file:
            file.write(_holder(os.getpid(), number))

    def path(self, run_id: str) -> Path:
        """The file of a run."""
        return self._folder / f"{run_id}{_SUFFIX}"

    def take_server(self) -> int:
        """Lock for this process as a fork server; returns the descriptor, which workers close."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{os.getpid()}{_SERVER_SUFFIX}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor

    def servers(self) -> Iterator[int]:
        """Process id of every living fork server; the files of others are removed."""
        for path in self._folder.glob(f"*{_SERVER_SUFFIX}"):
            if _is_locked(path):
                yield int(path.stem)
            else:
                path.unlink(missing_ok=True)


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def write_holder(descriptor: int, pid: int) -> None:
    """Note in a locked file whose it is."""
    os.pwrite(descriptor, _holder(pid, 0), 0)


def _holder(pid: int, beat: int) -> bytes:
    """One write of equal length each time: who reads it meanwhile reads one or the other."""
    return f"{pid} {beat:020d}".encode()


def stop_workers(locks: WorkerLocks) -> None:
    """Interrupt every worker of this machine, which fails its run, and wait; then kill."""
    deadline = time.monotonic() + _STOP_SECONDS
    _signal_all(locks, signal.SIGTERM)
    while any(locks.holders()) and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal_all(locks, signal.SIGKILL)


def kill_servers(locks: WorkerLocks) -> None:
    """Kill every fork server of this machine: a stopped one does not hear its launcher end."""
    for pid in locks.servers():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _signal_all(locks: WorkerLocks, number: signal.Signals) -> None:
    for _, pid in locks.holders():
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            os.kill(pid, signal.SIGCONT)  # a stopped worker hears nothing before it goes on
