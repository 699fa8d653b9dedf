"""When what runs by itself, in the business time zone."""

from dataclasses import dataclass

from dagster import AssetSelection, DefaultScheduleStatus, ScheduleDefinition, define_asset_job
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from heartbeat_assets.audit_cuts import AUDIT_GROUP
from heartbeat_assets.benchmarks import BENCHMARKS_GROUP
from heartbeat_assets.executor import EXECUTOR
from heartbeat_assets.landing import RECONCILE_TAG
from heartbeat_assets.sources import CHECKS_GROUP


@dataclass(frozen=True)
class ScheduledJob:
    """A job and its hour."""

    job: UnresolvedAssetJobDefinition
    name: str
    cron: str

    def schedule(self, timezone: str) -> ScheduleDefinition:
        """The schedule, on by default."""
        return ScheduleDefinition(
            name=self.name,
            job=self.job,
            cron_schedule=self.cron,
            execution_timezone=timezone,
            default_status=DefaultScheduleStatus.RUNNING,
        )


_TABLES_AND_METRICS = AssetSelection.all() - AssetSelection.groups(
    AUDIT_GROUP, BENCHMARKS_GROUP, CHECKS_GROUP
)

REFRESH = ScheduledJob(
    define_asset_job(
        "refresh",
        selection=_TABLES_AND_METRICS,
        executor_def=EXECUTOR,
        description="All tables, then all metrics.",
    ),
    "hourly_refresh",
    "17 * * * *",
)
RECONCILE = ScheduledJob(
    define_asset_job(
        "reconcile",
        selection=_TABLES_AND_METRICS,
        executor_def=EXECUTOR,
        tags={RECONCILE_TAG: "true"},
        description=(
            "The refresh, with every row compared with its source: it finds what a cursor does not "
            "tell, deletes among it."
        ),
    ),
    "daily_reconcile",
    "47 3 * * *",
)
CHECK_SOURCES = ScheduledJob(
    define_asset_job(
        "check_sources",
        selection=AssetSelection.groups(CHECKS_GROUP),
        executor_def=EXECUTOR,
        description="New, vanished and changed tables of the sources.",
    ),
    "daily_source_check",
    "7 4 * * *",
)
BENCHMARK = ScheduledJob(
    define_asset_job(
        "benchmark",
        selection=AssetSelection.groups(BENCHMARKS_GROUP),
        executor_def=EXECUTOR,
        description="What is typical of each metric, from its last complete days.",
    ),
    "daily_benchmark",
    "23 4 * * *",
)
AUDIT = ScheduledJob(
    define_asset_job(
        "audit",
        selection=AssetSelection.groups(AUDIT_GROUP),
        executor_def=EXECUTOR,
        description="All audit cuts, on the rows that are landed.",
    ),
    "daily_audit",
    "45 4 * * *",
)
