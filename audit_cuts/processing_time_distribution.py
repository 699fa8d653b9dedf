"""How long do outgoing payments take on each rail, and does the hour of submission matter?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import altair as alt
import pandas as pd

from heartbeat.audit.audit_cut import Connection, window_days
from heartbeat.audit.chart_theme import (
    SMALLEST_TEXT,
    shade,
    shade_colour,
    shade_text_colour,
    title,
)
from heartbeat.audit.palette import Colour

from ._moments import as_of
from ._spans import DAY, HOUR, MINUTE, span_text
from ._wording import counted, percent, share_text

META = {
    "page": "journeys",
    "place": 4,
    "title": "How long payments take",
    "prose": "How long outgoing payments take on each rail, and at which hours they had better "
    "not be sent.",
    "windows": ["7d", "30d", "90d"],
    "window_default": "30d",
    "reads": [
        "webbank_core.payment",
        "webbank_core.payment_state_log",
        "webbank_dict.payment_state",
        "webbank_dict.payment_type",
    ],
    "how_to_read": "One panel a rail, the slowest first. A column is the payments that were "
    "submitted in three hours of the day, a cell the share of them that took so long; the bars at "
    "the right are all hours together. A dark cell far down is a payment that waits for a person.",
    "methodology": "From the creation of the payment to EXECUTED in the payment state log, in "
    "clock time, for payments with direction OUT that were executed in the window. Payments that "
    "did not end in an execution are left out, so a queue shows only once it moves. Hours are "
    "those of the business time zone. The picture has the three slowest rails; one with less than "
    "1 % of the payments is left out of words and picture. Bank and compliance count together, "
    "until the workflow system is landed.",
}

TIMES_SQL = """
with done as materialized (
    select t.rail,
           l."timestamp" >= moment.at - make_interval(days => %(days)s) as is_now,
           extract(hour from p.create_time at time zone 'UTC'
                             at time zone (select heartbeat.business_timezone()))::int / %(hours)s
               as part_of_day,
           extract(epoch from l."timestamp" - p.create_time)::float as seconds
      from (select heartbeat.as_of() at time zone 'UTC') as moment (at)
      join webbank_core.payment_state_log as l
        on l."timestamp" >= moment.at - make_interval(days => 2 * %(days)s)
       and l."timestamp" < moment.at
       and l.state_id = any (array(
               select id from webbank_dict.payment_state where code = 'EXECUTED'))
      join webbank_core.payment as p on p.id = l.payment_id
      join webbank_dict.payment_type as t on t.id = p.type_id
     where t.direction = 'OUT'
)
select 'rail', rail, is_now, null::int, null::int, count(*),
       percentile_cont(0.5) within group (order by seconds)
  from done
 group by rail, is_now
union all
select 'part of day', rail, true, part_of_day, null, count(*),
       percentile_cont(0.5) within group (order by seconds)
  from done
 where is_now
 group by rail, part_of_day
union all
select 'cell', rail, true, part_of_day,
       width_bucket(seconds, %(limits)s::float[]), count(*), null
  from done
 where is_now
 group by rail, part_of_day, width_bucket(seconds, %(limits)s::float[])
"""

HOURS = 3
LIMITS = (10, MINUTE, 10 * MINUTE, HOUR, 4 * HOUR, DAY)
SPANS = ("under 10 s", "10–60 s", "1–10 min", "10–60 min", "1–4 h", "4–24 h", "over 1 d")
RAILS = {
    "SEPA": "SEPA credit",
    "SEPA_INST": "SEPA instant",
    "SWIFT": "SWIFT",
    "BOOK": "internal",
    "CARD": "card",
}
LEAST_SHARE = 1
PANELS = 3
LEAST_OF_A_PART = 20

CELL_WIDTH, BARS_WIDTH, SPANS_WIDTH, ROW_HEIGHT = 39, 120, 96, 25

Layers: TypeAlias = alt.LayerChart | alt.FacetChart


@dataclass
class Rail:
    """The payments of one rail: number and median now and before, and by part of the day."""

    code: str
    now: int = 0
    before: int = 0
    median: float = 0.0
    median_before: float = 0.0
    parts: dict[int, tuple[int, float]] = field(default_factory=dict)
    cells: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The rail as the picture and the sentences call it."""
        return RAILS.get(self.code, self.code)

    def of_span(self, span: int) -> int:
        """How many took so long, at any hour."""
        return sum(number for (_, each), number in self.cells.items() if each == span)


