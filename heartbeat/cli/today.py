"""The daily triage: what is wrong now, in one screen of text."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from psycopg.rows import class_row

from heartbeat.cli.marts import opened_marts
from heartbeat.displays import Display, read_displays
from heartbeat.judgement.freshness import Freshness, source_age
from heartbeat.judgement.signal import Signal
from heartbeat.judgement.status import Status
from heartbeat.judgement.wording import age_text
from heartbeat.metrics.metric_view import MetricView, read_metrics
from heartbeat.metrics.verification import VerificationState
from heartbeat.plain_json import plain_json
from heartbeat.postgres_session import connect
from heartbeat.segments.segment_days import read_failure
from heartbeat.source_drift import read_source_drift

_FAILED_LOADS = (
    "select schema_name || '.' || table_name as table, polled_at, error"
    " from heartbeat.table_load where error is not null order by 1"
)
_LINES = 12
_STALE = (Freshness.AMBER, Freshness.RED)


@dataclass(frozen=True)
class FailedLoad:
    """A table whose last load failed; its rows are those of `polled_at`."""

    table: str
    polled_at: datetime | None
    error: str


def today(
    as_json: Annotated[bool, typer.Option("--json", help="For a program to read.")] = False,
) -> None:
    """Show what is red, failing, stale, changed since verified, did not land; and dark screens."""
    now = datetime.now(UTC)
    with opened_marts() as settings, connect(settings.database_url) as connection:
        views = read_metrics(connection, now=now, zone=settings.zone)
        with connection.cursor(row_factory=class_row(FailedLoad)) as cursor:
            loads = cursor.execute(_FAILED_LOADS).fetchall()
        drifted = read_source_drift(connection)
        segments_error = read_failure(connection)
        displays = [each for each in read_displays(connection, now) if each.dark_since]
    sections = {
        "red": [_judged(view, now) for view in views if view.status is Status.RED],
        "failing": [
            *(_failing(view) for view in views if view.signal is Signal.ERROR),
            *([f"segments  {segments_error}"] if segments_error else []),
        ],
        "stale": [_stale(view, now) for view in views if view.freshness in _STALE],
        "amber": [_judged(view, now) for view in views if _is_amber(view)],
        "never computed": [view.code for view in views if view.signal is Signal.NO_DATA],
        "changed since verified": [_changed(view) for view in views if _has_lapsed(view)],
        "changed in a source": [each.message for each in drifted],
        "did not land": [f"{load.table}  {load.error}" for load in loads],
        "dark screens": [_dark(display, now) for display in displays],
    }
    if as_json:
        document = {
            **sections,
            "did not land": [asdict(load) for load in loads],
            "dark screens": [asdict(display) for display in displays],
        }
        typer.echo(json.dumps(document, default=plain_json, indent=1))
    else:
        _print(sections, len(views))


def _print(sections: Mapping[str, Sequence[str]], metrics: int) -> None:
    for title, lines in sections.items():
        if lines:
            typer.echo(f"{title} ({len(lines)})")
            for line in lines[:_LINES]:
                typer.echo(f"  {line}")
            if len(lines) > _LINES:
                typer.echo(f"  and {len(lines) - _LINES} more; --json lists them all")
    if not any(sections.values()):
        typer.echo(f"All of {metrics} metrics are green and fresh.")


def _is_amber(view: MetricView) -> bool:
    return view.status is Status.AMBER and view.signal is Signal.OK


def _has_lapsed(view: MetricView) -> bool:
    unverified = view.verification_state is VerificationState.UNVERIFIED
    return unverified and view.verification_since is not None


def _judged(view: MetricView, now: datetime) -> str:
    since = age_text(max(now - view.since, timedelta(0)))
    return f"{view.code}  {view.short_name}: {view.reason}, for {since}"


def _failing(view: MetricView) -> str:
    return f"{view.code}  {view.error}"


def _stale(view: MetricView, now: datetime) -> str:
    assert view.source_as_of is not None
    age = age_text(source_age(view.source_as_of, now))
    return f"{view.code}  {view.short_name}: source {age} old"


def _changed(view: MetricView) -> str:
    return f"{view.code}  {view.verification_reason}"


def _dark(display: Display, now: datetime) -> str:
    assert display.dark_since is not None
    age = age_text(source_age(display.dark_since, now))
    return f"{display.name}  {display.page}: dark for {age}"
