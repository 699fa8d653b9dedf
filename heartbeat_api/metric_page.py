"""The view model of the page behind one tile, `/m/{code}`."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from markupsafe import Markup

from heartbeat.judgement.wording import value_text
from heartbeat.metrics.metric_rows import MetricProse
from heartbeat.metrics.metric_view import MetricView
from heartbeat_api.face import Face, face
from heartbeat_api.sparkline import Sparkline, metric_lines, sparkline_svg

_UNSET = "—"
_RESTATED_DAYS = 5


@dataclass(frozen=True)
class Fact:
    """One line of the contract: what it is, and its value as text."""

    name: str
    text: str


@dataclass(frozen=True)
class Section:
    """A titled text of the author."""

    title: str
    text: str


@dataclass(frozen=True)
class MetricPage:
    """One metric: its face, its picture with all lines, the author's texts, the contract."""

    face: Face
    reason: str
    error: str
    chart: Markup
    days: str
    sections: tuple[Section, ...]
    facts: tuple[Fact, ...]
    reads: tuple[str, ...]


def metric_page(
    metric: MetricView, prose: MetricProse, now: datetime, zone: ZoneInfo
) -> MetricPage:
    """The page of one metric at `now`; moments are written in `zone`."""
    chart = Sparkline(metric.sparkline, metric.typical, metric_lines(metric))
    return MetricPage(
        face=face(metric, now),
        reason=metric.reason,
        error=metric.error or "",
        chart=sparkline_svg(chart),
        days=_days(metric),
        sections=_sections(prose),
        facts=_facts(metric, zone),
        reads=metric.reads,
    )


def moment_text(moment: datetime | None, zone: ZoneInfo) -> str:
    """A moment as people write it: "20 Nov 2026 13:51 UTC"; a dash for none."""
    return f"{moment.astimezone(zone):%-d %b %Y %H:%M %Z}" if moment else _UNSET


def _days(metric: MetricView) -> str:
    if not metric.sparkline:
        return ""
    first, last = metric.sparkline[0].d, metric.sparkline[-1].d
    return f"{first:%-d %b} – {last:%-d %b %Y}"


def _sections(prose: MetricProse) -> tuple[Section, ...]:
    sections = (
        Section("What it is", prose.description),
        Section("What red means", prose.how_to_read),
        Section("How it is counted", prose.methodology),
        Section("Notes", prose.notes),
    )
    return tuple(section for section in sections if section.text)


def _facts(metric: MetricView, zone: ZoneInfo) -> tuple[Fact, ...]:
    return (
        Fact("Norm", _amount(metric.norm_value, metric.unit)),
        Fact("Alert", _amount(metric.alert_value, metric.unit)),
        Fact("Target", _target(metric)),
        Fact("Typical", _typical(metric)),
        Fact("Direction", metric.direction.replace("_", " ")),
        Fact("Computed", moment_text(metric.computed_at, zone)),
        Fact("Source as of", moment_text(metric.source_as_of, zone)),
        Fact("Freshness", metric.freshness),
        Fact("In this state since", moment_text(metric.since, zone)),
        Fact("Verification", _verification(metric)),
        Fact("Owner", metric.owner or _UNSET),
        *_restated(metric),
    )


def _verification(metric: MetricView) -> str:
    since = metric.verification_since
    return metric.verification_reason + (f", since {since:%-d %b %Y}" if since else "")


def _restated(metric: MetricView) -> tuple[Fact, ...]:
    """Past days that late data has changed, the newest first."""
    days = [
        f"{day.d:%-d %b} {value_text(day.before, metric.unit)} → {value_text(day.v, metric.unit)}"
        for day in metric.restated[:_RESTATED_DAYS]
    ]
    if len(metric.restated) > _RESTATED_DAYS:
        days.append(f"and {len(metric.restated) - _RESTATED_DAYS} days more")
    return (Fact("Restated", ", ".join(days)),) if days else ()


def _amount(value: Decimal | None, unit: str) -> str:
    return _UNSET if value is None else value_text(value, unit)


def _target(metric: MetricView) -> str:
    target = _amount(metric.target_value, metric.unit)
    due = metric.target_due_date
    return f"{target} by {due:%-d %b %Y}" if due else target


def _typical(metric: MetricView) -> str:
    typical = metric.typical
    if typical is None:
        return _UNSET
    mean, stddev = (value_text(number, metric.unit) for number in (typical.mean, typical.stddev))
    return f"{mean} ± {stddev} over {typical.n} days"
