"""The job that is going on, as every screen shows it."""

from dataclasses import dataclass

from heartbeat.refresh.dagster_client import DagsterError
from heartbeat.refresh.desk import RefreshDesk
from heartbeat.refresh.job import RefreshJob
from heartbeat_api.database import Database, UnavailableError


@dataclass(frozen=True)
class ActiveJob:
    """The active job; None: nothing runs or waits."""

    job: RefreshJob | None


def read_active_job(database: Database, desk: RefreshDesk) -> ActiveJob:
    """Ask Dagster and the ledgers; raises UnavailableError."""
    try:
        with database.reading() as connection:
            return ActiveJob(desk.active_job(connection))
    except DagsterError as error:
        raise UnavailableError(str(error)) from error
