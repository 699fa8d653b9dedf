"""Commands that land and compute without the servers, with the code that the assets run."""

import uuid
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import psycopg
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from heartbeat.cli.marts import opened_marts
from heartbeat.compute import Outcome, compute_and_store
from heartbeat.compute import compute as compute_one
from heartbeat.errors import HeartbeatError
from heartbeat.metric import Metric
from heartbeat.metric_file import load_metrics
from heartbeat.registry import sync
from heartbeat.settings import Settings


def ingest(
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    schema: Annotated[str | None, typer.Option(help="Only this landed schema.")] = None,
    table: Annotated[list[str] | None, typer.Option(help="Only these landed tables.")] = None,
) -> None:
    """Land tables from the sources into marts."""
    from heartbeat.landing.schema_landing import SchemaLanding
    from heartbeat.landing.selection import select_tables
    from heartbeat.source import load_sources

    with opened_marts() as settings:
        loaded = load_sources(settings.project / "sources")
        chosen = select_tables(loaded.sources, source=source, schema=schema, tables=table)
        failures = [str(problem) for problem in loaded.problems]
        with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()) as bar:
            for part in chosen:
                task = bar.add_task(part.landed_schema, total=len(part.tables))
                landing = SchemaLanding(part.source, part.schema_name, settings, _run_id())
                loads = landing.land(part.tables, partial(_advance, bar, task))
                failures += [f"{each.landed_table}: {each.error}" for each in loads if each.error]
    if failures:
        raise HeartbeatError("; ".join(failures))


def compute(
    metric: Annotated[list[str] | None, typer.Argument(help="Ids; all without any.")] = None,
    as_of: Annotated[
        str | None, typer.Option(help="A past moment, ISO 8601; its values are only shown.")
    ] = None,
) -> None:
    """Compute metrics on the rows that are landed."""
    with opened_marts() as settings:
        chosen = _chosen_metrics(settings, metric or [])
        if as_of is None:
            failed = _compute_now(chosen, settings)
        else:
            failed = _compute_past(chosen, settings, _moment(as_of))
    if failed:
        raise HeartbeatError(f"{failed} of {len(chosen)} metrics failed")


def _chosen_metrics(settings: Settings, names: list[str]) -> list[Metric]:
    metrics = {
        metric.metric_id: metric for metric in load_metrics(settings.project / "metrics").metrics
    }
    if unknown := [name for name in names if name not in metrics]:
        raise HeartbeatError(
            f"there is no usable metric {unknown[0]}; see `heartbeat registry status`"
        )
    return [metrics[name] for name in names] if names else list(metrics.values())


def _compute_now(metrics: list[Metric], settings: Settings) -> int:
    with psycopg.connect(settings.database_url) as connection:
        sync(connection, load_metrics(settings.project / "metrics"))
    outcomes = compute_and_store(metrics, settings, as_of=datetime.now(UTC), run_id=_run_id())
    return sum(_show(outcome) for outcome in outcomes)


def _compute_past(metrics: list[Metric], settings: Settings, moment: datetime) -> int:
    return sum(_show(compute_one(metric, settings, as_of=moment)) for metric in metrics)


def _show(outcome: Outcome) -> bool:
    value = outcome.error or f"{outcome.value} {outcome.status or ''}"
    typer.echo(f"{outcome.metric_id}  {value}", err=bool(outcome.error))
    return outcome.error is not None


def _advance(bar: Progress, task: TaskID, _: str) -> None:
    bar.advance(task)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise HeartbeatError(f"--as-of {text}: write it as 2026-03-31T23:59:59+00:00") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _run_id() -> str:
    return f"cli-{uuid.uuid4()}"
