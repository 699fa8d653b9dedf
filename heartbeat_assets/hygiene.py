"""The daily cleaning as an asset: what the platform would otherwise gather for ever."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    DagsterInstance,
    DagsterRunStatus,
    MaterializeResult,
    RunsFilter,
    asset,
)

from heartbeat.hygiene import remove_old
from heartbeat.project import Project
from heartbeat.settings import Settings

HYGIENE_GROUP = "hygiene"
HYGIENE_KEY = AssetKey(["heartbeat", "hygiene"])

_BATCH = 100
_ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]


def hygiene_asset(project: Project, settings: Settings) -> AssetsDefinition:
    """Removes old runs with their events and logs, old observations, and dlt's leftovers."""

    @asset(
        key=HYGIENE_KEY,
        group_name=HYGIENE_GROUP,
        description="What was kept longer than the settings say, removed.",
    )
    def hygiene(context: AssetExecutionContext) -> MaterializeResult[None]:
        now = datetime.now(UTC)
        runs = remove_old_runs(context.instance, now - timedelta(days=settings.keep_runs_days))
        schemas = {table.schema for table in project.tables}
        removed = remove_old(settings, schemas, now=now)
        return MaterializeResult(
            metadata={
                "runs": runs,
                "observations": removed.observations,
                "table_loads": removed.table_loads,
                "dlt_loads": removed.dlt_loads,
                "dlt_folders": removed.dlt_folders,
                "displays": removed.displays,
                "refresh_disks": removed.refresh_disks,
            }
        )

    return hygiene


def remove_old_runs(instance: DagsterInstance, before: datetime) -> int:
    """Delete runs that ended, with events and logs; returns how many. A run that waits stays."""
    removed = 0
    for run_id in _old_runs(instance, before):
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        instance.delete_run(run_id)
        removed += 1
    _remove_check_results(instance, before)
    _remove_logs_without_run(instance, before)
    return removed


def _old_runs(instance: DagsterInstance, before: datetime) -> Iterator[str]:
    old = RunsFilter(statuses=_ENDED, created_before=before)
    while batch := instance.get_run_records(old, limit=_BATCH, ascending=True):
        yield from (record.dagster_run.run_id for record in batch)


def _remove_check_results(instance: DagsterInstance, before: datetime) -> None:
    """Results of asset checks, which Dagster keeps when it deletes their run."""
    # a tenth of the load of the code location, for the one run a day that needs it
    from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    old = AssetCheckExecutionsTable.c.create_timestamp < before.astimezone(UTC).replace(tzinfo=None)
    with storage.index_connection() as connection:
        connection.execute(AssetCheckExecutionsTable.delete().where(old))


def _remove_logs_without_run(instance: DagsterInstance, before: datetime) -> None:
    """Logs of runs that were deleted in the Dagster UI, which leaves them."""
    for folder in Path(instance.storage_directory()).glob("*/compute_logs"):
        run_id = folder.parent.name
        if folder.stat().st_mtime < before.timestamp() and not instance.has_run(run_id):
            instance.compute_log_manager.delete_logs(prefix=[run_id])
