"""COPY files of one landed schema, loaded through dlt."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dlt
from dlt import Pipeline
from dlt.common.pipeline import LoadInfo
from dlt.pipeline.exceptions import PipelineStepFailed

from heartbeat.landing.catalog import Table
from heartbeat.landing.copy_file import CopyFile
from heartbeat.landing.destination import marts
from heartbeat.landing.resource import schema_source
from heartbeat.settings import Settings

# extraction in threads breaks under Dagster, dlt's twenty loaders starve a small Postgres, and what
# dlt remembers of a table is no better than the source and marts themselves
_DLT_SETTINGS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "CRITICAL",
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
        pipeline_name=landed_schema,
        pipelines_dir=str(folder),
        destination=marts(settings.database_url, settings.lock_timeout),
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

    One table's error stops the package that dlt loads, so each then gets one of its own.
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
        if len(files) == 1:
            return LoadedTables({}, {files[0][0].landed_as: _first_cause(error)})
    alone = [load_tables(landed_schema, [each], settings) for each in files]
    return LoadedTables(
        {name: seconds for each in alone for name, seconds in each.seconds.items()},
        {name: error for each in alone for name, error in each.errors.items()},
    )


def _seconds(info: LoadInfo) -> dict[str, float]:
    return {
        job.table_name: (job.finished_at - job.started_at).total_seconds()
        for metrics in info.metrics.values()
        for each in metrics
        for job in each["job_metrics"].values()
        if job.finished_at is not None
    }


def _first_cause(error: PipelineStepFailed) -> str:
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return str(cause) or type(cause).__name__
