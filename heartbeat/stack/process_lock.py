"""Whether a process of the stack lives: it and its children hold a lock, and the kernel frees it.

A lock cannot outlive its processes, whichever way they end, and no later process can come into its
possession, as it can with a process id. Only the standard library: every guard imports this.
"""

import fcntl
import json
import os
import signal
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

UP = "up"
"""The name of the lock of `heartbeat up`."""

MARTS = "marts"
"""The name of the locks of the embedded marts server."""

_GUARD, _PROCESS = ".guard", ".process"
_PROC = Path("/proc")
_ATTEMPTS = 5


@dataclass(frozen=True)
class Held:
    """What is written in a lock about who took it."""

    name: str
    pid: int
    since: float
    """Seconds since 1970."""
    host: str
    stage: int
    """As in Program: the later stage ends first."""
    stop_signal: str
    """The name of the signal that asks it to end."""
    question: str | None
    """What `probe` asks it."""

    @property
    def is_database(self) -> bool:
        """Whether it is a server that must never be killed without need."""
        return self.stop_signal == "INT"


class ProcessLock:
    """One file, held by every process that has inherited its descriptor."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def take(self, held: Held) -> int:
        """Lock it; returns the descriptor. Raises BlockingIOError when somebody holds it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        self.write(descriptor, held)
        return descriptor

    def write(self, descriptor: int, held: Held) -> None:
        """Note in the locked file whose it is."""
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(asdict(held)).encode(), 0)

    def is_held(self) -> bool:
        """Whether a process that holds it lives."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def held(self) -> Held | None:
        """Who took it, as long as somebody holds it."""
        if not self.is_held():
            return None
        with suppress(ValueError, TypeError, OSError):
            return Held(**json.loads(self.path.read_text(encoding="utf-8")))
        return None

    def holders(self) -> list[int]:
        """The living processes that hold it, and that this one can see."""
        try:
            here = self.path.stat()
        except FileNotFoundError:
            return []
        if not _PROC.is_dir():  # another system than Linux: who took it, if anybody holds it
            held = self.held()
            return [held.pid] if held else []
        if not self.is_held():
            return []
        return [pid for pid in _pids() if _has_open(pid, (here.st_dev, here.st_ino))]

    def signal(self, *numbers: signal.Signals) -> None:
        """Send signals to every holder."""
        for pid in self.holders():
            _send(pid, numbers)

    def wait_until_free(self, seconds: float) -> bool:
        """Whether everybody who held it has ended within that time."""
        deadline = time.monotonic() + seconds
        while self.is_held():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


@dataclass(frozen=True)
class ProcessLocks:
    """The two locks of one process of the stack: of its guard, and of itself with its children."""

    name: str
    guard: ProcessLock
    process: ProcessLock

    def held(self) -> Held | None:
        """What is known of it; None when nothing of it lives."""
        return self.guard.held() or self.process.held()

    def is_held(self) -> bool:
        """Whether anything of it lives."""
        return self.guard.is_held() or self.process.is_held()

    def end(self, seconds: float) -> None:
        """Ask all that lives of it to end, wait, and kill what has not ended in that time."""
        if self.guard.is_held():
            # it ends what it looks after, and would start none of it anew
            self.guard.signal(signal.SIGTERM, signal.SIGCONT)
            self.guard.wait_until_free(seconds)
            self.guard.signal(signal.SIGKILL)
        self.end_process(seconds)

    def end_process(self, seconds: float) -> None:
        """The same without the guard, where there is none any more."""
        if held := self.process.held():
            self._ask(held)
            self.process.wait_until_free(seconds)
            self.process.signal(signal.SIGQUIT if held.is_database else signal.SIGKILL)
            self.process.wait_until_free(seconds)

    def _ask(self, held: Held) -> None:
        """A stopped process hears no signal before it is told to go on."""
        numbers = signal.Signals[f"SIG{held.stop_signal}"], signal.SIGCONT
        if not held.is_database:
            self.process.signal(*numbers)
        elif held.pid in self.process.holders():
            # to its own children a server's signals mean other things
            _send(held.pid, numbers)

    def holders(self) -> list[int]:
        """The guard, and the processes that it looks after."""
        return sorted({*self.guard.holders(), *self.process.holders()})


class LockFolder:
    """The locks of a state folder."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "processes"

    def of(self, name: str) -> ProcessLocks:
        """The locks of the process of that name."""
        return ProcessLocks(
            name,
            ProcessLock(self._folder / f"{name}{_GUARD}"),
            ProcessLock(self._folder / f"{name}{_PROCESS}"),
        )

    def take_guard(self, held: Held) -> tuple[ProcessLocks, int]:
        """Take a guard's lock; where there is one of that name, under its name and a number.

        Several processes of one kind may share a state folder: those of an API behind a proxy.
        """
        for number in range(1, 1000):
            locks = self.of(held.name if number == 1 else f"{held.name}.{number}")
            with suppress(BlockingIOError):
                return locks, locks.guard.take(held)
        raise BlockingIOError(f"a thousand processes {held.name} hold locks in {self._folder}")

    def living(self) -> list[ProcessLocks]:
        """All of which anything lives."""
        files = [*self._folder.glob(f"*{_GUARD}"), *self._folder.glob(f"*{_PROCESS}")]
        found = (self.of(name) for name in sorted({file.stem for file in files}))
        return [locks for locks in found if locks.is_held()]


def _lock(descriptor: int) -> None:
    for _ in range(_ATTEMPTS):
        with suppress(BlockingIOError):
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(0.05)  # who only looks whether it is held, holds it for a moment
    return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def held_by_this(
    name: str, *, stage: int, stop_signal: str = "TERM", question: str | None = None
) -> Held:
    """What this process writes into a lock that it takes."""
    return Held(name, os.getpid(), time.time(), socket.gethostname(), stage, stop_signal, question)


def state_of(pid: int) -> str:
    """What a process does: "running", "stopped", or "gone"."""
    try:
        letter = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "gone" if _PROC.is_dir() else "running"
    words: Mapping[str, str] = {"T": "stopped", "t": "stopped", "Z": "gone", "X": "gone"}
    return words.get(letter, "running")


def _pids() -> Iterator[int]:
    for entry in os.listdir(_PROC):  # noqa: PTH208 - of every process of the machine, at each look
        if entry.isdigit() and int(entry) != os.getpid():
            yield int(entry)


def _has_open(pid: int, file: tuple[int, int]) -> bool:
    folder = f"{_PROC}/{pid}/fd"
    try:
        for descriptor in os.listdir(folder):  # noqa: PTH208
            with suppress(OSError):
                status = os.stat(f"{folder}/{descriptor}")  # noqa: PTH116
                if (status.st_dev, status.st_ino) == file:
                    return True
    except OSError:  # it has ended, or belongs to somebody else
        return False
    return False


def _send(pid: int, numbers: Iterable[signal.Signals]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        for number in numbers:
            os.kill(pid, number)
