"""What a start runs once, so that the wall need not wait for the next tick of a schedule."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from heartbeat.audit.audit_view import any_undrawn
from heartbeat.judgement.wording import counted
from heartbeat.login import Login
from heartbeat.postgres_session import connect
from heartbeat.refresh.dagster_client import DagsterAwayError, DagsterClient, DagsterError
from heartbeat.refresh.job import (
    AUDIT_JOB,
    REFRESH_JOB,
    SCOPE_OF_EVERYTHING,
    SCOPE_TAG,
    JobState,
    state_of,
)
from heartbeat.refresh.run import Run
from heartbeat.settings import Settings

_CONTENT = ("sources", "metrics", "segments", "audit_cuts")
_HOURLY = timedelta(hours=1)
_DAILY = timedelta(days=1)
_LOOK_SECONDS = 0.5
_READY_SECONDS = 600


@dataclass(frozen=True)
class FirstRun:
    """A job of the schedules, and how old its last run may be."""

    job: str
    title: str
    age: timedelta
    covered_by: tuple[str, ...] = ()
    """Other jobs whose whole run does this one's work."""


FIRST_RUNS = (
    FirstRun(REFRESH_JOB, "Landing tables, computing metrics", _HOURLY, ("reconcile",)),
    FirstRun("benchmark", "Computing benchmarks", _DAILY),
    FirstRun("segment", "Computing client segments", _DAILY),
    FirstRun(AUDIT_JOB, "Drawing audit cuts", _DAILY),
)


def outcome_line(failed: int) -> str:
    """What is said at the end, after so many first runs that failed."""
    if not failed:
        return "Up to date."
    return f"{counted(failed, 'first run')} failed: `heartbeat today` says why."


class FirstRuns:
    """Runs the jobs whose last whole run failed, is too old, or read other files."""

    def __init__(
        self,
        settings: Settings,
        console: Console,
        *,
        goes_on: Callable[[], bool] = lambda: True,
    ) -> None:
        """`goes_on` is asked while a run is waited for: whether what carries it out is there."""
        self._settings = settings
        self._console = console
        self._goes_on = goes_on
        self._dagster = DagsterClient.of(settings)
        self._begins = False
        """Whether nothing had been landed: what was computed before that, says nothing."""

    def wait_until_loaded(self) -> None:
        """Wait for the code location; raises DagsterAwayError when it stays away."""
        deadline = time.monotonic() + _READY_SECONDS
        while not self._dagster.loaded():
            if time.monotonic() > deadline:
                raise DagsterAwayError(
                    f"the code location is not loaded after {_READY_SECONDS} s: see its log"
                )
            time.sleep(_LOOK_SECONDS)

    def run(self) -> int:
        """Run what is due, one job after the other, and say what became of it; how many failed."""
        self._begins = not self._dagster.succeeded_runs(REFRESH_JOB, {}, 1)
        failed = 0
        for each in FIRST_RUNS:
            if planned := len(self._dagster.assets(each.job).reads):
                failed += not self._run_if_due(each, planned)
        return failed

    def _run_if_due(self, first: FirstRun, planned: int) -> bool:
        """Whether it went well, or was not due."""
        self._await_active(first, planned)
        if not self._is_due(first):
            return True
        if not self._console.is_terminal:  # there the bar says it
            self._say(first.title)
        state = self._run_one(first, planned)
        if state is not JobState.SUCCESS:
            self._say(f"{first.title}: the run has ended as {state}; the Dagster UI says why")
        return state is JobState.SUCCESS

    def _await_active(self, first: FirstRun, planned: int) -> None:
        """A run that a schedule has just begun, or that was left behind and is about to fail."""
        active = self._last_whole_run((first.job, *first.covered_by))
        if active is not None and not active.ended:
            self._follow(active.run_id, first.title, planned)

    def _is_due(self, first: FirstRun) -> bool:
        if first.job == AUDIT_JOB:
            # pictures outlive a restart; `refresh` has just registered the cuts
            with connect(self._settings.login_url(Login.API)) as connection:
                return any_undrawn(connection, first.age)
        last = self._last_whole_run((first.job, *first.covered_by))
        since = max(datetime.now(UTC) - first.age, self._content_changed_at())
        if self._begins or last is None or last.status != "SUCCESS":
            return True
        return last.started_at is None or last.started_at <= since

    def _last_whole_run(self, jobs: tuple[str, ...]) -> Run | None:
        runs = [run for job in jobs if (run := self._dagster.last_whole_run(job))]
        return max(runs, key=lambda run: run.created_at, default=None)

    def _content_changed_at(self) -> datetime:
        """When a file of the project was last written, as its file system says."""
        times = [
            path.stat().st_mtime
            for folder in _CONTENT
            for path in (self._settings.project / folder).rglob("[!.]*")
            if path.is_file() and "__pycache__" not in path.parts
        ]
        return datetime.fromtimestamp(max(times, default=0), UTC)

    def _run_one(self, first: FirstRun, planned: int) -> JobState:
        """One that is lost is launched once more: a busy machine took too long to begin it."""
        for _ in range(2):
            run_id = self._dagster.launch(first.job, tags={SCOPE_TAG: SCOPE_OF_EVERYTHING})
            state = self._follow(run_id, first.title, planned)
            if state is not JobState.LOST:
                break
        return state

    def _follow(self, run_id: str, title: str, planned: int) -> JobState:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        with Progress(*columns, TimeElapsedColumn(), console=self._console) as bar:
            task = bar.add_task(title, total=planned)
            while self._goes_on():
                with suppress(DagsterError):
                    progress = self._dagster.progress(run_id)
                    bar.update(task, completed=progress.materialized)
                    if progress.ended and (run := self._dagster.run(run_id)):
                        return state_of(run)
                time.sleep(_LOOK_SECONDS)
        return JobState.LOST

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False)
