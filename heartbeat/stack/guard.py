"""What looks after one process: starts it, asks it whether it works, and ends with it.

`heartbeat serve` becomes this, so that it is the same under supervisord, in a container and as a
systemd unit: each of them starts again what has ended, and knows nothing of what hangs. A process
that does not answer is ended, and so is its guard, with a message and the exit code 1. What is left
of a process whose guard was killed is ended by the next guard.
"""

import ctypes
import json
import os
import pwd
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from heartbeat.stack.probe import Probe, Verdict
from heartbeat.stack.process_lock import LockFolder, ProcessLocks, held_by_this

if TYPE_CHECKING:
    from heartbeat.stack.daemon_lock import DaemonLock

POLL_SECONDS = 5.0
SILENT_POLLS = 6
"""So many polls in a row without an answer end a process.

Polls are counted and no time is measured: after a pause of the whole machine one poll may fail.
"""
STARTING_POLLS = 60
"""The same before its first answer: a large code location takes minutes to load."""
STOP_SECONDS = 25.0
"""How long a process may take to end before it is killed."""
_LEFTOVER_SECONDS = 10.0
_LOCK_POLL_SECONDS = 2.0
_PR_SET_PDEATHSIG = 1
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True)
class Guarded:
    """A process to look after."""

    name: str
    home: str
    """The state folder."""
    command: tuple[str, ...]
    question: str | None
    """What it is asked; None: only whether it is there."""
    stage: int = 2
    stop_signal: str = "TERM"
    user: str | None = None
    nice: int = 0
    one_a_database: bool = False
    """Whether it must hold the lock of Dagster's database: the daemon."""

    def guard_command(self) -> list[str]:
        """The command of its guard."""
        return [sys.executable, "-P", "-m", "heartbeat.stack.guard", json.dumps(asdict(self))]


class _Stopped(Exception):  # noqa: N818 - what ends a wait, no error
    """A signal asks this guard to stop."""


