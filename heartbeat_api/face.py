"""One metric as words and pictures: what a tile, a line or a detail page writes about it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from urllib.parse import quote

from markupsafe import Markup

from heartbeat.judgement.freshness import freshness, source_age
from heartbeat.judgement.signal import Signal
from heartbeat.judgement.status import Status
from heartbeat.judgement.wording import ValueParts, age_text, value_parts, value_text
from heartbeat.metrics.metric import Period
from heartbeat.metrics.metric_view import MetricView
from heartbeat_api.sparkline import Lines, Sparkline, metric_lines, sparkline_svg

_NEW = timedelta(hours=24)
_PERIODS = {
    Period.SNAPSHOT: "now",
    Period.DAY: "24 h",
    Period.WEEK: "7 d",
    Period.MONTH: "30 d",
    Period.FUNNEL: "funnel",
}
_NO_VALUE = ValueParts("—", "")


@dataclass(frozen=True)
class Face:
    """One metric ready to be written; every text is plain and escaped by the template.

    `tier` is red, amber, unknown or ok and names box and shape; `state` is its word ("red 87 d",
    "for 6 d"); `new` marks a red younger than a day. `digits` is the width of figure and unit in
    digits of the figure, 1 to 16, from which the style sheet takes a size that fits. `compare` sets
    the value against what is typical or against its line. `trouble` says what is wrong with the
    signal, and is empty while it is fine; `brief` is the value, or its absence, on a line.
    `source_age` is coloured by `source_freshness`.
    """

    tier: str
    href: str
    code: str
    name: str
    short_name: str
    label: str
    verified: bool
    state: str
    new: bool
    figure: str
    unit: str
    digits: int
    value: str
    brief: str
    period: str
    compare: str
    trouble: str
    last_value: str
    source_age: str
    source_freshness: str
    owner: str
    target_hit: bool
    spark: Markup


def face(metric: MetricView, now: datetime) -> Face:
    """The face of one metric at `now`."""
    tier = tier_of(metric)
    parts = value_parts(metric.value, metric.unit) if metric.value is not None else _NO_VALUE
    new = tier == "red" and metric.signal is Signal.OK and now - metric.since < _NEW
    state = _state(tier, metric, age_text(source_age(metric.since, now)), new=new)
    return Face(
        tier=tier,
        href=f"/m/{quote(metric.code, safe='')}",
        code=metric.code,
        name=metric.name,
        short_name=metric.short_name,
        label=f"{metric.code} {metric.name}: {metric.value_text or 'no value'}, {state}",
        verified=metric.verification_state == "verified",
        state=state,
        new=new,
        figure=parts.figure,
        unit=parts.unit,
        digits=_digits(parts),
        value=metric.value_text or _NO_VALUE.figure,
        brief=_brief(tier, metric),
        period=_PERIODS[metric.period],
        compare=_compare(metric),
        trouble=_trouble(metric),
        last_value=_last_value(metric, now),
        source_age=_source_age(metric, now),
        source_freshness=freshness(metric.period, metric.source_as_of, now),
        owner=metric.owner or "no owner",
        target_hit=metric.target_hit,
        spark=sparkline_svg(_sparkline(metric, tier)),
    )


def tier_of(metric: MetricView) -> str:
    """The box that a metric gets: a red stays red when its compute fails."""
    if metric.status is Status.RED:
        return "red"
    if metric.signal is not Signal.OK:
        return "unknown"
    return "amber" if metric.status is Status.AMBER else "ok"


def _digits(parts: ValueParts) -> int:
    return min(16, max(1, ceil(len(parts.figure) + len(parts.unit) * 0.45)))


def _state(tier: str, metric: MetricView, age: str, *, new: bool) -> str:
    if tier != "red":
        return f"for {age}"
    if metric.signal is not Signal.OK:
        return f"error {age}"
    return f"new {age}" if new else f"red {age}"


def _compare(metric: MetricView) -> str:
    """The distance from typical; of a metric without a band, what decided, without its value."""
    return metric.delta_text or metric.reason.removeprefix(f"{metric.value_text} is ")


def _trouble(metric: MetricView) -> str:
    if metric.signal is Signal.ERROR:
        return "Compute error"
    return "No data yet" if metric.signal is Signal.NO_DATA else ""


def _brief(tier: str, metric: MetricView) -> str:
    """What stands in the place of the value on a line."""
    if tier == "unknown":
        return "error" if metric.signal is Signal.ERROR else "no data"
    return metric.value_text or _NO_VALUE.figure


def _last_value(metric: MetricView, now: datetime) -> str:
    if metric.value_text is None:
        return "no value yet"
    if metric.computed_at is None:
        return metric.value_text
    return f"{metric.value_text}, {age_text(source_age(metric.computed_at, now))} ago"


def _source_age(metric: MetricView, now: datetime) -> str:
    if metric.source_as_of is None:
        return "age unknown"
    return age_text(source_age(metric.source_as_of, now))


def _sparkline(metric: MetricView, tier: str) -> Sparkline:
    """An amber's picture leaves its alert line out: far away, it would flatten the curve."""
    lines = metric_lines(metric)
    if tier != "red":
        lines = Lines(norm=lines.norm)
    label = ""
    if metric.alert_value is not None and lines.alert:
        label = f"alert {value_text(metric.alert_value, metric.unit)}"
    return Sparkline(metric.sparkline, metric.typical, lines, label)
