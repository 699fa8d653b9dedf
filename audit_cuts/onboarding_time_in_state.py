"""In which state does onboarding lie, and how much of that is the bank's own working time?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import altair as alt
import pandas as pd

from heartbeat.audit.audit_cut import Connection, window_days
from heartbeat.audit.chart_theme import title
from heartbeat.audit.palette import Colour
from heartbeat.judgement.wording import value_text

from ._moments import as_of
from ._spans import DAY, HOUR, MINUTE, span_axis, span_text
from ._wording import counted

META = {
    "page": "journeys",
    "place": 2,
    "title": "Time in each state",
    "prose": "In which state of onboarding applications lie, and how much of that is working time.",
    "windows": ["7d", "30d", "90d"],
    "window_default": "30d",
    "reads": ["webbank_core.client_profile_state_log", "webbank_dict.profile_state"],
    "how_to_read": "Two lines a state: the time on the clock, and below it the working time in "
    "it, Monday to Saturday from 9 to 21 h. The box is the middle half of all stays with its "
    "median, the thin line goes from the shortest tenth to the longest. Each mark on the axis is "
    "many times the one before; what is below 30 s stands at its left end. A long clock with "
    "little working time is nights and Sundays; a long working time is a queue. At the right "
    "stands who waits for the bank now.",
    "methodology": "Stays of client profiles that ended in the window, from one row of the profile "
    "state log to the next, in the states from CREATED to APPROVED; each visit counts. Working "
    "time is the part of a stay that lies on Monday to Saturday between 9:00 and 21:00 of the "
    "business time zone; holidays are working days here. Percentiles lie between two stays where "
    "no single one is at the mark. Waiting now is everybody whose last row is that state.",
}

WORKED_UNTIL = """(
    ({moment}::date - date '2001-01-01') / 7 * 6 * 43200
    + least(extract(isodow from {moment}) - 1, 6) * 43200
    + case when extract(isodow from {moment}) < 7
           then least(greatest(extract(epoch from {moment}::time) - 32400, 0), 43200)
           else 0
      end
)"""
"""Seconds of working time, six days of twelve hours a week, from a Monday until a local moment."""

STAYS_SQL = f"""
with moment as materialized (
    select heartbeat.as_of() at time zone 'UTC' as at
), row_of_log as (
    select s.code, s.id as state_id, l."timestamp" as entered_at,
           lead(l."timestamp") over (
               partition by l.client_profile_id order by l."timestamp", l.id
           ) as left_at
      from webbank_core.client_profile_state_log as l
      join webbank_dict.profile_state as s on s.id = l.profile_state
     where l."timestamp" < (select at from moment)
), stay as (
    select row_of_log.*, coalesce(left_at, (select at from moment)) as ended_at
      from row_of_log
     where code in ('CREATED', 'SUBMITTED', 'KYC_IN_PROGRESS', 'AML_REVIEW', 'DOCS_REQUESTED',
                    'APPROVED')
       and (left_at is null
            or left_at >= (select at from moment) - make_interval(days => 2 * %(days)s))
), local as (
    select stay.*,
           (entered_at at time zone 'UTC' at time zone heartbeat.business_timezone()) as begins,
           (ended_at at time zone 'UTC' at time zone heartbeat.business_timezone()) as ends
      from stay
), counted as (
    select code, state_id, left_at,
           extract(epoch from ended_at - entered_at)::float as clock,
           {WORKED_UNTIL.format(moment="ends")} - {WORKED_UNTIL.format(moment="begins")} as working
      from local
), ended as (
    select code, state_id, left_at >= at - make_interval(days => %(days)s) as is_now,
           clock, working::float as working
      from counted, moment
     where left_at >= at - make_interval(days => 2 * %(days)s)
)
select code, is_now, count(*), 0 as waiting, null::float as oldest,
       percentile_cont(%(quantiles)s::float[]) within group (order by clock) as clock,
       percentile_cont(%(quantiles)s::float[]) within group (order by working) as working,
       min(state_id)
  from ended
 group by code, is_now
union all
select code, null, 0, count(*), max(clock), null, null, min(state_id)
  from counted
 where left_at is null
 group by code
 order by 8
