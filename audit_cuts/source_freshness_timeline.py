"""When did a source stop delivering, and is one silent now?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import altair as alt
import pandas as pd

from heartbeat.audit.audit_cut import Connection, window_days
from heartbeat.audit.chart_theme import CHART_WIDTH, title
from heartbeat.audit.palette import Colour
from heartbeat.judgement.wording import value_text

from ._moments import as_of, business_zone, day_text, ticks
from ._wording import counted

META = {
    "page": "overview",
    "place": 6,
    "title": "Gaps in the sources",
    "prose": "When the numbers rested on old data, and which source is silent now.",
    "windows": ["7d", "30d", "90d"],
    "window_default": "30d",
    "reads": ["heartbeat.table_load_log", "currency_rate_rate.rate"],
    "how_to_read": "One strip a source, the longest gap first. A gap is drawn bold from the last "
    "data before it to the first after it; a strip that starts late was not watched before. In a "
    "gap the bank's numbers stand still, and so does what is decided on them.",
    "methodology": "Landed schemas: a gap is more than 2 h 30 min, two missed hourly loads, "
    "between the moments of which two good loads of a table speak; any table of the schema "
    "counts. A source whose copy stands still has a gap though it is loaded. Failed loads do not "
    "count. Before the first load nothing is known; a table that is no longer landed counts as "
    "silent. Exchange rates: more than 2 hours between two rates of any pair, by the time of the "
    "rate. A gap that began before the window counts with its whole length.",
}

_OBSERVED = """
observed as materialized (
    select schema_name as source, table_name as part, polled_at as at
      from heartbeat.table_load_log
     where error is null and polled_at < (select heartbeat.as_of())
    union all
    select %(rates)s, base || quote, rate_time at time zone 'UTC'
      from currency_rate_rate.rate
     where rate_time < (select heartbeat.as_of() at time zone 'UTC')
)
"""

WATCHED_SQL = f"""
with {_OBSERVED}
select source, min(at) from observed group by source
"""  # noqa: S608 - made of constants

GAPS_SQL = f"""
with {_OBSERVED}, silence as (
    select source, at as since, lead(at) over (partition by source, part order by at) as until
      from observed
), gap as materialized (
    select source, since, until, coalesce(until, moment) as ends
      from silence, (select heartbeat.as_of()) as now (moment)
     where coalesce(until, moment) > moment - make_interval(days => 2 * %(days)s)
       and coalesce(until, moment) - since > case source when %(rates)s then interval '2 hours'
                                             else interval '2 hours 30 minutes' end
), merged as (
    select source, unnest(range_agg(tstzrange(since, ends))) as span from gap group by source
)
select m.source, lower(m.span), upper(m.span), bool_or(g.until is null),
       max(extract(epoch from g.ends - g.since))::float / 3600
  from merged as m
  join gap as g on g.source = m.source and tstzrange(g.since, g.ends) <@ m.span
 group by m.source, m.span
 order by m.source, m.span
"""  # noqa: S608 - made of constants

MIDNIGHTS_SQL = """
select d, opens
  from heartbeat.business_days(%(days)s + 1)
 where opens >= heartbeat.as_of() - make_interval(days => %(days)s)
 order by d