def compute(conn: Connection, *, window: str) -> dict[str, Any]:
    """Each rail by time taken and hour of submission, the rail with the longest median first."""
    days = window_days(window)
    rails = sorted(_rails(conn, days), key=lambda rail: (-rail.median, rail.code))
    payments = sum(rail.now for rail in rails)
    usual = [rail for rail in rails if percent(rail.now, payments) >= LEAST_SHARE]
    return {
        "as_of": as_of(conn),
        "window_days": days,
        "headline": _headline(usual, days),
        "prose": _prose(usual, days),
        "rows": [row for rail in rails for row in _rows(rail)],
        "rails": [_panel(rail) for rail in usual[:PANELS]],
    }


def chart(payload: Mapping[str, Any]) -> alt.TopLevelMixin:
    """A heat map a rail beside its histogram."""
    panels = [_drawn(panel) for panel in payload["rails"]] or [_nothing()]
    return alt.vconcat(
        *panels,
        spacing=24,
        title=title(payload, "% of the payments of each three hours, by time taken"),
    )


def _drawn(panel: Mapping[str, Any]) -> alt.HConcatChart:
    spans = panel["spans"]
    y = alt.Y("span:N", sort=spans, title=None).scale(domain=spans)
    labelled = y.axis(labelColor=Colour.TEXT, minExtent=SPANS_WIDTH, maxExtent=SPANS_WIDTH)
    both: alt.HConcatChart = alt.hconcat(
        _matrix(panel, labelled), _histogram(panel, y.axis(None)), spacing=10
    )
    return both.properties(
        title=alt.Title(panel["caption"], fontSize=SMALLEST_TEXT, fontWeight=600, offset=8)
    )


