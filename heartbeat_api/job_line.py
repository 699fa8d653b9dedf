"""How a refresh goes, as a line of a page."""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from heartbeat.judgement.wording import counted
from heartbeat.refresh.dagster_client import DagsterError
from heartbeat.refresh.job import JobState, Phase, RefreshJob
from heartbeat_api.moment import short_moment_text
from heartbeat_api.state import ApiState


@dataclass(frozen=True)
class JobLine:
    """How the refresh goes that was asked for; `running` until it has ended, well or not."""

    text: str
    running: bool
    done: int = 0
    planned: int = 0


def job_shown(state: ApiState, job_id: str | None) -> JobLine | None:
    """How the refresh goes that was asked for; nothing to say of an unknown one."""
    if job_id is None:
        return None
    try:
        with state.database.reading() as connection:
            job = state.desk.job(connection, job_id)
    except DagsterError as error:
        return JobLine(f"How the refresh goes cannot be told: {error}", running=True)
    return None if job is None else job_line(job, datetime.now(UTC), state.shell.zone)


def job_line(job: RefreshJob, now: datetime, zone: ZoneInfo) -> JobLine:
    """What is to be said of a refresh at `now`."""
    parts = (job.tables, job.metrics, job.cuts)
    done = sum(part.done for part in parts)
    planned = sum(part.planned for part in parts)
    return JobLine(_job_text(job, now, zone), job.phase is not Phase.ENDED, done, planned)


def _landed(planned: int) -> str:
    return "table landed" if planned == 1 else "tables landed"


def _job_text(job: RefreshJob, now: datetime, zone: ZoneInfo) -> str:
    if job.phase is Phase.WAITING:
        return f"The refresh waits, {job.queue_place} in the queue"
    if job.phase is not Phase.ENDED:
        if job.cuts.planned:
            return f"Drawing: {job.cuts.done} of {counted(job.cuts.planned, 'window')}"
        tables, metrics = job.tables, job.metrics
        return f"Refreshing: {tables.text(_landed(tables.planned))}, {metrics.text('computed')}"
    at = short_moment_text(job.ended_at, now, zone)
    if job.state is JobState.SUCCESS:
        return f"Refreshed at {at}, in {job.elapsed_seconds or 0:.1f} s"
    return f"The refresh of {at} is {job.state}" + (f": {job.reason}" if job.reason else "")
