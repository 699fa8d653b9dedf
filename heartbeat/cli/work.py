"""Commands that compute without the servers, with the code that the assets run, and refresh."""

import getpass
import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from heartbeat.cli.chosen_metrics import chosen_metrics, metric_id_of
from heartbeat.cli.ingest import ingest
from heartbeat.cli.marts import new_run_id, opened_marts
from heartbeat.cli.moment import moment
from heartbeat.errors import HeartbeatError
from heartbeat.judgement.benchmark import Benchmark
from heartbeat.judgement.grouped import grouped
from heartbeat.judgement.wording import counted
from heartbeat.login import Login
from heartbeat.metrics.benchmarking import store_benchmarks
from heartbeat.metrics.compute import Outcome, compute_and_store
from heartbeat.metrics.compute import compute as compute_one
from heartbeat.metrics.metric import Metric
from heartbeat.metrics.registered_lines import read_lines
from heartbeat.postgres_session import connect
from heartbeat.project import Project
from heartbeat.refresh.dagster_client import DagsterAwayError, DagsterClient
from heartbeat.refresh.desk import RefreshDesk
from heartbeat.refresh.job import JobState, Phase, RefreshJob, read_failures
from heartbeat.registration import register
from heartbeat.segments.segment_days import store_segments
from heartbeat.segments.segment_file import load_segments
from heartbeat.settings import Settings

MetricNames = Annotated[list[str] | None, typer.Argument(help="Ids or codes; all without any.")]

_LOOK_SECONDS = 0.3
_NO_BAND = "no band: fewer than 14 complete days have a value"


def compute(
    metric: MetricNames = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="A past moment, ISO 8601, in the business time zone; its values are only shown."
        ),
    ] = None,
    all_days: Annotated[
        bool, typer.Option("--all-days", help="Look at every past day again as well.")
    ] = False,
) -> None:
    """Compute metrics on the rows that are landed."""
    with opened_marts() as settings:
        project = Project.of(settings)
        chosen = chosen_metrics(project, metric or [])
        if as_of is None:
            failed = _compute_now(project, chosen, settings, all_days)
        else:
            failed = _compute_past(chosen, settings, moment(as_of, settings.zone))
    problems = [] if metric else [str(problem) for problem in project.metric_problems]
    if failed:
        problems.append(f"{failed} of {counted(len(chosen), 'metric')} failed")
    if problems:
        raise HeartbeatError("; ".join(problems))


def refresh(
    metric: MetricNames = None,
    in_process: Annotated[
        bool, typer.Option("--in-process", help="Here, without Dagster's queue and servers.")
    ] = False,
) -> None:
    """Land what metrics read, then compute them, as a click on the wall does."""
    if in_process:
        _refresh_here(metric)
        return
    with opened_marts() as settings:
        names = metric and [metric_id_of(Project.of(settings), name) for name in metric]
        job = _followed(settings, names)
        with connect(settings.login_url(Login.API)) as connection:
            failures = read_failures(connection, job.job_id)
    typer.echo(f"tables   {job.tables.text('landed')}")
    typer.echo(f"metrics  {job.metrics.text('computed')}")
    if job.state is not JobState.SUCCESS:
        told = grouped(failures) if job.state is JobState.FAILED else []
        reason = "; ".join(told) or job.reason
        raise HeartbeatError(f"the refresh {job.job_id} ended as {job.state}: {reason}")


def _refresh_here(metric: list[str] | None) -> None:
    """Compute also when a table did not land: on its last good rows."""
    failures: list[str] = []
    for step in (ingest, compute):
        try:
            step(metric=metric)
        except HeartbeatError as error:
            failures.append(str(error))
    if failures:
        raise HeartbeatError("; ".join(failures))


def _followed(settings: Settings, metrics: list[str] | None) -> RefreshJob:
    desk = RefreshDesk(DagsterClient.of(settings))
    actor = getpass.getuser()
    try:
        with connect(settings.login_url(Login.API)) as connection:
            ticket = desk.request(connection, metrics or None, trigger="api", actor=actor)
    except DagsterAwayError as error:
        raise HeartbeatError(
            f"{error}; start `heartbeat up`, or refresh here with `heartbeat refresh --in-process`"
        ) from error
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with (
        connect(settings.login_url(Login.API), autocommit=True) as connection,
        Progress(*columns) as bar,
    ):
        task = bar.add_task("waiting", total=None)
        while True:
            job = desk.job(connection, ticket.job_id)
            assert job is not None
            done = job.tables.done + job.metrics.done
            planned = job.tables.planned + job.metrics.planned
            bar.update(task, description=job.schema or job.phase, completed=done, total=planned)
            if job.phase is Phase.ENDED:
                return job
            time.sleep(_LOOK_SECONDS)


def benchmark() -> None:
    """Compute the typical band of every metric that keeps one, as the daily job does."""
    with opened_marts() as settings:
        found = store_benchmarks(settings, now=datetime.now(UTC))
    for metric_id, each in sorted(found.items()):
        typer.echo(f"{metric_id}  {_band(each)}")


def _band(found: Benchmark | None) -> str:
    if found is None:
        return _NO_BAND
    return f"{found.mean:.6g} ± {found.stddev:.6g} over {counted(found.n, 'day')}"


def segments() -> None:
    """Store the segment of every client for this business day, as the daily job does."""
    with opened_marts() as settings:
        loaded = load_segments(settings.project / "segments")
        if loaded.segments is None:
            reasons = [str(problem) for problem in loaded.problems]
            raise HeartbeatError("; ".join(reasons or ["there is no segments/clients.sql"]))
        days = store_segments(loaded.segments, settings, now=datetime.now(UTC), run_id=new_run_id())
        for day in days:
            counts = ", ".join(f"{count} {segment}" for segment, count in day.counts.items())
            typer.echo(f"{day.d}  {counts or 'no client'}")


def _compute_now(
    project: Project, metrics: list[Metric], settings: Settings, all_days: bool
) -> int:
    with connect(settings.login_url(Login.INGEST)) as connection:
        register(connection, project, settings.zone)
    outcomes = compute_and_store(
        metrics, settings, as_of=datetime.now(UTC), run_id=new_run_id(), all_days=all_days
    )
    return sum(_show(outcome) for outcome in outcomes)


def _compute_past(metrics: list[Metric], settings: Settings, as_of: datetime) -> int:
    with connect(settings.login_url(Login.COMPUTE)) as connection:
        lines = read_lines(connection, [metric.metric_id for metric in metrics])
    return sum(
        _show(
            compute_one(
                metric,
                settings,
                as_of=as_of,
                lines=lines.get(metric.metric_id),
                with_history=False,
            )
        )
        for metric in metrics
    )


def _show(outcome: Outcome) -> bool:
    value = outcome.error or f"{outcome.value} {outcome.status or ''}".rstrip()
    typer.echo(f"{outcome.metric_id}  {value}", err=bool(outcome.error))
    return outcome.error is not None
