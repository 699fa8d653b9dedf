"""On which step do outgoing payments lose their time, and where do the open ones lie?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from heartbeat.audit.audit_cut import Connection, window_days
from heartbeat.audit.chart_theme import title
from heartbeat.audit.palette import Colour
from heartbeat.judgement.wording import value_text

from ._moments import as_of
from ._spans import DAY, HOUR, MINUTE, span_axis, span_text
from ._wording import counted, share_text

META = {
    "page": "journeys",
    "place": 3,
    "title": "Way of a payment",
    "prose": "On which step do outgoing payments lose their time, and where do the open ones lie?",
    "windows": ["7d", "30d", "90d"],
    "window_default": "30d",
    "reads": [
        "webbank_core.payment",
        "webbank_core.payment_state_log",
        "webbank_dict.payment_state",
        "webbank_dict.payment_type",
    ],
    "how_to_read": "A line is one step: half of the payments take it within the time of the dot, "
    "nine in ten within the end of the line; each mark on the axis is many times the one before. "
    "The upright stroke is the median of the last 24 hours. Below are the payments that are still "
    "open, by their state: from their median age to the oldest.",
    "methodology": "Payments with direction OUT created in the window; a step is the time between "
    "two rows of their state log, the first from the creation of the payment. The nine most "
    "frequent steps are drawn, the table has all. The share of time is the sum of a step through "
    "the sum of all steps up to the end of a payment; what happens after an execution is left out "
    "of it. A row of the log that is not landed yet, up to a day and a half, joins two steps. "
    "Open is any outgoing payment without a terminal state, whenever it was created, in the log "
    "or in the payment itself; its age counts from its creation, as for the stuck payments.",
}

STEPS_SQL = """
with step as (
    select coalesce(lag(l.state_id) over way, (
               select id from webbank_dict.payment_state where code = 'CREATED'
           )) as from_id,
           l.state_id as to_id,
           l."timestamp" as at,
           date_part('epoch', l."timestamp" - coalesce(lag(l."timestamp") over way, p.create_time))
               as seconds
      from webbank_core.payment as p
      join webbank_dict.payment_type as t on t.id = p.type_id and t.direction = 'OUT'
      join webbank_core.payment_state_log as l
        on l.payment_id = p.id
       and l.state_id <> (select id from webbank_dict.payment_state where code = 'CREATED')
       and l."timestamp" >= (select heartbeat.as_of() at time zone 'UTC')
                            - make_interval(days => %(days)s)
       and l."timestamp" < (select heartbeat.as_of() at time zone 'UTC')
     where p.create_time >= (select heartbeat.as_of() at time zone 'UTC')
                            - make_interval(days => %(days)s)
       and p.create_time < (select heartbeat.as_of() at time zone 'UTC')
    window way as (partition by p.id order by l."timestamp", l.id)
), timed as (
    select from_id, to_id, count(*) as payments, sum(seconds) as seconds,
           percentile_cont(array[0.5, 0.9]) within group (order by seconds) as quantiles,
           percentile_cont(0.5) within group (order by seconds) filter (
               where at >= (select heartbeat.as_of() at time zone 'UTC') - interval '24 hours'
           ) as last_day_p50
      from step
     group by from_id, to_id
)
select source.code, target.code, source.is_terminal, payments, seconds,
       quantiles[1], quantiles[2], last_day_p50
  from timed
  join webbank_dict.payment_state as source on source.id = from_id
  join webbank_dict.payment_state as target on target.id = to_id
 order by from_id, to_id
"""

OPEN_SQL = """
with candidate as materialized (
    select p.id, p.state_id, p.create_time, p.update_time
      from webbank_core.payment as p
      join webbank_dict.payment_type as t on t.id = p.type_id and t.direction = 'OUT'
      join webbank_dict.payment_state as s on s.id = p.state_id
     where p.create_time < (select heartbeat.as_of() at time zone 'UTC')
       and (not s.is_terminal or p.update_time >= (select heartbeat.as_of() at time zone 'UTC'))
), last_step as (
    select c.id, step.state_id
      from candidate as c
     cross join lateral (
        select l.state_id
          from webbank_core.payment_state_log as l
         where l.payment_id = c.id
           and l."timestamp" < (select heartbeat.as_of() at time zone 'UTC')
         order by l."timestamp" desc, l.id desc
         limit 1
     ) as step
), open_payment as (
    select date_part('epoch', (select heartbeat.as_of() at time zone 'UTC') - c.create_time) as age,
           case when c.update_time < (select heartbeat.as_of() at time zone 'UTC')
                then c.state_id else l.state_id end as state_id
      from candidate as c
      left join last_step as l on l.id = c.id
      left join webbank_dict.payment_state as logged on logged.id = l.state_id
     where logged.is_terminal is not true
)
select coalesce(s.code, 'CREATED'), count(*),
       count(*) filter (where age > extract(epoch from interval '24 hours')),
       percentile_cont(0.5) within group (order by age), max(age)
  from open_payment
  left join webbank_dict.payment_state as s on s.id = state_id
 group by 1
 order by min(s.id) nulls first
