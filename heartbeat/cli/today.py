"""The daily triage: what is wrong now, in one screen of text."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import psycopg
import typer
from psycopg.rows import class_row

from heartbeat.cli.marts import opened_marts
from heartbeat.displays import Display, read_displays
from heartbeat.judgement.freshness import Freshness, source_age
from heartbeat.judgement.grouped import grouped
from heartbeat.judgement.signal import Signal
from heartbeat.judgement.status import Status
from heartbeat.judgement.wording import age_text, counted
from heartbeat.metrics.metric_view import MetricView, read_metrics
from heartbeat.metrics.verification import VerificationState
from heartbeat.plain_json import plain_json
from heartbeat.project import Project

_FAILED_LOADS = (
    "select schema_name || '.' || table_name as table, polled_at, error"
    " from heartbeat.table_load where error is not null order by 1"
)
_LINES = 12
_NAMES = 4
_Line = tuple[str, str]
"""What it is about, and what is wrong with it."""
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
    with opened_marts() as settings, psycopg.connect(settings.database_url) as connection:
        views = read_metrics(connection, now=now, zone=settings.zone)
        with connection.cursor(row_factory=class_row(FailedLoad)) as cursor:
            failed = cursor.execute(_FAILED_LOADS).fetchall()
        loads = _still_landed(failed, Project(settings.project))
        displays = [each for each in read_displays(connection, now) if each.dark_since]
    sections = {
        "red": [_judged(view, now) for view in views if view.status is Status.RED],
        "failing": [_failing(view) for view in views if view.signal is Signal.ERROR],
        "stale": [_stale(view, now) for view in views if view.freshness in _STALE],
        "amber": [_judged(view, now) for view in views if _is_amber(view)],
        "never computed": [(view.code, "") for view in views if view.signal is Signal.NO_DATA],
        "changed since verified": [_changed(view) for view in views if _has_lapsed(view)],
        "did not land": [(load.table, load.error) for load in loads],
        "dark screens": [_dark(display, now) for display in displays],
    }
    if as_json:
        document: dict[str, object] = {
            **{
                title: ["  ".join(filter(None, line)) for line in lines]
                for title, lines in sections.items()
            },
            "did not land": [asdict(load) for load in loads],
            "dark screens": [asdict(display) for display in displays],
        }
        typer.echo(json.dumps(document, default=plain_json, indent=1))
    else:
        _print(sections, len(views))


def _still_landed(loads: Sequence[FailedLoad], project: Project) -> list[FailedLoad]:
    """Without the tables that no source lands any more, as far as the files can tell."""
    if project.sources.problems:
        return list(loads)
    known = {str(table) for table in project.tables}
    return [load for load in loads if load.table in known]


def _print(sections: Mapping[str, Sequence[_Line]], metrics: int) -> None:
    for title, told in sections.items():
        if told:
            typer.echo(f"{title} ({len(told)})")
            lines = [line.rstrip() for line in grouped(told, separator="  ", at_most=_NAMES)]
            for line in lines[:_LINES]:
                typer.echo(f"  {line}")
            if len(lines) > _LINES:
                typer.echo(f"  and {len(lines) - _LINES} more; --json lists them all")
    if not metrics:
        typer.echo("There is no metric yet; `heartbeat registry sync` registers the files.")
    elif not any(sections.values()):
        typer.echo(f"{counted(metrics, 'metric')}, all green and fresh.")


def _is_amber(view: MetricView) -> bool:
    return view.status is Status.AMBER and view.signal is Signal.OK


def _has_lapsed(view: MetricView) -> bool:
    unverified = view.verification_state is VerificationState.UNVERIFIED
    return unverified and view.verification_since is not None


def _judged(view: MetricView, now: datetime) -> _Line:
    since = age_text(max(now - view.since, timedelta(0)))
    return view.code, f"{view.short_name}: {view.reason}, for {since}"


def _failing(view: MetricView) -> _Line:
    return view.code, view.error or ""


def _stale(view: MetricView, now: datetime) -> _Line:
    assert view.source_as_of is not None
    age = age_text(source_age(view.source_as_of, now))
    return view.code, f"{view.short_name}: source {age} old"


def _changed(view: MetricView) -> _Line:
    return view.code, view.verification_reason


def _dark(display: Display, now: datetime) -> _Line:
    assert display.dark_since is not None
    age = age_text(source_age(display.dark_since, now))
    return display.name, f"{display.page}: dark for {age}"
