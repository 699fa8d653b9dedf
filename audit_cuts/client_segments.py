"""Do clients move up or down, and from which segment to which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import Any

import altair as alt
import pandas as pd

from heartbeat.audit.audit_cut import Connection, window_days
from heartbeat.audit.chart_theme import SMALLEST_TEXT, shade, shade_colour, shade_text_colour, title
from heartbeat.audit.palette import Colour
from heartbeat.judgement.wording import value_text

from ._moments import as_of, day_text
from ._wording import counted, known_percent, share_text, signed_text

META = {
    "page": "clients",
    "place": 1,
    "title": "Client segments",
    "prose": "How many clients are in each segment, and whether more of them moved down than up.",
    "windows": ["7d", "30d", "90d"],
    "window_default": "30d",
    "reads": ["heartbeat.client_segment", "heartbeat.client_segment_day"],
    "how_to_read": "The bars are the clients of each segment now; the tick is where the bar ended "
    "at the start. In the table below, every client stands in the row of its segment then and in "
    "the column of its segment now: the cells with a border are those who moved down or left.",
    "methodology": "Two daily snapshots of the segments: the last one, and that of the start of "
    "the window, or the oldest if the history is shorter. The order is top, core, small, dormant; "
    "down is to a later one of these, or out (left: no longer an active client). Clients who "
    "were new at the start only take their first place, and those who joined since had none: "
    "neither moved up or down. The shade of a "
    "cell is its share of the row. The segments themselves are defined in segments/clients.sql.",
}

DAYS_SQL = """
with last_day as (
    select max(d) as d
      from heartbeat.client_segment_day
     where d <= heartbeat.business_day(heartbeat.as_of())
)
select coalesce(max(day.d) filter (where day.d <= last_day.d - %(days)s), min(day.d)),
       last_day.d
  from last_day
  join heartbeat.client_segment_day as day on day.d <= last_day.d
 group by last_day.d
"""

MOVES_SQL = """
select before.segment, after.segment, count(*)
  from (select client_id, segment from heartbeat.client_segment where d = %(then)s) as before
  full join (select client_id, segment from heartbeat.client_segment where d = %(now)s) as after
    on after.client_id = before.client_id
 group by before.segment, after.segment