def _matrix(panel: Mapping[str, Any], y: alt.Y) -> Layers:
    hours = [f"{HOURS * part:02}" for part in range(24 // HOURS)]
    grid = alt.Chart(pd.DataFrame(panel["cells"])).encode(
        x=alt.X("hours:O", sort=hours, title=None)
        .axis(orient="top", labelAngle=0)
        .scale(domain=hours),
        y=y,
    )
    tiles = grid.mark_rect(stroke=Colour.PANEL, strokeWidth=2).encode(color=shade_colour("shade"))
    text = grid.mark_text().encode(text="text:N", color=shade_text_colour("shade"))
    return alt.layer(tiles, text).properties(
        width=CELL_WIDTH * len(hours), height=ROW_HEIGHT * len(panel["spans"])
    )


def _histogram(panel: Mapping[str, Any], y: alt.Y) -> Layers:
    bars = alt.Chart(pd.DataFrame(panel["histogram"])).encode(
        y=y, x=alt.X("share:Q", axis=None).scale(domain=[0, 180], nice=False)
    )
    return alt.layer(
        bars.mark_bar(height=15, color=Colour.NEUTRAL),
        bars.mark_text(align="left", dx=6).encode(text="text:N"),
    ).properties(width=BARS_WIDTH, height=ROW_HEIGHT * len(panel["spans"]))


def _nothing() -> alt.HConcatChart:
    """A panel without a mark."""
    return _drawn(
        {
            "spans": [SPANS[0]],
            "cells": [dict.fromkeys(("span", "hours", "text", "shade"))],
            "histogram": [dict.fromkeys(("span", "share", "text"))],
            "caption": "",
        }
    )


def _rails(conn: Connection, days: int) -> list[Rail]:
    """Every rail on which a payment was executed in the window."""
    rails: dict[str, Rail] = {}
    asked = {"days": days, "hours": HOURS, "limits": list(LIMITS)}
    for kind, code, is_now, part, span, number, median in conn.execute(TIMES_SQL, asked):
        rail = rails.setdefault(code, Rail(code))
        match kind, is_now:
            case "rail", True:
                rail.now, rail.median = number, median
            case "rail", False:
                rail.before, rail.median_before = number, median
            case "part of day", _:
                rail.parts[part] = number, median
            case _:
                rail.cells[part, span] = number
    return [rail for rail in rails.values() if rail.now]


def _rows(rail: Rail) -> Iterator[dict[str, Any]]:
    for (part, span), number in sorted(rail.cells.items()):
        yield {
            "rail": rail.code,
            "submitted_from_hour": HOURS * part,
            "time_taken": SPANS[span],
            "payments": number,
        }


def _panel(rail: Rail) -> dict[str, Any]:
    taken = sorted({span for _, span in rail.cells})
    spans = range(taken[0], taken[-1] + 1)
    of_part = {part: number for part, (number, _) in rail.parts.items()}
    return {
        "rail": rail.code,
        "median_seconds": rail.median,
        "median_before_seconds": rail.median_before if rail.before else None,
        "caption": _caption(rail),
        "spans": [SPANS[span] for span in spans],
        "cells": [
            {
                "span": SPANS[span],
                "hours": f"{HOURS * part:02}",
                "text": _cell_text(percent(rail.cells.get((part, span), 0), number)),
                "shade": shade(percent(rail.cells.get((part, span), 0), number), 100),
            }
            for part, number in sorted(of_part.items())
            for span in spans
        ],
        "histogram": [
            {
                "span": SPANS[span],
                "share": percent(rail.of_span(span), rail.now),
                "text": f"{_cell_text(percent(rail.of_span(span), rail.now)) or 0} %",
            }
            for span in spans
        ],
    }


def _cell_text(share: float) -> str:
    if share == 0:
        return ""
    return f"{share:.0f}" if share >= 1 else "<1"


def _caption(rail: Rail) -> str:
    before = f", {span_text(rail.median_before)} before" if rail.before else ""
    payments = counted(rail.now, "payment", "payments")
    name = rail.name[:1].upper() + rail.name[1:]
    return f"{name}: median {span_text(rail.median)}{before}; {payments}"


def _headline(rails: Sequence[Rail], days: int) -> str:
    if not rails:
        return f"No payment was executed in {days} days"
    slowest = rails[0]
    before = f"; {span_text(slowest.median_before)} before" if slowest.before else ""
    return f"Half of the {slowest.name} payments take over {span_text(slowest.median)}{before}"


def _prose(rails: Sequence[Rail], days: int) -> str:
    if not rails:
        return f"No outgoing payment was executed in {days} days. There is nothing to compare."
    slowest, *others = rails
    long = sum(number for (_, span), number in slowest.cells.items() if span >= len(LIMITS))
    opening = (
        f"Of {counted(slowest.now, f'{slowest.name} payment', f'{slowest.name} payments')} "
        f"executed in {days} days, {share_text(long, slowest.now)} took more than a day"
        f"{_against(slowest, days)}."
    )
    return " ".join([opening, *_hours(slowest), *_others(others)])


def _against(rail: Rail, days: int) -> str:
    if not rail.before:
        return ""
    return f"; in the {days} days before the median was {span_text(rail.median_before)}"


def _hours(rail: Rail) -> list[str]:
    """When it had better not be submitted, where enough payments tell."""
    # of equal medians the earliest hours are named
    parts = {
        part: median
        for part, (number, median) in sorted(rail.parts.items())
        if number >= LEAST_OF_A_PART
    }
    if len(parts) < 2:
        return []
    worst, best = max(parts, key=parts.__getitem__), min(parts, key=parts.__getitem__)
    slow, fast = span_text(parts[worst]), span_text(parts[best])
    if slow == fast:
        return []
    return [f"Submitted from {_clock(worst)} they take {slow}, from {_clock(best)} {fast}."]


def _clock(part: int) -> str:
    return f"{HOURS * part} to {HOURS * (part + 1)} h"


def _others(rails: Sequence[Rail]) -> list[str]:
    if not rails:
        return []
    told = [f"{rail.name} {span_text(rail.median)}" for rail in rails]
    return [f"The medians of the others: {', '.join(told)}."]
