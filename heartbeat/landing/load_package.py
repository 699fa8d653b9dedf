"""COPY files of one landed schema, loaded through dlt."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dlt
from dlt import Pipeline
from dlt.common.pipeline import LoadInfo
from dlt.load.exceptions import LoadClientJobFailed, LoadClientJobTerminalRetry
from dlt.pipeline.exceptions import PipelineStepFailed
from psycopg2 import errors

from heartbeat.landing.catalog import Table
from heartbeat.landing.copy_file import CopyFile
from heartbeat.landing.destination import marts
from heartbeat.landing.landed_name import dlt_name
from heartbeat.landing.lock_wait import lock_wait
from heartbeat.landing.marts_watch import MartsSilentError
from heartbeat.landing.resource import schema_source
from heartbeat.login import Login
from heartbeat.postgres_session import connect
from heartbeat.settings import Settings

# extraction in threads breaks under Dagster, dlt's twenty loaders starve a small Postgres, and what
# dlt remembers of a table is no better than the source and marts themselves
_DLT_SETTINGS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "CRITICAL",
    # else it takes a signal as a wish to end once all that waits for a lock has got it
    "RUNTIME__INTERCEPT_SIGNALS": "false",
    "RESTORE_FROM_DESTINATION": "false",
    "EXTRACT__WORKERS": "1",
    "LOAD__WORKERS": "3",
    "LOAD__DELETE_COMPLETED_JOBS": "true",
    "LOAD__RAISE_ON_FAILED_JOBS": "true",
    "LOAD__RAISE_ON_MAX_RETRIES": "3",
}


def schema_pipeline(landed_schema: str, settings: Settings, folder: Path) -> Pipeline:
    """The dlt pipeline of one landed schema, with its working folder below `folder`."""
    os.environ.update(_DLT_SETTINGS)
    return dlt.pipeline(
        pipeline_name=dlt_name(landed_schema),
        pipelines_dir=str(folder),
        destination=marts(
            settings.login_url(Login.INGEST), settings.lock_timeout, settings.landing_silence
        ),
        dataset_name=landed_schema,
    )


@dataclass(frozen=True)
class LoadedTables:
    """What became of each table of a package, by landed name."""

    seconds: Mapping[str, float]
    errors: Mapping[str, str]


def load_tables(
    landed_schema: str, files: Sequence[tuple[Table, CopyFile]], settings: Settings
) -> LoadedTables:
    """Load one file for each table.

    One table's error stops the package that dlt loads, so each then gets one of its own. A table
    that another session locks is not tried again: whoever reads it now waits behind the load.
    """
    if not files:
        return LoadedTables({}, {})
    pipeline = schema_pipeline(landed_schema, settings, settings.dlt_home).drop()
    source = schema_source(
        landed_schema,
        [table for table, _ in files],
        {table.landed_as: file for table, file in files},
    )
    try:
        return LoadedTables(_seconds(pipeline.run(source)), {})
    except PipelineStepFailed as error:
        _end_if_interrupted(error)
        names = [table.landed_as for table, _ in files]
        if isinstance(cause := [*_causes(error)][-1], MartsSilentError):
            # the next one would most likely wait as long for nothing
            return LoadedTables({}, dict.fromkeys(names, str(cause)))
        failed = names[0] if len(files) == 1 else _waited_in_vain(error)
        if failed not in names:
            alone = [load_tables(landed_schema, [each], settings) for each in files]
            return _together(alone)
        told = LoadedTables({}, {failed: _told(error, (landed_schema, failed), settings)})
    others = [(table, file) for table, file in files if table.landed_as != failed]
    return _together([told, load_tables(landed_schema, others, settings)])


def _together(parts: Sequence[LoadedTables]) -> LoadedTables:
    return LoadedTables(
        {name: seconds for each in parts for name, seconds in each.seconds.items()},
        {name: error for each in parts for name, error in each.errors.items()},
    )


def _seconds(info: LoadInfo) -> dict[str, float]:
    return {
        job.table_name: (job.finished_at - job.started_at).total_seconds()
        for metrics in info.metrics.values()
        for each in metrics
        for job in each["job_metrics"].values()
        if job.finished_at is not None
    }


def _told(error: PipelineStepFailed, table: tuple[str, str], settings: Settings) -> str:
    *_, cause = _causes(error)
    if isinstance(cause, errors.LockNotAvailable):
        with connect(settings.login_url(Login.INGEST)) as connection:
            return str(lock_wait(connection, table))
    return str(cause) or type(cause).__name__


def _end_if_interrupted(error: PipelineStepFailed) -> None:
    """dlt tells of Ctrl-C as of any other failure, after which a load would just go on."""
    for cause in _causes(error):
        if isinstance(cause, KeyboardInterrupt):
            raise cause


def _waited_in_vain(error: PipelineStepFailed) -> str | None:
    """The table whose write got no lock, where it was that."""
    causes = [*_causes(error)]
    if isinstance(causes[-1], errors.LockNotAvailable):
        for cause in causes:
            if isinstance(cause, LoadClientJobFailed | LoadClientJobTerminalRetry):
                return cause.job_id.partition(".")[0]
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__
