"""Commands that land and compute without the servers, with the code that the assets run."""

import getpass
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import psycopg
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from heartbeat.cli.marts import opened_marts
from heartbeat.cli.moment import moment
from heartbeat.errors import HeartbeatError
from heartbeat.metrics.benchmarking import store_benchmarks
from heartbeat.metrics.compute import Outcome, compute_and_store
from heartbeat.metrics.compute import compute as compute_one
from heartbeat.metrics.metric import Metric
from heartbeat.metrics.metric_file import load_metrics
from heartbeat.metrics.registered_lines import read_lines
from heartbeat.metrics.registry import sync
from heartbeat.refresh.dagster_client import DagsterClient
from heartbeat.refresh.desk import RefreshDesk
from heartbeat.refresh.job import JobState, Phase, RefreshJob
from heartbeat.segments.segment_days import store_segments
from heartbeat.segments.segment_file import load_segments
from heartbeat.settings import Settings

if TYPE_CHECKING:
    from heartbeat.landing.ledger import TableLoad
    from heartbeat.landing.selection import SelectedTables

_LOOK_SECONDS = 0.3
_NO_BAND = "no band: fewer than 14 complete days have a value"


def ingest(
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    schema: Annotated[str | None, typer.Option(help="Only this landed schema.")] = None,
    table: Annotated[list[str] | None, typer.Option(help="Only these landed tables.")] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="Only the tables that these metrics read.")
    ] = None,
    reconcile: Annotated[
        bool, typer.Option("--reconcile", help="Compare every row with the source.")
    ] = False,
) -> None:
    """Land tables from the sources into marts."""
    from heartbeat.landing.landing_run import LandingRun
    from heartbeat.landing.landing_state import sync_sources
    from heartbeat.landing.selection import select_tables
    from heartbeat.source import load_sources

    with opened_marts() as settings:
        loaded = load_sources(settings.project / "sources")
        with psycopg.connect(settings.database_url) as connection:
            sync_sources(connection, loaded)
        reads = (
            {ref for each in _chosen_metrics(settings, metric) for ref in each.reads}
            if metric
            else None
        )
        chosen = select_tables(
            loaded.sources, source=source, schema=schema, tables=table, reads=reads
        )
        failures = [str(problem) for problem in loaded.problems]
        with (
            Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()) as bar,
            LandingRun(
                settings, _run_id(), chosen, _Progress(bar, chosen), reconcile=reconcile
            ) as run,
        ):
            loads = [load for part in chosen for load in run.land(part)]
        failures += [f"{each.qualified_name}: {each.error}" for each in loads if each.error]
    if failures:
        raise HeartbeatError("; ".join(failures))


class _Progress:
    """Shows a landing as one bar for each landed schema."""

    def __init__(self, bar: Progress, chosen: "Sequence[SelectedTables]") -> None:
        self._bar = bar
        self._tasks = {
            part.landed_schema: bar.add_task(part.landed_schema, total=len(part.tables))
            for part in chosen
        }

    def landed(self, load: "TableLoad") -> None:
        self._bar.advance(self._tasks[load.landed_schema])

    def noted(self, message: str) -> None:
        self._bar.console.print(message)


def compute(
    metric: Annotated[list[str] | None, typer.Argument(help="Ids; all without any.")] = None,
    as_of: Annotated[
        str | None, typer.Option(help="A past moment, ISO 8601; its values are only shown.")
    ] = None,
    all_days: Annotated[
        bool, typer.Option("--all-days", help="Look at every past day again as well.")
    ] = False,
) -> None:
    """Compute metrics on the rows that are landed."""
    with opened_marts() as settings:
        chosen = _chosen_metrics(settings, metric or [])
        if as_of is None:
            failed = _compute_now(chosen, settings, all_days)
        else:
            failed = _compute_past(chosen, settings, moment(as_of))
    if failed:
        raise HeartbeatError(f"{failed} of {len(chosen)} metrics failed")


def refresh(
    metric: Annotated[list[str] | None, typer.Argument(help="Ids; all without any.")] = None,
    in_process: Annotated[
        bool, typer.Option("--in-process", help="Here, without Dagster's queue and servers.")
    ] = False,
) -> None:
    """Land what metrics read, then compute them, as a click on the wall does."""
    if in_process:
        _refresh_here(metric)
        return
    with opened_marts() as settings:
        job = _followed(settings, metric)
    for what, progress in (("tables", job.tables), ("metrics", job.metrics)):
        typer.echo(f"{what}  {progress.done} of {progress.planned}")
    if job.state is not JobState.SUCCESS:
        raise HeartbeatError(f"the refresh {job.job_id} ended as {job.state}: {job.reason}")


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
    desk = RefreshDesk(DagsterClient(settings.dagster_url))
    actor = getpass.getuser()
    with psycopg.connect(settings.database_url) as connection:
        ticket = desk.request(connection, metrics or None, trigger="api", actor=actor)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with (
        psycopg.connect(settings.database_url, autocommit=True) as connection,
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
        band = f"{each.mean:.6g} ± {each.stddev:.6g} over {each.n} days" if each else _NO_BAND
        typer.echo(f"{metric_id}  {band}")


def segments() -> None:
    """Store the segment of every client for this business day, as the daily job does."""
    with opened_marts() as settings:
        loaded = load_segments(settings.project / "segments")
        if loaded.segments is None:
            reasons = [str(problem) for problem in loaded.problems]
            raise HeartbeatError("; ".join(reasons or ["there is no segments/clients.sql"]))
        days = store_segments(loaded.segments, settings, now=datetime.now(UTC), run_id=_run_id())
        for day in days:
            counts = ", ".join(f"{count} {segment}" for segment, count in day.counts.items())
            typer.echo(f"{day.d}  {counts or 'no client'}")


def _chosen_metrics(settings: Settings, names: list[str]) -> list[Metric]:
    metrics = {
        metric.metric_id: metric for metric in load_metrics(settings.project / "metrics").metrics
    }
    if unknown := [name for name in names if name not in metrics]:
        raise HeartbeatError(
            f"there is no usable metric {unknown[0]}; see `heartbeat registry status`"
        )
    return [metrics[name] for name in names] if names else list(metrics.values())


def _compute_now(metrics: list[Metric], settings: Settings, all_days: bool) -> int:
    with psycopg.connect(settings.database_url) as connection:
        sync(connection, load_metrics(settings.project / "metrics"))
    outcomes = compute_and_store(
        metrics, settings, as_of=datetime.now(UTC), run_id=_run_id(), all_days=all_days
    )
    return sum(_show(outcome) for outcome in outcomes)


def _compute_past(metrics: list[Metric], settings: Settings, as_of: datetime) -> int:
    with psycopg.connect(settings.database_url) as connection:
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


def _run_id() -> str:
    return f"cli-{uuid.uuid4()}"
