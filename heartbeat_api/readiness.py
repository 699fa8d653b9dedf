"""Which part of the stack is unhealthy, asked beside the requests and at most once a second."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from heartbeat.judgement.wording import counted
from heartbeat.refresh.dagster_client import (
    DaemonState,
    DagsterAwayError,
    DagsterClient,
    DagsterError,
)
from heartbeat.refresh.run import Run
from heartbeat_api.answers import Part, Readiness
from heartbeat_api.build import build_id
from heartbeat_api.holder import Reading
from heartbeat_api.snapshot import Snapshot

_OLDEST_READ = timedelta(seconds=10)
"""What is read each second when somebody asks, and asked for with patience, is not older."""
_OLDEST_BEAT = timedelta(minutes=4)
"""Each of Dagster's daemons writes twice a minute, and waits two minutes for a slow launch."""
_LONGEST_WAIT = timedelta(minutes=10)
_GOING_ON = ("STARTING", "STARTED", "CANCELING")

WELL = Part(True, None)


@dataclass(frozen=True)
class DagsterState:
    """What Dagster's webserver said of itself, the code location, the daemon and the queue."""

    at: datetime
    webserver: Part
    code_location: Part
    daemon: Part
    queue: Part


def read_dagster_state(dagster: DagsterClient) -> DagsterState:
    """Ask Dagster; whatever it answers, or does not, is a state."""
    now = datetime.now(UTC)
    try:
        return DagsterState(
            now,
            WELL,
            _code_location(dagster),
            _daemon(dagster.daemons(), now),
            _queue(dagster.active_runs(), now),
        )
    except DagsterError as error:
        unknown = _ill("not known while Dagster's webserver does not answer")
        return DagsterState(now, _ill(str(error)), unknown, unknown, unknown)


def readiness(reading: Reading[Snapshot], dagster: DagsterState | None) -> Readiness:
    """The parts as they were last seen."""
    now = datetime.now(UTC)
    if dagster is None or now - dagster.at > _OLDEST_READ:
        silent = _ill("Dagster's webserver does not answer")
        unknown = _ill("not known while Dagster's webserver does not answer")
        dagster = DagsterState(now, silent, unknown, unknown, unknown)
    parts = {
        "marts": _marts(reading, now),
        "webserver": dagster.webserver,
        "code_location": dagster.code_location,
        "daemon": dagster.daemon,
        "queue": dagster.queue,
    }
    return Readiness(all(part.ok for part in parts.values()), build_id(), parts)


def _marts(reading: Reading[Snapshot], now: datetime) -> Part:
    if reading.failure is not None:
        return _ill(reading.failure)
    if reading.value is None:
        return _ill("the database has not answered yet")
    age = now - reading.value.as_of
    if age > _OLDEST_READ:
        return _ill(f"the database has said nothing for {age.total_seconds():.0f} s")
    return WELL


def _code_location(dagster: DagsterClient) -> Part:
    try:
        return WELL if dagster.loaded() else _ill("it is not loaded, or does not answer")
    except DagsterAwayError:
        raise
    except DagsterError as error:
        return _ill(str(error))


def _daemon(daemons: Sequence[DaemonState], now: datetime) -> Part:
    late = [
        daemon.name.lower().replace("_", " ")
        for daemon in daemons
        if daemon.heard_at is None or now - daemon.heard_at > _OLDEST_BEAT
    ]
    return _ill(f"no heartbeat for four minutes of: {', '.join(sorted(late))}") if late else WELL


def _queue(runs: Sequence[Run], now: datetime) -> Part:
    """Runs may wait for each other for hours, but not for nothing."""
    queued = [run for run in runs if run.status == "QUEUED"]
    if not queued or any(run.status in _GOING_ON for run in runs):
        return WELL
    waited = now - min(run.created_at for run in queued)
    if waited < _LONGEST_WAIT:
        return WELL
    minutes = waited.total_seconds() / 60
    return _ill(
        f"{minutes:.0f} minutes after the first of "
        f"{counted(len(queued), 'waiting run')} none goes on"
    )


def _ill(reason: str) -> Part:
    return Part(False, reason)