class Guard:
    """Looks after one process until it ends, hangs, or is not wanted any more."""

    def __init__(self, guarded: Guarded) -> None:
        self._guarded = guarded
        self._probe = Probe(guarded.question) if guarded.question else None
        self._wakeup, signalled = socket.socketpair()
        self._wakeup.setblocking(False)
        signalled.setblocking(False)
        self._signalled = signalled  # kept open
        self._asked_to_stop = False
        self._silent = 0
        self._allowed = STARTING_POLLS
        self._lock: DaemonLock | None = None

    def run(self) -> int:
        """Be the guard; returns the exit code."""
        self._hear_signals()
        held = held_by_this(
            self._guarded.name, stage=self._guarded.stage, question=self._guarded.question
        )
        locks, _ = LockFolder(Path(self._guarded.home)).take_guard(held)
        try:
            self._end_leftovers(locks)
            if self._guarded.one_a_database:
                self._lock = self._database_lock()
            return self._look_after(self._start(locks), locks)
        except _Stopped:
            return 0
        finally:
            if self._lock:
                self._lock.release()

    def _look_after(self, process: "subprocess.Popen[bytes]", locks: ProcessLocks) -> int:
        try:
            reason = self._reason_to_end(process)
            if reason is not None:
                _say(f"{self._guarded.name} is ended to be started again: {reason}")
        except _Stopped:
            reason = None
        if process.poll() is None:
            self._end(process)
        code = process.wait()
        locks.process.signal(signal.SIGKILL)  # what it had started, and has not ended itself
        if self._asked_to_stop:
            return 0
        if reason is None:
            _say(f"{self._guarded.name} has ended {_in_words(code)}")
        return 1

    def _reason_to_end(self, process: "subprocess.Popen[bytes]") -> str | None:
        """Wait until the process has ended, which is None, or should."""
        while process.poll() is None:
            is_time = self._wait(POLL_SECONDS)
            if self._lock is not None and self._lock.is_lost():
                return "the connection that keeps other daemons away from the database is lost"
            if is_time and self._probe and (reason := self._polled(self._probe)):
                return reason
        return None

    def _polled(self, probe: Probe) -> str | None:
        """Why the process should be ended, after one poll more."""
        answer = probe.ask()
        if self._lock is not None:
            self._lock.ask()
        _notify("WATCHDOG=1")
        if answer.verdict is Verdict.WORKS:
            if self._allowed != SILENT_POLLS:
                _notify("READY=1")
            self._silent, self._allowed = 0, SILENT_POLLS
        elif answer.verdict is Verdict.ILL:
            self._silent += 1
        return f"{self._silent} polls without an answer; {answer}" if self._gone_silent else None

    @property
    def _gone_silent(self) -> bool:
        return self._silent >= self._allowed

    def _start(self, locks: ProcessLocks) -> "subprocess.Popen[bytes]":
        guarded = self._guarded
        held = held_by_this(
            guarded.name,
            stage=guarded.stage,
            stop_signal=guarded.stop_signal,
            question=guarded.question,
        )
        lock = locks.process.take(held)
        user = pwd.getpwnam(guarded.user) if guarded.user else None
        process = subprocess.Popen(
            guarded.command,
            stdin=lock,  # its children inherit this, and hold the lock with it
            process_group=0,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            preexec_fn=self._before_exec(os.getpid()),  # noqa: PLW1509 - there is one thread
        )
        locks.process.write(lock, replace(held, pid=process.pid))
        os.close(lock)
        return process

    def _before_exec(self, guard: int) -> Callable[[], None]:
        guarded = self._guarded

        def prepare() -> None:
            if guarded.nice:
                os.nice(guarded.nice)
            if guarded.stop_signal == "TERM" and sys.platform == "linux":
                # a server of Postgres must not be killed; the next guard asks it to end
                ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != guard:
                    os._exit(1)

        return prepare

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        process.send_signal(signal.Signals[f"SIG{self._guarded.stop_signal}"])
        process.send_signal(signal.SIGCONT)  # a stopped process hears nothing before it goes on
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            return
        _say(f"{self._guarded.name} has not ended after {STOP_SECONDS:.0f} s and is killed")
        if self._guarded.stop_signal == "TERM":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.send_signal(signal.SIGQUIT)

    def _end_leftovers(self, locks: ProcessLocks) -> None:
        """What an earlier guard looked after, and nobody any more."""
        held = locks.process.held()
        if held is None:
            return
        _say(f"ending what is left of an earlier {held.name} (process {held.pid})")
        locks.end_process(_LEFTOVER_SECONDS)
        if locks.process.is_held():
            _say(f"an earlier {held.name} (process {held.pid} on {held.host}) does not end")
            sys.exit(1)

    def _database_lock(self) -> "DaemonLock":
        """Wait until no other daemon works on the database, and say once what is waited for."""
        import psycopg

        from heartbeat.stack.daemon_lock import DaemonLock, DaemonLockedError, dsn

        url = dsn(os.environ["HEARTBEAT_DAGSTER_DATABASE_URL"])
        said = ""
        while True:
            try:
                return DaemonLock.take(url, self._guarded.home)
            except (DaemonLockedError, psycopg.Error) as error:
                reason = str(error).strip().partition("\n")[0]
            if reason != said:
                _say(f"{self._guarded.name} waits: {reason}")
                said = reason
            self._wait(_LOCK_POLL_SECONDS)

    def _wait(self, seconds: float) -> bool:
        """Whether that time has passed, and nothing else happened; raises _Stopped."""
        watched = [self._wakeup.fileno(), *([self._lock.fileno()] if self._lock else [])]
        ready, _, _ = select.select(watched, [], [], seconds)
        if self._wakeup.fileno() in ready:
            with suppress(BlockingIOError):
                self._wakeup.recv(4096)
        if self._asked_to_stop:
            raise _Stopped
        return not ready

    def _hear_signals(self) -> None:
        signal.set_wakeup_fd(self._signalled.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _noticed)
        for number in _STOP_SIGNALS:
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_stop = True


def _noticed(number: int, frame: FrameType | None) -> None:
    """Let the signal reach the descriptor that the guard waits for."""


def _say(text: str) -> None:
    print(f"heartbeat: {text}", file=sys.stderr, flush=True)  # noqa: T201 - into the process's log


def _notify(state: str) -> None:
    """Tell systemd, where it has started this, as sd_notify(3) does."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to, suppress(OSError):
        to.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        to.send(state.encode())


def _in_words(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"


def main(arguments: Sequence[str]) -> int:
    """Look after the process that the argument describes."""
    # the dump of a process fills a disk, and holds its secrets
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    described = json.loads(arguments[0])
    return Guard(Guarded(**{**described, "command": tuple(described["command"])})).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