"""

LADDER = ("top", "core", "small", "dormant")
"""From the best segment to the worst."""
SEGMENTS = (*LADDER, "new")
JOINED, LEFT = "joined", "left"

Moves = Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class Span:
    """The two days that are compared."""

    then: date
    now: date

    @property
    def days(self) -> int:
        return (self.now - self.then).days


def compute(conn: Connection, *, window: str) -> dict[str, Any]:
    """The clients by segment on both days, and every move from one to another."""
    days = window_days(window)
    span = _span(conn, days)
    moves = _moves(conn, span)
    segments = _segments(moves)
    bars = [_bar(segment, moves) for segment in segments]
    return {
        "as_of": as_of(conn),
        "window_days": days,
        "then": span.then if span else None,
        "now": span.now if span else None,
        "headline": _headline(moves, span),
        "prose": _prose(moves, bars, span, days),
        "drawn": _drawn(span),
        "matrix_title": _matrix_title(span),
        "down": _stepped(moves, 1),
        "up": _stepped(moves, -1),
        "segments": segments,
        "bars": bars,
        "rows": _cells(segments, moves),
    }


def chart(payload: Mapping[str, Any]) -> alt.TopLevelMixin:
    """Bars of the segments now with ticks of then, over the matrix from then to now."""
    return alt.vconcat(_bars(payload), _matrix(payload), spacing=26).properties(
        title=title(payload, payload["drawn"])
    )


def _bars(payload: Mapping[str, Any]) -> alt.LayerChart | alt.FacetChart:
    frame = pd.DataFrame(payload["bars"])
    highest = max(1, frame["now"].max(), frame["then"].max())
    # the right of the picture belongs to the labels
    scale = alt.Scale(domain=[0, highest * 1.45], nice=False)
    rows = alt.Chart(frame).encode(y=_place("segment", payload["segments"]))
    bars = rows.mark_bar(height=22, color=Colour.NEUTRAL)
    ticks = rows.mark_tick(size=28, thickness=3, color=Colour.TEXT, opacity=1)
    labels = rows.mark_text(align="left", dx=10)
    return alt.layer(
        bars.encode(x=alt.X("now:Q", scale=scale, axis=None)),
        ticks.encode(x=alt.X("then:Q", scale=scale, axis=None)),
        labels.encode(x=alt.X("farther:Q", scale=scale, axis=None), text="text:N"),
        width=490,
        height=33 * len(payload["segments"]),
    )


def _matrix(payload: Mapping[str, Any]) -> alt.LayerChart | alt.FacetChart:
    columns = ["then", "now", "clients", "text", "shade", "went"]
    frame = pd.DataFrame(payload["rows"], columns=columns)
    cells = alt.Chart(frame).encode(
        x=_place_x("now", [*payload["segments"], LEFT]),
        y=_place("then", [*payload["segments"], JOINED]),
    )
    border = cells.mark_rect(fillOpacity=0, stroke=Colour.CONTRAST, strokeWidth=3)
    return alt.layer(
        cells.mark_rect().encode(color=shade_colour("shade")),
        border.transform_filter("datum.went == 'down'"),
        cells.mark_text().encode(text="text:N", color=shade_text_colour("shade")),
        width=490,
        height=37 * (len(payload["segments"]) + 1),
        title=alt.Title(
            payload["matrix_title"],
            fontSize=SMALLEST_TEXT,
            fontWeight=400,
            color=Colour.TEXT_SOFT,
            offset=6,
        ),
        resolve=alt.Resolve(scale=alt.ScaleResolveMap(color="independent")),
    )


def _place(field: str, names: Sequence[str]) -> alt.Y:
    axis = alt.Axis(title=None, labelColor=Colour.TEXT, minExtent=70)
    return alt.Y(f"{field}:N", axis=axis).scale(domain=list(names), paddingInner=0.06)


def _place_x(field: str, names: Sequence[str]) -> alt.X:
    axis = alt.Axis(title=None, labelColor=Colour.TEXT, labelAngle=0, orient="top")
    return alt.X(f"{field}:N", axis=axis).scale(domain=list(names), paddingInner=0.03)


def _span(conn: Connection, days: int) -> Span | None:
    row = conn.execute(DAYS_SQL, {"days": days}).fetchone()
    return Span(*row) if row else None


def _moves(conn: Connection, span: Span | None) -> Moves:
    between = {"then": span.then if span else None, "now": span.now if span else None}
    found = conn.execute(MOVES_SQL, between).fetchall()
    return {(then or JOINED, now or LEFT): count for then, now, count in found}


def _bar(segment: str, moves: Moves) -> dict[str, Any]:
    then = sum(count for (before, _), count in moves.items() if before == segment)
    now = sum(count for (_, after), count in moves.items() if after == segment)
    return {
        "segment": segment,
        "then": then,
        "now": now,
        "farther": max(then, now),
        "text": f"{value_text(now, 'count')} ({signed_text(now - then, 'count')})",
    }


def _segments(moves: Moves) -> list[str]:
    """All segments in their order; those that the ladder does not know stand behind it."""
    found = {segment for move in moves for segment in move} - {JOINED, LEFT}
    return [*SEGMENTS, *sorted(found - set(SEGMENTS))]


def _cells(segments: Sequence[str], moves: Moves) -> list[dict[str, Any]]:
    cells = []
    for before, after in product((*segments, JOINED), (*segments, LEFT)):
        count = moves.get((before, after), 0)
        if count:
            row = sum(clients for (then, _), clients in moves.items() if then == before)
            cells.append(
                {
                    "then": before,
                    "now": after,
                    "clients": count,
                    "share_of_then": known_percent(count, row),
                    "went": {-1: "up", 0: "level", 1: "down"}[_step(before, after)],
                    "text": value_text(count, "count"),
                    "shade": shade(count, row),
                }
            )
    return cells


def _step(before: str, after: str) -> int:
    """1 for a move down the ladder or off it, -1 for one up, 0 for all others."""
    steps = (*LADDER, LEFT)
    if before not in steps or after not in steps:
        return 0
    way = steps.index(after) - steps.index(before)
    return (way > 0) - (way < 0)


def _stepped(moves: Moves, step: int) -> int:
    return sum(count for move, count in moves.items() if _step(*move) == step)


def _headline(moves: Moves, span: Span | None) -> str:
    if span is None:
        return "No day of segments is stored yet"
    if span.days == 0:
        return "Only one day of segments is stored yet"
    down, up = _stepped(moves, 1), _stepped(moves, -1)
    since = "1 day" if span.days == 1 else f"{span.days} days"
    return f"{counted(down, 'client', 'clients').capitalize()} fell or left in {since}, {up:,} rose"


def _prose(moves: Moves, bars: Sequence[Mapping[str, Any]], span: Span | None, days: int) -> str:
    if span is None:
        return "The segments of a day are stored at 04:30; this picture needs two of them."
    settled = sum(count for (before, _), count in moves.items() if before in LADDER)
    now, then = ({bar["segment"]: bar[day] for bar in bars} for day in ("now", "then"))
    lost = moves.get(("new", "dormant"), 0) + moves.get(("new", LEFT), 0)
    share_down, share_up = (share_text(_stepped(moves, way), settled) for way in (1, -1))
    opening = (
        f"Of the {counted(settled, 'client', 'clients')} with a place on {day_text(span.then)}, "
        f"{share_down} stand lower now or left, {share_up} higher."
        if settled
        else f"No client had a place on {day_text(span.then)}."
    )
    ends = (
        f"Top clients: {now['top']:,} now, {then['top']:,} then; dormant: "
        f"{now['dormant']:,} now, {then['dormant']:,} then."
    )
    newcomers = f"New then: {then['new']:,}; dormant or gone of these: {lost:,}."
    sentences = [opening, ends, newcomers]
    if span.days < days:
        sentences.append(
            f"The history begins on {day_text(span.then)}, later than the {days} days asked for."
        )
    return " ".join(sentences)


def _drawn(span: Span | None) -> str:
    if span is None:
        return "number of clients by segment"
    return f"clients by segment on {day_text(span.now)}; the tick and (+/−): {day_text(span.then)}"


def _matrix_title(span: Span | None) -> str:
    if span is None:
        return "Rows: segment then. Columns: segment now"
    return f"Rows: segment on {day_text(span.then)}. Columns: segment on {day_text(span.now)}"
