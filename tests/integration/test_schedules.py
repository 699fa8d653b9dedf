"""What the schedules do on a real instance: absorbed ticks, an outage, the clock change."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster._daemon  # noqa: F401 - first, since the scheduler and it import each other
import pytest
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.remote_representation.external import RemoteSchedule
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget
from dagster._grpc.client import DagsterGrpcClient
from dagster._scheduler.scheduler import launch_scheduled_runs

REPOSITORY = Path(__file__).parents[2]
DAILIES = (
    "daily_reconcile",
    "daily_source_check",
    "daily_benchmark",
    "daily_segments",
    "daily_audit",
    "daily_hygiene",
)
SCHEDULES = ("hourly_refresh", *DAILIES)


class Scheduler:
    """Dagster's scheduler with a clock that the test sets; runs stay in the queue."""

    def __init__(self, workspace: WorkspaceProcessContext) -> None:
        self._workspace = workspace
        self.instance = workspace.instance

    def at(self, moment: datetime) -> None:
        """What the daemon would do at that moment, once."""
        for error in launch_scheduled_runs(
            self._workspace, logging.getLogger("scheduler"), moment, {}, max_catchup_runs=1
        ):
            assert error is None

    def schedule(self, name: str) -> RemoteSchedule:
        (location,) = self._workspace.create_request_context().code_locations
        (repository,) = location.get_repositories().values()
        return repository.get_schedule(name)

    def ticks(self, name: str) -> list[InstigatorTick]:
        """The ticks of a schedule, the newest first."""
        schedule = self.schedule(name)
        return list(self.instance.get_ticks(schedule.get_remote_origin_id(), schedule.selector_id))

    def empties_the_queue(self) -> None:
        for run in self.instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.QUEUED])):
            self.instance.report_run_canceled(run)

    def queued(self, job: str) -> list[str]:
        found = self.instance.get_runs(RunsFilter(job_name=job, statuses=[DagsterRunStatus.QUEUED]))
        return [run.run_id for run in found]


@pytest.fixture(scope="module")
def code_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GrpcServerTarget]:
    """The code location of this repository, which makes no connection."""
    socket = str(tmp_path_factory.mktemp("code") / "code.sock")
    module = ["-m", "dagster", "api", "grpc", "--socket", socket, "--location-name", "heartbeat"]
    environment = {
        **os.environ,
        "HEARTBEAT_PROJECT": str(REPOSITORY),
        "HEARTBEAT_TIMEZONE": "Europe/Vilnius",
    }
    server = subprocess.Popen(
        [sys.executable, *module, "-m", "heartbeat_assets.definitions"], env=environment
    )
    try:
        client = DagsterGrpcClient(socket=socket)
        while client.health_check_query() != "SERVING":  # type: ignore[no-untyped-call]
            assert server.poll() is None
            time.sleep(0.05)
        yield GrpcServerTarget("localhost", None, socket, "heartbeat")
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def scheduler(code_server: GrpcServerTarget, tmp_path: Path) -> Iterator[Scheduler]:
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with (
        DagsterInstance.from_config(str(home)) as instance,
        WorkspaceProcessContext(instance, code_server) as workspace,
    ):
        yield Scheduler(workspace)


def tomorrow_noon() -> datetime:
    """An hour at which no daily is near."""
    return datetime.now(UTC).replace(hour=10, minute=30, second=0, microsecond=0) + timedelta(
        days=1
    )


def test_a_tick_is_absorbed_by_a_job_that_does_its_work(scheduler: Scheduler) -> None:
    noon = tomorrow_noon()
    scheduler.at(noon)
    scheduler.empties_the_queue()
    scheduler.at(noon + timedelta(hours=1))
    (first,) = scheduler.queued("refresh")
    scheduler.at(noon + timedelta(hours=2))
    skipped, requested = scheduler.ticks("hourly_refresh")[:2]
    assert (requested.status, requested.run_ids) == (TickStatus.SUCCESS, [first])
    assert skipped.status is TickStatus.SKIPPED
    assert skipped.skip_reason == f"run {first} of refresh, which is QUEUED, covers it"
    assert scheduler.queued("refresh") == [first]
    run = scheduler.instance.get_run_by_id(first)
    assert run is not None
    assert run.tags["heartbeat/trigger"] == "schedule"


def test_after_an_outage_one_tick_makes_up_for_all(scheduler: Scheduler) -> None:
    noon = tomorrow_noon()
    scheduler.at(noon)
    scheduler.empties_the_queue()
    before = {name: len(scheduler.ticks(name)) for name in SCHEDULES}
    scheduler.at(noon + timedelta(days=3))
    assert [len(scheduler.ticks(name)) - before[name] for name in SCHEDULES] == [1] * 7
    assert [len(scheduler.queued(job)) for job in ("reconcile", "audit", "hygiene")] == [1, 1, 1]
    (tick,) = scheduler.ticks("hourly_refresh")[:1]
    # the two come in any order, and the reconcile does the work of the refresh
    assert scheduler.queued("refresh") == tick.run_ids
    assert tick.run_ids or f"run {scheduler.queued('reconcile')[0]}" in (tick.skip_reason or "")


def test_the_night_of_a_clock_change_has_every_hour_and_one_of_each_daily(
    scheduler: Scheduler,
) -> None:
    """From midnight to six, with the hour from three to four twice: seven hours."""
    year = datetime.now(UTC).year + 1
    october = datetime(year, 10, 31, tzinfo=UTC)
    change = october - timedelta(days=(october.weekday() + 1) % 7)
    assert change.weekday() == 6
    midnight = change - timedelta(hours=3)  # Vilnius is 3 hours ahead until 01:00 UTC, then 2
    scheduler.at(midnight)
    before = {name: len(scheduler.ticks(name)) for name in SCHEDULES}
    for hour in range(1, 8):
        scheduler.at(midnight + timedelta(hours=hour))
    gained = {name: len(scheduler.ticks(name)) - before[name] for name in SCHEDULES}
    assert gained == {"hourly_refresh": 7, **dict.fromkeys(DAILIES, 1)}
