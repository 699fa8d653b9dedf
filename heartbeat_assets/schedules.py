"""When what runs by itself, in the business time zone."""

from dataclasses import dataclass

from dagster import (
    AssetSelection,
    DagsterInstance,
    DagsterRunStatus,
    DefaultScheduleStatus,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    define_asset_job,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from heartbeat.refresh.job import (
    AUDIT_JOB,
    REFRESH_JOB,
    SCOPE_OF_EVERYTHING,
    SCOPE_TAG,
    TRIGGER_TAG,
)
from heartbeat_assets.audit_cuts import AUDIT_GROUP
from heartbeat_assets.benchmarks import BENCHMARKS_GROUP
from heartbeat_assets.executor import EXECUTOR
from heartbeat_assets.hygiene import HYGIENE_GROUP
from heartbeat_assets.landing import RECONCILE_TAG
from heartbeat_assets.segments import SEGMENTS_GROUP
from heartbeat_assets.sources import CHECKS_GROUP


@dataclass(frozen=True)
class ScheduledJob:
    """A job and its hour."""

    job: UnresolvedAssetJobDefinition
    name: str
    cron: str
    covered_by: tuple[str, ...] = ()
    """Other jobs whose whole run does this one's work."""

    def schedule(self, timezone: str) -> ScheduleDefinition:
        """The schedule, on by default; a tick while the work is waiting or going on is skipped."""

        def evaluate(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
            covering = _covering_run(context.instance, (self.job.name, *self.covered_by))
            if covering is not None:
                return SkipReason(covering)
            return RunRequest(tags={TRIGGER_TAG: "schedule", SCOPE_TAG: SCOPE_OF_EVERYTHING})

        return ScheduleDefinition(
            name=self.name,
            job=self.job,
            cron_schedule=self.cron,
            execution_timezone=timezone,
            default_status=DefaultScheduleStatus.RUNNING,
            execution_fn=evaluate,
        )


_WAITING_OR_GOING_ON = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
]


def _covering_run(instance: DagsterInstance, jobs: tuple[str, ...]) -> str | None:
    """Why a tick may be skipped: which run does its work already; None without one."""
    for run in instance.get_runs(RunsFilter(statuses=_WAITING_OR_GOING_ON)):
        if run.job_name in jobs and run.asset_selection is None:
            return f"run {run.run_id} of {run.job_name}, which is {run.status.value}, covers it"
    return None


_TABLES_AND_METRICS = AssetSelection.all() - AssetSelection.groups(
    AUDIT_GROUP, BENCHMARKS_GROUP, CHECKS_GROUP, HYGIENE_GROUP, SEGMENTS_GROUP
)

REFRESH = ScheduledJob(
    define_asset_job(
        REFRESH_JOB,
        selection=_TABLES_AND_METRICS,
        executor_def=EXECUTOR,
        description="All tables, then all metrics.",
    ),
    "hourly_refresh",
    "17 * * * *",
    covered_by=("reconcile",),
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
SEGMENT = ScheduledJob(
    define_asset_job(
        "segment",
        selection=AssetSelection.groups(SEGMENTS_GROUP),
        executor_def=EXECUTOR,
        description="Which segment every client is in today.",
    ),
    "daily_segments",
    "30 4 * * *",
)
AUDIT = ScheduledJob(
    define_asset_job(
        AUDIT_JOB,
        selection=AssetSelection.groups(AUDIT_GROUP),
        executor_def=EXECUTOR,
        description="All audit cuts, on the rows that are landed.",
    ),
    "daily_audit",
    "45 4 * * *",
)
HYGIENE = ScheduledJob(
    define_asset_job(
        "hygiene",
        selection=AssetSelection.groups(HYGIENE_GROUP),
        executor_def=EXECUTOR,
        description="Removes what was kept longer than the settings say.",
    ),
    "daily_hygiene",
    "7 5 * * *",
)