"""

RATES = "Exchange rates"

STRIP_WIDTH = CHART_WIDTH - 26
ROW_HEIGHT = 50
FRAME_HEIGHT = 170
DATE_WIDTH = 58


@dataclass(frozen=True)
class Gap:
    """A time in which a source was silent; `hours` is the longest silence of one of its tables."""

    source: str
    since: datetime
    until: datetime
    is_open: bool
    hours: float


@dataclass(frozen=True)
class Strip:
    """A source over the window: since when it is known, and its gaps."""

    source: str
    watched_since: datetime
    gaps: tuple[Gap, ...]

    @property
    def longest(self) -> Gap | None:
        """The gap of the longest silence."""
        return max(self.gaps, key=lambda gap: gap.hours, default=None)


def compute(conn: Connection, *, window: str) -> dict[str, Any]:
    """The gaps of each source over the window, the source with the longest first."""
    days = window_days(window)
    now, zone = as_of(conn), business_zone(conn)
    start = now - timedelta(days=days)
    limits = {"days": days, "rates": RATES}
    gaps = [Gap(*columns) for columns in conn.execute(GAPS_SQL, limits)]
    recent = [gap for gap in gaps if gap.until > start]
    earlier = [gap for gap in gaps if gap.since < start]
    strips = _strips(conn, limits, recent)
    return {
        "as_of": now,
        "window_days": days,
        "headline": _headline(strips, days, zone),
        "prose": _prose(strips, earlier, start, days, zone),
        "drawn": f"Gaps of {days} days: loads > 2 h 30 min, exchange rates > 2 h",
        "hours": days * 24,
        "sources": [strip.source for strip in strips],
        "strips": [_strip(strip, start, days, zone) for strip in strips],
        "marks": [_mark(gap, start) for gap in recent],
        "ticks": _ticks(conn, days, start),
        "rows": [_row(gap) for strip in strips for gap in strip.gaps],
    }


def chart(payload: Mapping[str, Any]) -> alt.TopLevelMixin:
    """A thin strip a source, its name and longest gap above it, its gaps as blocks on it."""
    y = alt.Y("source:N", title=None, scale=alt.Scale(domain=payload["sources"])).axis(None)
    x = alt.X("start:Q", axis=None).scale(domain=[0, payload["hours"]], nice=False)
    columns = ["source", "start", "end", "label", "finding"]
    strips = alt.Chart(pd.DataFrame(payload["strips"], columns=columns)).encode(y=y)
    marks = alt.Chart(pd.DataFrame(payload["marks"], columns=["source", "start", "end"]))
    dates = alt.Chart(pd.DataFrame(payload["ticks"], columns=["start", "text"]))
    height = ROW_HEIGHT * len(payload["sources"])
    return alt.layer(
        strips.mark_bar(height=4, yOffset=14, color=Colour.QUIET).encode(x=x, x2="end:Q"),
        # the shortest gap is narrower than a pixel
        marks.mark_bar(
            height=16, yOffset=14, color=Colour.ACCENT, stroke=Colour.ACCENT, strokeWidth=1.5
        ).encode(x=x, x2="end:Q", y=y),
        strips.mark_text(align="left", dy=-10, limit=425).encode(x=alt.value(0), text="label:N"),
        strips.mark_text(align="right", dy=-10, fontWeight=600).encode(
            x=alt.value(STRIP_WIDTH), text="finding:N"
        ),
        dates.mark_text(align="left", color=Colour.TEXT_SOFT, dy=16).encode(
            x=x, y=alt.value("height"), text="text:N"
        ),
        dates.mark_tick(color=Colour.LINE, height=8).encode(x=x, y=alt.value("height")),
    ).properties(
        width=CHART_WIDTH,
        height=height + FRAME_HEIGHT,
        title=title(payload, payload["drawn"]),
        description=payload["prose"],
    )


def _strips(conn: Connection, limits: Mapping[str, Any], gaps: Sequence[Gap]) -> list[Strip]:
    strips = [
        Strip(source, since, tuple(gap for gap in gaps if gap.source == source))
        for source, since in conn.execute(WATCHED_SQL, limits)
    ]
    return sorted(strips, key=lambda strip: (-_longest_hours(strip.gaps), strip.source))


def _longest_hours(gaps: Sequence[Gap]) -> float:
    return max((gap.hours for gap in gaps), default=0.0)


def _strip(strip: Strip, start: datetime, days: int, zone: ZoneInfo) -> dict[str, Any]:
    first = max(start, strip.watched_since)
    since = day_text(strip.watched_since.astimezone(zone))
    late = f", watched from {since}" if strip.watched_since > start else ""
    return {
        "source": strip.source,
        "start": _hours(first - start),
        "end": days * 24,
        "label": f"{strip.source}{late}",
        "finding": _finding(strip),
    }


def _mark(gap: Gap, start: datetime) -> dict[str, Any]:
    return {
        "source": gap.source,
        "start": _hours(max(gap.since, start) - start),
        "end": _hours(gap.until - start),
    }


def _row(gap: Gap) -> dict[str, Any]:
    return {
        "source": gap.source,
        "since": gap.since,
        "until": None if gap.is_open else gap.until,
        "hours": gap.hours,
    }


def _ticks(conn: Connection, days: int, start: datetime) -> list[dict[str, Any]]:
    midnights = conn.execute(MIDNIGHTS_SQL, {"days": days})
    places = {day_text(day): _hours(moment - start) for day, moment in midnights}
    # a label beyond this place would leave the picture
    last = days * 24 * (1 - DATE_WIDTH / STRIP_WIDTH)
    return [
        {"start": places[text], "text": text}
        for text in ticks(list(places), at_most=5)
        if places[text] <= last
    ]


def _hours(length: timedelta) -> float:
    return length / timedelta(hours=1)


def _finding(strip: Strip) -> str:
    longest = strip.longest
    if longest is None:
        return "no gap"
    length = value_text(longest.hours, "h")
    if longest.is_open:
        return f"silent for {length}"
    if len(strip.gaps) == 1:
        return f"1 gap of {length}"
    return f"{counted(len(strip.gaps), 'gap', 'gaps')}, longest {length}"


def _headline(strips: Sequence[Strip], days: int, zone: ZoneInfo) -> str:
    if not strips:
        return "No source has delivered yet"
    gaps = [gap for strip in strips for gap in strip.gaps]
    still_open = [gap for gap in gaps if gap.is_open]
    if still_open:
        longest = max(still_open, key=lambda gap: gap.hours)
        return f"{longest.source} {_have(longest)} been silent for {value_text(longest.hours, 'h')}"
    if gaps:
        longest = max(gaps, key=lambda gap: gap.hours)
        return f"{_silent(longest)} from {_moment_text(longest.since, zone)}"
    return f"No source had a gap in {days} days"


def _prose(
    strips: Sequence[Strip], earlier: Sequence[Gap], start: datetime, days: int, zone: ZoneInfo
) -> str:
    if not strips:
        return "Neither a load nor an exchange rate is known."
    recent = [gap for strip in strips for gap in strip.gaps]
    with_gaps = sum(bool(strip.gaps) for strip in strips)
    had = f"{with_gaps} of {counted(len(strips), 'source', 'sources')} had gaps"
    before = f"in the {days} days before {_were(len(earlier))}"
    sentences = [f"{had if recent else 'None had a gap'} in {days} days; {before}."]
    now = sum(any(gap.is_open for gap in strip.gaps) for strip in strips)
    if now:
        sentences.append(f"{counted(now, 'source', 'sources')} {_is(now)} silent now.")
    closed = [gap for gap in recent if not gap.is_open]
    if closed:
        longest = max(closed, key=lambda gap: gap.hours)
        sentences.append(f"{_silent(longest)}, up to {_moment_text(longest.until, zone)}.")
    late = sum(strip.watched_since > start for strip in strips)
    if late:
        watched = counted(late, "source", "sources")
        sentences.append(f"{watched} {_is(late)} watched for less than {days} days.")
    return " ".join(sentences)


def _were(gaps: int) -> str:
    verb = "was" if gaps <= 1 else "were"
    return f"there {verb} {counted(gaps, 'gap', 'gaps')}"


def _silent(gap: Gap) -> str:
    verb = "were" if gap.source == RATES else "was"
    return f"{gap.source} {verb} silent for {value_text(gap.hours, 'h')}"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _have(gap: Gap) -> str:
    return "have" if gap.source == RATES else "has"


def _moment_text(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f"{day_text(local)} {local:%H:%M}"