"""

DRAWN_STEPS = 9
TICKS = (10, 10 * MINUTE, 4 * HOUR, 3 * DAY)
SHORTEST, LONGEST = 2.0, 28.0 * DAY

ROW_HEIGHT = 32
PLOT_WIDTH, COUNT_X, SHARE_X = 228, 302, 366
LINE_WIDTH = 7


@dataclass(frozen=True)
class Step:
    """A step from one state to the next: how many payments took it, and how long, in seconds."""

    source: str
    target: str
    is_after_end: bool
    payments: int
    seconds: float
    p50: float
    p90: float
    last_day_p50: float | None

    @property
    def label(self) -> str:
        """The step on the picture: "Signed → processing"."""
        return f"{self.source.capitalize()} \u2192 {self.target.lower()}"


@dataclass(frozen=True)
class Waiting:
    """The open payments of one state, with their ages in seconds."""

    state: str
    payments: int
    stuck: int
    p50: float
    oldest: float


def compute(conn: Connection, *, window: str) -> dict[str, Any]:
    """The steps in the order of the way, each with its share of time, and the open payments."""
    days = window_days(window)
    steps = [Step(*row) for row in conn.execute(STEPS_SQL, {"days": days})]
    waiting = [Waiting(*row) for row in conn.execute(OPEN_SQL)]
    total = sum(step.seconds for step in steps if not step.is_after_end)
    slowest = _slowest(steps)
    return {
        "as_of": as_of(conn),
        "window_days": days,
        "headline": _headline(slowest, total, days),
        "prose": " ".join([*_pace(slowest), _open_now(waiting)]),
        "drawn": "Time per step of the way: median (dot) to nine in ten (line end), "
        f"payments of {days} days; stroke: median of the last 24 h",
        "open": sum(each.payments for each in waiting),
        "stuck": sum(each.stuck for each in waiting),
        "steps": _drawn_steps(steps, slowest, total),
        "waiting": _drawn_waiting(waiting),
        "rows": [*(_step_row(step, total) for step in steps), *(_open_row(w) for w in waiting)],
    }


def chart(payload: Mapping[str, Any]) -> alt.TopLevelMixin:
    """Spans on one logarithmic axis: the steps above, the ages of the open payments below."""
    steps = _spans(payload["steps"], "payments", "of time")
    waiting = _spans(payload["waiting"], "open now", "> 24 h")
    return alt.vconcat(steps, waiting, spacing=22).properties(
        title=title(payload, payload["drawn"]), description=payload["prose"]
    )


def _spans(
    rows: Sequence[Mapping[str, Any]], count_head: str, share_head: str
) -> alt.LayerChart | alt.FacetChart:
    columns = ["label", "kind", "low", "high", "last_day", "count_text", "share_text"]
    scale = alt.Scale(type="log", domain=[SHORTEST, LONGEST])
    x = alt.X("low:Q", scale=scale, axis=span_axis(TICKS))
    axis = alt.Axis(labelColor=Colour.TEXT, labelLimit=220, minExtent=190)
    y = alt.Y("label:N", sort=None, title=None, axis=axis)
    frame = alt.Chart(pd.DataFrame(rows, columns=columns)).encode(y=y)
    colour = alt.Color("kind:N", legend=None).scale(
        domain=["slowest", "other"], range=[Colour.ACCENT, Colour.NEUTRAL]
    )
    stroke = frame.mark_tick(color=Colour.CONTRAST, size=20, thickness=4, opacity=1)
    return alt.layer(
        frame.mark_rule(strokeWidth=LINE_WIDTH).encode(x=x, x2="high:Q", color=colour),
        frame.mark_point(size=130, filled=True, opacity=1).encode(x=x, color=colour),
        stroke.encode(x=alt.X("last_day:Q", scale=scale)).transform_filter(
            "isValid(datum.last_day)"
        ),
        _column(frame, COUNT_X, "count_text"),
        _column(frame, SHARE_X, "share_text"),
        _head(COUNT_X, count_head),
        _head(SHARE_X, share_head),
    ).properties(width=PLOT_WIDTH, height=max(1, len(rows)) * ROW_HEIGHT)


def _column(frame: alt.Chart, x: int, field: str) -> alt.Chart:
    column: alt.Chart = frame.mark_text(align="right")
    return column.encode(x=alt.value(x), text=f"{field}:N")


def _head(x: int, text: str) -> alt.Chart:
    mark = alt.MarkDef("text", align="right", color=Colour.TEXT_FAINT)
    head: alt.Chart = alt.Chart(pd.DataFrame({"head": [text]}), mark=mark)
    return head.encode(x=alt.value(x), y=alt.value(-10), text="head:N")


def _slowest(steps: Sequence[Step]) -> Step | None:
    on_the_way = [step for step in steps if not step.is_after_end]
    return max(on_the_way, key=lambda step: step.seconds, default=None)


def _drawn_steps(steps: Sequence[Step], slowest: Step | None, total: float) -> list[dict[str, Any]]:
    frequent = sorted(steps, key=lambda step: -step.payments)[:DRAWN_STEPS]
    return [
        {
            "label": step.label,
            "kind": "slowest" if step is slowest else "other",
            "low": max(step.p50, SHORTEST),
            "high": max(step.p90, SHORTEST),
            "last_day": step.last_day_p50 and max(step.last_day_p50, SHORTEST),
            "count_text": value_text(step.payments, "count"),
            "share_text": "\u2013" if step.is_after_end else _short_share(step.seconds, total),
        }
        for step in steps
        if step in frequent or step is slowest
    ]


def _short_share(seconds: float, total: float) -> str:
    share = 100 * seconds / total if total else 0
    return "< 1 %" if 0 < share < 1 else f"{share:.0f} %"


def _drawn_waiting(waiting: Sequence[Waiting]) -> list[dict[str, Any]]:
    return [
        {
            "label": f"Open: {each.state.lower()}",
            "kind": "other",
            "low": max(each.p50, SHORTEST),
            "high": min(max(each.oldest, SHORTEST), LONGEST),
            "last_day": None,
            "count_text": value_text(each.payments, "count"),
            "share_text": value_text(each.stuck, "count"),
        }
        for each in waiting
    ]


def _step_row(step: Step, total: float) -> dict[str, Any]:
    return {
        "from_state": step.source,
        "to_state": step.target,
        "payments": step.payments,
        "p50_s": step.p50,
        "p90_s": step.p90,
        "p50_last_24h_s": step.last_day_p50,
        "total_s": step.seconds,
        "time_percent": None if step.is_after_end or not total else 100 * step.seconds / total,
        "older_than_24h": None,
        "oldest_s": None,
    }


def _open_row(waiting: Waiting) -> dict[str, Any]:
    return {
        "from_state": waiting.state,
        "to_state": None,
        "payments": waiting.payments,
        "p50_s": waiting.p50,
        "p90_s": None,
        "p50_last_24h_s": None,
        "total_s": None,
        "time_percent": None,
        "older_than_24h": waiting.stuck,
        "oldest_s": waiting.oldest,
    }


def _headline(slowest: Step | None, total: float, days: int) -> str:
    if slowest is None:
        return f"No outgoing payment took a step in {days} days"
    return (
        f"{share_text(slowest.seconds, total)} of the time is {slowest.source.lower()} to "
        f"{slowest.target.lower()}; one in ten takes over {span_text(slowest.p90)}"
    )


def _pace(slowest: Step | None) -> list[str]:
    if slowest is None:
        return []
    half = f"Half of these {counted(slowest.payments, 'step', 'steps')} take {_span(slowest.p50)}"
    if slowest.payments == 1:
        half = f"The one such step took {_span(slowest.p50)}"
    if slowest.last_day_p50 is None:
        return [f"{half}; in the last 24 hours there was none."]
    return [f"{half}; in the last 24 hours the median was {span_text(slowest.last_day_p50)}."]


def _span(seconds: float) -> str:
    return f"up to {span_text(seconds)}"


def _open_now(waiting: Sequence[Waiting]) -> str:
    payments = sum(each.payments for each in waiting)
    if not payments:
        return "No outgoing payment is open."
    stuck = sum(each.stuck for each in waiting)
    oldest = max(waiting, key=lambda each: each.oldest)
    return (
        f"Now {counted(payments, 'outgoing payment is', 'outgoing payments are')} open, "
        f"{value_text(stuck, 'count') if stuck else 'none'} for more than 24 hours; the oldest, "
        f"in {oldest.state.lower()}, for {span_text(oldest.oldest)}."
    )
