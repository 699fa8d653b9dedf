"""The daily triage: what is wrong now, in one screen of text."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from heartbeat.cli.marts import opened_marts
from heartbeat.displays import Display, read_displays
from heartbeat.judgement.freshness import Freshness, source_age
from heartbeat.judgement.grouped import grouped
from heartbeat.judgement.signal import Signal
from heartbeat.judgement.status import Status
from heartbeat.judgement.wording import age_text, counted
from heartbeat.landing.landing_state import LandingState, read_landing_state, read_left_attempts
from heartbeat.login import Login
from heartbeat.metrics.metric_view import MetricView, oldest_poll, read_metrics
from heartbeat.metrics.verification import VerificationState
from heartbeat.plain_json import plain_json
from heartbeat.postgres_session import connect
from heartbeat.segments.segment_days import read_failure
from heartbeat.settings import Settings
from heartbeat.source_drift import read_source_drift

_BROKE_OFF = "its landing broke off"
_LINES = 12
_NAMES = 4
_Line = tuple[str, str]
"""What it is about, and what is wrong with it."""
_STALE = (Freshness.AMBER, Freshness.RED)


def today(
    as_json: Annotated[bool, typer.Option("--json", help="For a program to read.")] = False,
) -> None:
    """Show what is red, failing, stale, changed since verified, did not land; and dark screens."""
    now = datetime.now(UTC)
    with opened_marts() as settings, connect(settings.login_url(Login.API)) as connection:
        left = read_left_attempts(connection)
        connection.commit()
        views = read_metrics(connection, now=now, zone=settings.zone)
        landing = read_landing_state(connection, left)
        drifted = read_source_drift(connection)
        segments_error = read_failure(connection)
        displays = [each for each in read_displays(connection, now) if each.dark_since]
    sections = {
        "red": [_judged(view, now) for view in views if view.status is Status.RED],
        "failing": [
            *(_failing(view) for view in views if view.signal is Signal.ERROR),
            *([("segments", segments_error)] if segments_error else []),
        ],
        "stale": [_stale(view, now) for view in views if view.freshness in _STALE],
        "of unknown age": [_of_unknown_age(view) for view in views if _has_no_age(view)],
        "amber": [_judged(view, now) for view in views if _is_amber(view)],
        "never computed": [(view.code, "") for view in views if view.signal is Signal.NO_DATA],
        "changed since verified": [_changed(view) for view in views if _has_lapsed(view)],
        "changed in a source": [("", each.message) for each in drifted],
        "refresh": _refresh(landing, settings),
        "did not land": [(load.table, load.error or _BROKE_OFF) for load in landing.failed],
        "dark screens": [_dark(display, now) for display in displays],
    }
    if as_json:
        document: dict[str, object] = {
            "source_as_of": oldest_poll(views),
            **{
                title: ["  ".join(filter(None, line)) for line in lines]
                for title, lines in sections.items()
            },
            "did not land": [asdict(load) for load in landing.failed],
            "dark screens": [asdict(display) for display in displays],
        }
        typer.echo(json.dumps(document, default=plain_json, indent=1))
    else:
        _print(sections, len(views))


def _print(sections: Mapping[str, Sequence[_Line]], metrics: int) -> None:
    for title, told in sections.items():
        if told:
            typer.echo(f"{title} ({len(told)})")
            lines = [line.strip() for line in grouped(told, separator="  ", at_most=_NAMES)]
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
    least = "at least " if view.since_at_least else ""
    return view.code, f"{view.short_name}: {view.reason}, for {least}{since}"


def _failing(view: MetricView) -> _Line:
    return view.code, view.error or ""


def _stale(view: MetricView, now: datetime) -> _Line:
    assert view.source_as_of is not None
    age = age_text(source_age(view.source_as_of, now))
    return view.code, f"{view.short_name}: source {age} old"


def _has_no_age(view: MetricView) -> bool:
    return view.freshness is Freshness.UNKNOWN and view.value is not None and bool(view.reads)


def _of_unknown_age(view: MetricView) -> _Line:
    why = "a source was polled in the future" if view.source_as_of else "a table never landed"
    return view.code, f"{view.short_name}: {why}"


def _refresh(landing: LandingState, settings: Settings) -> list[_Line]:
    failed_at = landing.failed_at
    when = f"{failed_at.astimezone(settings.zone):%-d %b %H:%M}" if failed_at else ""
    return [("", landing.text(when))] if landing.failed else []


def _changed(view: MetricView) -> _Line:
    return view.code, view.verification_reason


def _dark(display: Display, now: datetime) -> _Line:
    assert display.dark_since is not None
    age = age_text(source_age(display.dark_since, now))
    return display.name, f"{display.page}: dark for {age}"