"""  # noqa: S608 - made of constants

QUANTILES = [0.1, 0.25, 0.5, 0.75, 0.9]
NAMES = {
    "CREATED": "Created",
    "SUBMITTED": "Submitted",
    "KYC_IN_PROGRESS": "KYC",
    "AML_REVIEW": "AML review",
    "DOCS_REQUESTED": "Documents",
    "APPROVED": "Approved",
}
CLIENTS_TURN = frozenset({"CREATED", "DOCS_REQUESTED"})
"""States in which the bank waits for the client."""

CLOCK, WORKING = "clock", "working time"

TICKS = (MINUTE, 10 * MINUTE, HOUR, DAY, 7 * DAY)
SHORTEST, LONGEST = 30.0, 28.0 * DAY
PLOT_WIDTH, MEDIAN_X, WAITING_X = 305, 372, 444
ROW_HEIGHT, BOX_HEIGHT = 27, 15

Layers: TypeAlias = alt.LayerChart | alt.FacetChart
Box: TypeAlias = Sequence[float]


@dataclass
class State:
    """The stays of one state: their number and quantiles in seconds, and who is in it now."""

    code: str
    stays: int = 0
    clock: Box = ()
    working: Box = ()
    median_before: float | None = None
    waiting: int = 0
    oldest: float | None = None

    @property
    def name(self) -> str:
        """The state as the picture and the sentences call it."""
        return NAMES[self.code]

    @property
    def median(self) -> float:
        """Half of the stays were longer, in seconds on the clock."""
        return self.clock[QUANTILES.index(0.5)]


def compute(conn: Connection, *, window: str) -> dict[str, Any]:
    """The quantiles of each state in the order of the way, on the clock and in working time."""
    days = window_days(window)
    states = _states(conn, days)
    ended = [state for state in states if state.stays]
    return {
        "as_of": as_of(conn),
        "window_days": days,
        "headline": _headline(ended, days),
        "prose": _prose(ended, states, days),
        "rows": [row for state in ended for row in _rows(state)],
        "boxes": [box for state in ended for box in _boxes(state)],
    }


def chart(payload: Mapping[str, Any]) -> alt.TopLevelMixin:
    """Two boxes a state on one logarithmic axis, their medians and who waits at the right."""
    boxes = payload["boxes"]
    names = {box["line"]: box["label"] for box in boxes}
    lines = list(names)
    spoken = [f"datum.value == '{line}' ? '{name}'" for line, name in names.items()]
    scale = alt.Scale(type="log", domain=[SHORTEST, LONGEST])
    columns = ["line", "kind", "p10", "p25", "p50", "p75", "p90", "median_text", "waiting_text"]
    base = alt.Chart(pd.DataFrame(boxes, columns=columns)).encode(
        y=alt.Y("line:N", sort=lines, title=None)
        .scale(domain=lines)
        .axis(labelExpr=" : ".join([*spoken, "''"]), labelColor=Colour.TEXT, minExtent=115)
    )
    x = alt.X("p10:Q", scale=scale, axis=span_axis(TICKS))
    drawn = f"Time in each state, log scale; stays that ended in {payload['window_days']} days"
    lines_of_states = alt.layer(
        base.mark_rule(strokeWidth=2).encode(x=x, x2="p90:Q", color=_colour()),
        base.mark_bar(height=BOX_HEIGHT).encode(
            x=alt.X("p25:Q", scale=scale), x2="p75:Q", color=_colour()
        ),
        base.mark_tick(size=BOX_HEIGHT + 6, thickness=3, color=Colour.TEXT, opacity=1).encode(
            x=alt.X("p50:Q", scale=scale)
        ),
        *_columns(base),
    ).properties(width=PLOT_WIDTH, height=ROW_HEIGHT * max(2, len(lines)))
    # a layer alone would be fitted, with the columns left out
    return alt.vconcat(lines_of_states).properties(
        title=title(payload, drawn), description=payload["prose"]
    )


def _colour() -> "alt.typing.ChannelColor":
    clock = alt.when(f"datum.kind == '{CLOCK}'").then(alt.value(Colour.NEUTRAL))
    return clock.otherwise(alt.value(Colour.ACCENT))


def _columns(base: alt.Chart) -> list[alt.Chart]:
    text = base.mark_text(align="right")
    head = alt.MarkDef("text", align="right", color=Colour.TEXT_FAINT)
    heads = [
        alt.Chart(pd.DataFrame({"head": [name]}), mark=head).encode(
            x=alt.value(at), y=alt.value(-10), text="head:N"
        )
        for name, at in (("median", MEDIAN_X), ("waiting", WAITING_X))
    ]
    return [
        text.encode(x=alt.value(MEDIAN_X), text="median_text:N"),
        text.encode(x=alt.value(WAITING_X), text="waiting_text:N"),
        *heads,
    ]


def _states(conn: Connection, days: int) -> list[State]:
    """Every state that anybody is in or has left, in the order of the way."""
    states: dict[str, State] = {}
    found = conn.execute(STAYS_SQL, {"days": days, "quantiles": QUANTILES})
    for code, is_now, stays, waiting, oldest, clock, working, _ in found:
        state = states.setdefault(code, State(code))
        if is_now is None:
            state.waiting, state.oldest = waiting, oldest
        elif is_now:
            state.stays, state.clock, state.working = stays, clock, working
        else:
            state.median_before = clock[QUANTILES.index(0.5)]
    return list(states.values())


def _rows(state: State) -> list[dict[str, Any]]:
    return [
        {
            "state": state.code,
            "time": kind,
            "stays": state.stays,
            **{
                f"p{round(100 * share)}_hours": seconds / HOUR
                for share, seconds in zip(QUANTILES, box, strict=True)
            },
            "waiting_now": state.waiting,
            "oldest_waiting_hours": None if state.oldest is None else state.oldest / HOUR,
        }
        for kind, box in ((CLOCK, state.clock), (WORKING, state.working))
    ]


def _boxes(state: State) -> list[dict[str, Any]]:
    return [
        {
            "line": f"{state.code} {kind}",
            "label": state.name if kind == CLOCK else WORKING,
            "kind": kind,
            **{
                f"p{round(100 * share)}": min(max(seconds, SHORTEST), LONGEST)
                for share, seconds in zip(QUANTILES, box, strict=True)
            },
            "median_text": span_text(box[QUANTILES.index(0.5)]),
            "waiting_text": _waiting_text(state) if kind == CLOCK else "",
        }
        for kind, box in ((CLOCK, state.clock), (WORKING, state.working))
    ]


def _waiting_text(state: State) -> str:
    """How many wait for the bank; where the client's turn is, nobody does."""
    return "" if state.code in CLIENTS_TURN else value_text(state.waiting, "count")


