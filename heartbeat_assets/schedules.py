"""When what runs by itself, in the business time zone."""

from collections.abc import Sequence

from dagster import (
    AssetsDefinition,
    AssetSelection,
    DefaultScheduleStatus,
    ScheduleDefinition,
    define_asset_job,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from heartbeat_assets.audit_cuts import AUDIT_GROUP
from heartbeat_assets.executor import EXECUTOR

AUDIT_CRON = "45 4 * * *"
HOURLY_CRON = "17 * * * *"

REFRESH_JOB: UnresolvedAssetJobDefinition = define_asset_job(
    "refresh",
    selection=AssetSelection.all() - AssetSelection.groups(AUDIT_GROUP),
    executor_def=EXECUTOR,
    description="All tables, then all metrics.",
)
AUDIT_JOB: UnresolvedAssetJobDefinition = define_asset_job(
    "audit",
    selection=AssetSelection.groups(AUDIT_GROUP),
    executor_def=EXECUTOR,
    description="All audit cuts, on the rows that are landed.",
)


def schedules(timezone: str, cuts: Sequence[AssetsDefinition]) -> list[ScheduleDefinition]:
    """The hourly refresh and, where there are cuts, the daily audit."""
    jobs = [("hourly_refresh", REFRESH_JOB, HOURLY_CRON)]
    if cuts:
        jobs.append(("daily_audit", AUDIT_JOB, AUDIT_CRON))
    return [
        ScheduleDefinition(
            name=name,
            job=job,
            cron_schedule=cron,
            execution_timezone=timezone,
            default_status=DefaultScheduleStatus.RUNNING,
        )
        for name, job, cron in jobs
    ]
