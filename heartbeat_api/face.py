"""One metric as words and pictures: what a tile, a line or a detail page writes about it."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from math import ceil
from textwrap import shorten
from urllib.parse import quote
from zoneinfo import ZoneInfo

from markupsafe import Markup

from heartbeat.judgement.freshness import Freshness, freshness
from heartbeat.judgement.signal import Signal
from heartbeat.judgement.status import Status
from heartbeat.judgement.wording import ValueParts, value_parts, value_text
from heartbeat.metrics.metric import Period
from heartbeat.metrics.metric_view import MetricView
from heartbeat_api.moment import Age, age_of, moment_text
from heartbeat_api.representation import version_of
from heartbeat_api.sparkline import Lines, Sparkline, metric_lines, sparkline_svg

_NEW = timedelta(hours=24)
_ERROR_LETTERS = 160
_PLACE = re.compile(r"^\S+\.sql:\d+: ")
_PERIODS = {
    Period.SNAPSHOT: "now",
    Period.DAY: "24 h",
    Period.WEEK: "7 d",
    Period.MONTH: "30 d",
    Period.FUNNEL: "funnel",
}
_NO_VALUE = ValueParts("—", "")
_SPOKEN = {"red": "red", "amber": "amber", "unknown": "no signal", "ok": "within norms"}


@dataclass(frozen=True)
class Face:
    """One metric ready to be written; every text is plain and escaped by the template.

    `tier` is red, amber, unknown or ok and names box and shape; `state` is the word before the age
    of `since` ("red 87 d", "for 6 d"); with `at_least` nobody knows what was before ("red for at
    least 89 d"). `new` marks a red younger than a day. `digits` is the width of figure and unit in
    digits of the figure, 1 to 16, from which the style sheet takes a size that fits. `why` is what
    decided the state, and `compare` sets the value against what is typical, unless `why` does so.
    `trouble` says what is wrong with the signal, and is empty while it is fine; `error` is why the
    compute failed, as much of it as a tile can have room for. `brief` is the value, or its absence,
    on a line, and `last_value` the last good one, of the age `last_good`.
    `source_age` is coloured by `source_freshness`; None: nobody knows it. `watched` is on a
    watchlist.
    """

    tier: str
    href: str
    code: str
    name: str
    short_name: str
    label: str
    verified: bool
    state: str
    since: Age
    at_least: bool
    new: bool
    figure: str
    unit: str
    digits: int
    value: str
    brief: str
    period: str
    why: str
    compare: str
    trouble: str
    error: str
    last_value: str
    last_good: Age | None
    source_age: Age | None
    source_freshness: str
    owner: str
    target_hit: bool
    watched: bool
    spark: Markup

    @cached_property
    def version(self) -> str:
        """Equal for faces that show the same; ages go by themselves."""
        return version_of(self)


def face(metric: MetricView, now: datetime, zone: ZoneInfo, *, watched: bool = False) -> Face:
    """The face of one metric at `now`; moments are written in `zone`."""
    tier = tier_of(metric)
    parts = value_parts(metric.value, metric.unit) if metric.value is not None else _NO_VALUE
    computes_red = tier == "red" and metric.signal is Signal.OK
    new = computes_red and not metric.since_at_least and now - metric.since < _NEW
    state = _state(tier, metric, new=new)
    since = since_text(metric, zone)
    why = _why(metric)
    fresh = freshness(metric.period, metric.source_as_of, now)
    spoken = f"{metric.value_text or 'no value'}, {_SPOKEN[tier]} since {since}"
    return Face(
        tier=tier,
        href=metric_href(metric),
        code=metric.code,
        name=metric.name,
        short_name=metric.short_name,
        label=f"{metric.code} {metric.name}: {spoken}",
        verified=metric.verification_state == "verified",
        state=state,
        since=age_of(metric.since, now),
        at_least=metric.since_at_least,
        new=new,
        figure=parts.figure,
        unit=parts.unit,
        digits=_digits(parts),
        value=metric.value_text or _NO_VALUE.figure,
        brief=_brief(tier, metric),
        period=_PERIODS[metric.period],
        why=why,
        compare=_compare(metric, why),
        trouble=_trouble(metric),
        error=_error(metric),
        last_value=metric.value_text or "no value yet",
        last_good=age_of(metric.computed_at, now)
        if metric.value_text and metric.computed_at
        else None,
        source_age=_source_age(metric, fresh, now),
        source_freshness=fresh,
        owner=metric.owner or "no owner",
        target_hit=metric.target_hit,
        watched=watched,
        spark=sparkline_svg(_sparkline(metric, tier)),
    )


def metric_href(metric: MetricView) -> str:
    """The address of the page behind a tile."""
    return f"/m/{quote(metric.code, safe='')}"


def tier_of(metric: MetricView) -> str:
    """The box that a metric gets: a red stays red when its compute fails."""
    if metric.status is Status.RED:
        return "red"
    if metric.signal is not Signal.OK:
        return "unknown"
    return "amber" if metric.status is Status.AMBER else "ok"


def _digits(parts: ValueParts) -> int:
    return min(16, max(1, ceil(len(parts.figure) + len(parts.unit) * 0.45)))


def since_text(metric: MetricView, zone: ZoneInfo) -> str:
    """When the present state began, as far as it is known."""
    began = moment_text(metric.since, zone)
    return f"{began} or earlier" if metric.since_at_least else began


def _state(tier: str, metric: MetricView, *, new: bool) -> str:
    if tier != "red":
        return "for"
    if metric.signal is not Signal.OK:
        return "error for" if metric.since_at_least else "error"
    if metric.since_at_least:
        return "red for"
    return "new" if new else "red"


def _why(metric: MetricView) -> str:
    """What decided the state, without the value, which stands above it."""
    return metric.reason.removeprefix(f"{metric.value_text} is ")


def _compare(metric: MetricView, why: str) -> str:
    """The distance from typical, after the reason: alone, "+2.8 pp" on a red reads as good news."""
    return "" if "typical" in why else metric.delta_text or ""


def _trouble(metric: MetricView) -> str:
    if metric.signal is Signal.ERROR:
        return "Compute error"
    return "No data yet" if metric.signal is Signal.NO_DATA else ""


def _error(metric: MetricView) -> str:
    """Its beginning in whole words, without the line of the file, which the metric's page has.

    A name in it may go on in the next line after a . _ or /.
    """
    if metric.signal is not Signal.ERROR:
        return ""
    reason = _PLACE.sub("", metric.error or "")
    told = shorten(reason, _ERROR_LETTERS, placeholder=" …")
    return re.sub(r"([._/])(?=\w)", "\\1\u200b", told)


def _brief(tier: str, metric: MetricView) -> str:
    """What stands in the place of the value on a line."""
    if tier == "unknown":
        return "error" if metric.signal is Signal.ERROR else "no data"
    return metric.value_text or _NO_VALUE.figure


def _source_age(metric: MetricView, fresh: Freshness, now: datetime) -> Age | None:
    if metric.source_as_of is None or fresh is Freshness.UNKNOWN:
        return None
    return age_of(metric.source_as_of, now)


def _sparkline(metric: MetricView, tier: str) -> Sparkline:
    """An amber's picture leaves its alert line out: far away, it would flatten the curve."""
    lines = metric_lines(metric)
    if tier != "red":
        lines = Lines(norm=lines.norm)
    label = ""
    if metric.alert_value is not None and lines.alert:
        label = f"alert {value_text(metric.alert_value, metric.unit)}"
    return Sparkline(metric.sparkline, metric.typical, lines, label)