def _slowest(states: Sequence[State]) -> State | None:
    """Of the states in which the client waits for the bank."""
    of_the_bank = [state for state in states if state.code not in CLIENTS_TURN]
    return max(of_the_bank, key=lambda state: state.median, default=None)


def _headline(states: Sequence[State], days: int) -> str:
    slowest = _slowest(states)
    if slowest is None:
        return f"No client left a state of onboarding in {days} days"
    working = span_text(slowest.working[QUANTILES.index(0.5)])
    return f"{slowest.name} takes {span_text(slowest.median)}, median working time {working}"


def _prose(ended: Sequence[State], states: Sequence[State], days: int) -> str:
    slowest = _slowest(ended)
    if slowest is None:
        return f"There is no stay to measure. {_waiting(states)}"
    stays = counted(slowest.stays, "stay", "stays")
    return " ".join(
        [
            f"These are medians of {stays}{_before(slowest, days)}.",
            f"One in ten took longer than {span_text(slowest.clock[-1])}.",
            *_documents(ended),
            _waiting(states),
        ]
    )


def _documents(states: Sequence[State]) -> list[str]:
    asked = [state for state in states if state.code == "DOCS_REQUESTED"]
    return [
        f"Who is asked for documents takes {span_text(state.median)} to send them."
        for state in asked
    ]


def _before(state: State, days: int) -> str:
    if state.median_before is None:
        return ""
    return f"; in the {days} days before, it took {span_text(state.median_before)}"


def _waiting(states: Sequence[State]) -> str:
    waiting = [state for state in states if state.waiting and state.code not in CLIENTS_TURN]
    if not waiting:
        return "Nobody waits for the bank now."
    oldest = max(waiting, key=lambda state: state.oldest or 0)
    clients = counted(sum(state.waiting for state in waiting), "client waits", "clients wait")
    return (
        f"Now {clients} for the bank, the longest in {oldest.name}, "
        f"for {span_text(oldest.oldest or 0)}."
    )
