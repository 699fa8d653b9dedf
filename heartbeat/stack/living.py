"""What lives of a state folder's stack, by the locks that it holds; and ending it in order."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from forkserver_launcher.worker_lock import WorkerLocks, kill_servers, stop_workers
from heartbeat.errors import HeartbeatError
from heartbeat.settings import Settings
from heartbeat.stack.probe import Probe
from heartbeat.stack.process import DAEMON, environment
from heartbeat.stack.process_lock import (
    UP,
    Held,
    LockFolder,
    ProcessLocks,
    held_by_this,
    state_of,
)
from heartbeat.stack.supervisor import SUPERVISORD, AlreadyRunningError

_END_SECONDS = 30.0
_UP_SECONDS = 150.0
"""How long `heartbeat up` may take to stop everything."""


class StillRunningError(HeartbeatError):
    """Something of the stack does not end."""


@contextmanager
def only_up(locks: LockFolder) -> Iterator[None]:
    """Be the one `heartbeat up` of the state folder; raises AlreadyRunningError."""
    own = locks.of(UP).guard
    try:
        descriptor = own.take(held_by_this(UP, stage=0))
    except BlockingIOError:
        held = own.held()
        who = f"process {held.pid} on {held.host}" if held else "another process"
        raise AlreadyRunningError(
            f"Heartbeat already runs with state folder {own.path.parent.parent} ({who}); stop it "
            "with Ctrl-C there or `heartbeat down`, or set HEARTBEAT_HOME to another folder"
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)


def end_up(settings: Settings, say: Callable[[str], None]) -> bool:
    """Ask a living `heartbeat up` to stop everything; whether there was one. It is not waited for
    longer than a stop may take.
    """
    own = LockFolder(settings.home).of(UP).guard
    held = own.held()
    if held is None:
        return False
    say(f"Stopping `heartbeat up` (process {held.pid})")
    own.signal(signal.SIGTERM, signal.SIGCONT)
    if not own.wait_until_free(_UP_SECONDS):
        say("It does not stop and is killed")
        own.signal(signal.SIGKILL)
        own.wait_until_free(_END_SECONDS)
    return True


def end_stack(settings: Settings, say: Callable[[str], None]) -> bool:
    """End what lives without a `heartbeat up`; whether there was anything.

    The daemon and the runs end first, while the databases can hear of it, and the databases last.
    Raises StillRunningError.
    """
    folder = LockFolder(settings.home)
    supervisord = folder.of(SUPERVISORD).process
    # it would start again what ends; stopped, it still takes what the others log
    supervisord.signal(signal.SIGSTOP)
    workers = WorkerLocks(settings.run_workers)
    living = {each: held for each in folder.living() if (held := each.held())}
    others = {each: held for each, held in living.items() if held.name not in (UP, SUPERVISORD)}
    found = bool(others) or supervisord.is_held() or any(workers.holders())
    if found:
        say("Ending what is left of an earlier `heartbeat up`")
    for locks, held in others.items():
        if held.name == DAEMON:
            _end(locks, held, say)
    _end_runs(workers, say)
    for locks, held in sorted(others.items(), key=lambda each: -each[1].stage):
        if held.name != DAEMON:
            _end(locks, held, say)
    supervisord.signal(signal.SIGKILL)
    supervisord.wait_until_free(_END_SECONDS)
    return found


def _end(locks: ProcessLocks, held: Held, say: Callable[[str], None]) -> None:
    began = time.monotonic()
    locks.end(_END_SECONDS)
    if locks.is_held():
        raise StillRunningError(
            f"{locks.name} (process {held.pid} on {held.host}) does not end; it belongs to another "
            "user, machine or container, or the system holds it up: end it there"
        )
    say(f"  {locks.name} (process {held.pid}) has ended after {time.monotonic() - began:.0f} s")


def _end_runs(workers: WorkerLocks, say: Callable[[str], None]) -> None:
    runs = [run_id for run_id, _ in workers.holders()]
    stop_workers(workers)
    kill_servers(workers)
    for run_id in runs:
        say(f"  run {run_id} has been interrupted")


@dataclass(frozen=True)
class Living:
    """One process of the stack as `heartbeat ps` shows it."""

    name: str
    pids: tuple[int, ...]
    """The guard first."""
    since: datetime
    state: str
    port: str
    answer: str


def living(settings: Settings) -> list[Living]:
    """Everything that lives, and what each answers now."""
    variables = environment(settings)
    shown = [
        _shown(locks, held, variables)
        for locks in LockFolder(settings.home).living()
        if (held := locks.held())
    ]
    return [*shown, *_runs(WorkerLocks(settings.run_workers))]


def _shown(locks: ProcessLocks, held: Held, variables: Mapping[str, str]) -> Living:
    pids = tuple(locks.holders()) or (held.pid,)
    port = urlsplit(held.question or "").port
    answer = str(Probe(held.question, variables).ask_once()) if held.question else ""
    since = datetime.fromtimestamp(held.since, UTC)
    return Living(locks.name, pids, since, _state(pids), str(port or ""), answer)


def _runs(workers: WorkerLocks) -> Iterator[Living]:
    for run_id, pid in workers.holders():
        since = datetime.fromtimestamp(workers.path(run_id).stat().st_mtime, UTC)
        yield Living(f"run {run_id}", (pid,), since, _state((pid,)), "", "")


def _state(pids: Sequence[int]) -> str:
    states = {state_of(pid) for pid in pids}
    return "stopped" if "stopped" in states else "running"
