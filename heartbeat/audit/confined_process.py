"""A process in which an author's code runs, as the process sees it that wants its result.

It is forked from one (`cut_server`) that was started with hardly any environment, which all
processes of a stack's worker share. Nothing that it says is believed but its result.
"""

import atexit
import contextlib
import json
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import heartbeat
from heartbeat.audit.cut_session import CutSession
from heartbeat.duration import bytes_of, seconds_of
from heartbeat.errors import HeartbeatError
from heartbeat.marts_session import LockedOutError
from heartbeat.settings import Settings
from heartbeat.table_reference import TableRef

_logger = logging.getLogger(__name__)

_ENVIRONMENT: Final = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "TZ")
_PYTHON_ENVIRONMENT: Final = ("PYTHONPATH", "PYTHONUTF8", "PYTHONWARNINGS")
_SYSTEM: Final = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/share/zoneinfo",
    "/etc/localtime",
    "/etc/ld.so.cache",
    "/dev/null",
    "/dev/urandom",
    "/sys/devices/system/cpu",
)
_LONGEST_ANSWER: Final = 32 * 2**20
_LONGEST_PRINT: Final = 64 * 2**10
_MOST_THREADS: Final = 256
_LOOK_SECONDS: Final = 0.1
_LONGEST_LOOK_SECONDS: Final = 2.0
_GRACE_CPU_SECONDS: Final = 60


class CutLimitError(HeartbeatError):
    """An author's code went beyond a limit, or its process ended; the message says which."""


class CutFaultError(HeartbeatError):
    """An author's code raised an error."""

    def __init__(self, reason: str, line: int | None, sqlstate: str | None) -> None:
        super().__init__(reason)
        self.line = line
        self.sqlstate = sqlstate


class CutProblemError(HeartbeatError):
    """A cut's file cannot be used."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem


@dataclass(frozen=True)
class CutLimits:
    """What an author's code may use, and how that is written in the settings."""

    timeout: str
    memory: str
    must_be_confined: bool

    @classmethod
    def of(cls, settings: Settings) -> "CutLimits":
        """The limits that the settings have."""
        required = settings.cut_confinement == "required"
        return cls(settings.cut_timeout, settings.cut_memory, required)


class Patience:
    """How long something may take, counted by looks at it.

    A stop of the whole machine is one long look, and counts no more than any other.
    """

    def __init__(self, duration: str, named: str = "") -> None:
        self._left = seconds_of(duration)
        self._told = f"it was ended after {duration}{named}"
        self._looked = time.monotonic()

    def look(self) -> None:
        """Raise CutLimitError once it has taken too long."""
        now = time.monotonic()
        self._left -= min(now - self._looked, _LONGEST_LOOK_SECONDS)
        self._looked = now
        if self._left <= 0:
            raise CutLimitError(self._told)


def cut_patience(limits: CutLimits) -> Patience:
    """What one cut may take."""
    return Patience(limits.timeout, " (HEARTBEAT_CUT_TIMEOUT)")


