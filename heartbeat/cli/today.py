"""The daily triage: what is wrong now, in one screen of text."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

import psycopg
import typer

from heartbeat.cli.marts import opened_marts
from heartbeat.displays import Display, read_displays
from heartbeat.judgement.freshness import Freshness, source_age
from heartbeat.judgement.signal import Signal
from heartbeat.judgement.status import Status
from heartbeat.judgement.wording import age_text
from heartbeat.landing.landing_state import (
    LandingState,
    read_landing_state,
    read_left_attempts,
)
from heartbeat.metrics.metric_view import MetricView, oldest_poll, read_metrics
from heartbeat.metrics.verification import VerificationState
from heartbeat.plain_json import plain_json
from heartbeat.settings import Settings

_BROKE_OFF = "its landing broke off"
_LINES = 12
_STALE = (Freshness.AMBER, Freshness.RED)


def today(
    as_json: Annotated[bool, typer.Option("--json", help="For a program to read.")] = False,
) -> None:
    """Show what is red, failing, stale, changed since verified, did not land; and dark screens."""
    now = datetime.now(UTC)
    with opened_marts() as settings, psycopg.connect(settings.database_url) as connection:
        left = read_left_attempts(connection)
        connection.commit()
        views = read_metrics(connection, now=now, zone=settings.zone)
        landing = read_landing_state(connection, left)
        displays = [each for each in read_displays(connection, now) if each.dark_since]
    sections = {
        "red": [_judged(view, now) for view in views if view.status is Status.RED],
        "failing": [_failing(view) for view in views if view.signal is Signal.ERROR],
        "stale": [_stale(view, now) for view in views if view.freshness in _STALE],
        "amber": [_judged(view, now) for view in views if _is_amber(view)],
        "never computed": [view.code for view in views if view.signal is Signal.NO_DATA],
        "changed since verified": [_changed(view) for view in views if _has_lapsed(view)],
        "refresh": _refresh(landing, settings),
        "did not land": [f"{load.table}  {load.error or _BROKE_OFF}" for load in landing.failed],
        "dark screens": [_dark(display, now) for display in displays],
    }
    if as_json:
        document = {
            "source_as_of": oldest_poll(views),
            **sections,
            "did not land": [asdict(load) for load in landing.failed],
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
    least = "at least " if view.since_at_least else ""
    return f"{view.code}  {view.short_name}: {view.reason}, for {least}{since}"


def _failing(view: MetricView) -> str:
    return f"{view.code}  {view.error}"


def _stale(view: MetricView, now: datetime) -> str:
    assert view.source_as_of is not None
    age = age_text(source_age(view.source_as_of, now))
    return f"{view.code}  {view.short_name}: source {age} old"


def _refresh(landing: LandingState, settings: Settings) -> list[str]:
    failed_at = landing.failed_at
    when = f"{failed_at.astimezone(settings.zone):%-d %b %H:%M}" if failed_at else ""
    return [landing.text(when)] if landing.failed else []


def _changed(view: MetricView) -> str:
    return f"{view.code}  {view.verification_reason}"


def _dark(display: Display, now: datetime) -> str:
    assert display.dark_since is not None
    age = age_text(source_age(display.dark_since, now))
    return f"{display.name}  {display.page}: dark for {age}"