class ConfinedProcess:
    """One process for an author's code, or for the drawing of a spec; killed when closed."""

    def __init__(
        self,
        limits: CutLimits,
        folder: Path | None,
        *,
        patience: Patience,
        session: CutSession | None = None,
    ) -> None:
        """Begin it; it reads nothing of the project but `folder`.

        Raises CutLimitError, LockedOutError, what `session` raises for its snapshot, and
        HeartbeatError where it is not confined as it must be.
        """
        self._limits = limits
        self.patience = patience
        self._begin = {
            "readable": [str(each) for each in _readable(folder)],
            # V8 takes much that it never uses: of the drawing only what it uses is watched
            "memory_bytes": 2 * bytes_of(limits.memory) if folder else None,
            "cpu_seconds": int(seconds_of(limits.timeout)) * 2 + _GRACE_CPU_SECONDS,
            "reader": session.reader.as_json() if session else None,
        }
        self._session = session
        self.backend_pid: int | None = None
        try:
            hello = self._started()
        except _NotStartedError:
            hello = self._started()  # the server ended by itself just then
        self._pid: int = hello["pid"]
        self._refuse_or_tell(hello["missing"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let it be killed, if it has not ended."""
        self._pass_on_prints()
        self._talk.close()
        os.close(self._printed)

    def ask(self, do: str, **details: Any) -> Any:
        """What it gives for that task. Raises CutFaultError, CutLimitError and CutProblemError."""
        answer = self._answer({"do": do, **details})
        if "value" in answer:
            return answer["value"]
        fault = answer.get("fault")
        if not isinstance(fault, dict):
            raise CutLimitError("its process gave no answer")
        if fault.get("memory"):
            raise CutLimitError(self._too_much_memory)
        if "problem" in fault:
            raise CutProblemError(int(fault["line"]), str(fault["problem"]))
        line, sqlstate = fault.get("line"), fault.get("sqlstate")
        raise CutFaultError(
            str(fault.get("reason")),
            line if isinstance(line, int) else None,
            sqlstate if isinstance(sqlstate, str) else None,
        )

    @property
    def _too_much_memory(self) -> str:
        return f"it used more than {self._limits.memory} (HEARTBEAT_CUT_MEMORY)"

    def _started(self) -> dict[str, Any]:
        self._talk, theirs = socket.socketpair()
        self._printed, printed = os.pipe()
        os.set_blocking(self._printed, False)
        self._prints_left = _LONGEST_PRINT
        self._heard = bytearray()
        self._pid = 0
        with theirs:
            try:
                _SERVER.fork(theirs.fileno(), printed)
            finally:
                os.close(printed)
        try:
            hello = self._begun(self._begin)
            if self._session:
                self.backend_pid = int(hello["backend_pid"])
                hello = self._begun({"snapshot": self._session.snapshot(self.backend_pid)})
        except BaseException:
            self.close()
            raise
        return hello

    def _begun(self, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            hello = self._answer(request)
        except CutLimitError as error:
            raise _NotStartedError(str(error)) from error
        if "locked_out" in hello:
            raise LockedOutError(TableRef(*hello["locked_out"]))
        if "not_begun" in hello:
            raise CutLimitError(f"its process cannot begin: {hello['not_begun']}")
        return hello

    def _refuse_or_tell(self, missing: list[str]) -> None:
        if not missing:
            return
        told = " and ".join(missing)
        if self._limits.must_be_confined:
            self.close()
            raise HeartbeatError(
                f"audit cuts are not run: {told}; "
                "HEARTBEAT_CUT_CONFINEMENT=available runs them all the same"
            )
        if told not in _TOLD:
            _TOLD.add(told)
            _logger.warning(
                "Audit cuts run with more rights than they need: %s. "
                "HEARTBEAT_CUT_CONFINEMENT=required refuses to run them.",
                told,
            )

    def _answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._talk.settimeout(seconds_of(self._limits.timeout))
        try:
            self._talk.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(self._line())
        except (OSError, RecursionError, ValueError) as error:
            raise CutLimitError(f"its process gave no answer: {error}") from error
        if not isinstance(answer, dict):
            raise CutLimitError("its process gave no answer")
        if "ended" in answer:
            raise CutLimitError(f"its process {_in_words(answer['ended'])}")
        return answer

    def _line(self) -> bytes:
        """The next line that is not empty."""
        self._talk.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._talk, selectors.EVENT_READ)
            selector.register(self._printed, selectors.EVENT_READ)
            while True:
                while (end := self._heard.find(b"\n")) >= 0:
                    line = bytes(self._heard[:end])
                    del self._heard[: end + 1]
                    if line:
                        return line
                for key, _ in selector.select(_LOOK_SECONDS):
                    if key.fd == self._printed:
                        if not self._pass_on_prints():
                            selector.unregister(self._printed)
                    else:
                        self._hear()
                self.patience.look()
                self._look_at_memory()

    def _hear(self) -> None:
        # read in large pieces, so that a long answer is not searched for its end too often
        said = self._talk.recv(2**20)
        if not said:
            raise CutLimitError("its process ended without an answer")
        self._heard += said
        if len(self._heard) > _LONGEST_ANSWER:
            raise CutLimitError(f"it gave more than {_LONGEST_ANSWER // 2**20} MB")

    def _pass_on_prints(self) -> bool:
        """Print what the author's code prints, up to a limit; whether there may be more."""
        while True:
            try:
                printed = os.read(self._printed, 2**16)
            except OSError:
                return True
            if not printed:
                return False
            if self._prints_left > 0:
                sys.stdout.write(printed[: self._prints_left].decode(errors="replace"))
                self._prints_left -= len(printed)
                if self._prints_left <= 0:
                    sys.stdout.write("\n... what it prints beyond 64 kB is left out\n")

    def _look_at_memory(self) -> None:
        try:
            status = Path(f"/proc/{self._pid}/status").read_text() if self._pid else ""
        except OSError:
            return  # it has ended, or this system tells nothing
        kilobytes, threads = 0, 0
        for line in status.splitlines():
            name, _, value = line.partition(":")
            if name in {"VmRSS", "VmSwap"}:
                kilobytes += int(value.split()[0])
            elif name == "Threads":
                threads = int(value)
        if kilobytes * 1024 > bytes_of(self._limits.memory):
            raise CutLimitError(self._too_much_memory)
        if threads > _MOST_THREADS:
            raise CutLimitError(f"it started more than {_MOST_THREADS} threads")


class _NotStartedError(CutLimitError):
    """The process ended before it was confined."""


class _Server:
    """The process that forks the confined ones, started when it is needed.

    A fork of this process may go on using it: each asks with one message of its own.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._changing = threading.Lock()

    def fork(self, talk: int, printed: int) -> None:
        """Let it fork a process that talks over that descriptor, and prints into the other."""
        with self._changing:
            if self._channel is None or not self._asked(talk, printed):
                self._restart()
                self._asked(talk, printed)

    def _asked(self, talk: int, printed: int) -> bool:
        assert self._channel is not None
        try:
            socket.send_fds(self._channel, [b"f"], [talk, printed])
        except OSError:
            return False
        return True

    def _restart(self) -> None:
        self.end()
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-s",
                    "-m",
                    "heartbeat.audit.cut_server",
                    str(theirs.fileno()),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=_environment(),
                cwd="/",
                start_new_session=True,
            )

    def end(self) -> None:
        """Let go of it; it ends unless a fork of this process uses it still."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
            self._process.returncode = self._process.returncode or 0
            self._process = None


_SERVER: Final = _Server()
_TOLD: Final[set[str]] = set()
atexit.register(_SERVER.end)


def _environment() -> dict[str, str]:
    """What the author's code may know of ours: nothing that could be a secret."""
    names = (*_ENVIRONMENT, *_PYTHON_ENVIRONMENT)
    known = {name: os.environ[name] for name in names if name in os.environ}
    # threads of a library do not survive a fork
    return known | {"OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def _readable(folder: Path | None) -> list[Path]:
    """The interpreter, its libraries, Heartbeat, and one folder of the project."""
    here = Path.cwd()
    kept_out = [here, *([folder.absolute()] if folder else [])]
    libraries = [
        path
        for path in map(Path, sys.path)
        if path.is_dir() and not any(each.is_relative_to(path) for each in kept_out)
    ]
    own = [*sysconfig.get_paths().values(), sys.prefix, sys.base_prefix, *heartbeat.__path__]
    cuts = [folder.absolute()] if folder else []
    return [*map(Path, own), *libraries, *map(Path, _SYSTEM), *cuts]


def _in_words(exit_code: object) -> str:
    if isinstance(exit_code, int) and exit_code < 0:
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(-exit_code).name}"
    return f"ended with exit code {exit_code}"
