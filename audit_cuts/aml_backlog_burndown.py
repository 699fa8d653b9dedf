"""Does the bank decide its AML cases as fast as they come, and how long do they wait?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import altair as alt
import pandas as pd

from heartbeat.audit.audit_cut import Connection, window_days
from heartbeat.audit.chart_theme import title
from heartbeat.audit.palette import Colour
from heartbeat.judgement.wording import value_text

from ._moments import as_of, day_text, ticks, whole_days_or_weeks
from ._wording import counted

META = {
    "page": "overview",
    "place": 5,
    "title": "AML backlog",
    "prose": "Whether AML cases are decided as fast as they come, and how long they wait.",
    "windows": ["7d", "30d", "90d"],
    "window_default": "30d",
    "reads": ["aml_aml.aml_retrospective"],
    "how_to_read": "The lines at the top are the cases open at the end of each day or week, and "
    "those of them that are older than 24 hours. Below: cases opened upwards, decided downwards; "
    "where less goes down than up, the lines rise. At the bottom is the age of what is open now.",
    "methodology": "Retrospective AML cases by create_at and decided_at, whatever the verdict and "
    "whoever decided. Open at a moment: created before it and not decided by then. Days are "
    "business days, weeks start on Monday; the first and the last one are cut by the window and "
    "drawn narrow. Cases older than 24 hours now are the backlog of the wall. Decisions not "
    "signed by the rules count as those of analysts.",
}

FLOW_SQL = """
with bucket as materialized (
    select d,
           greatest(d::timestamp at time zone heartbeat.business_timezone(),
                    heartbeat.as_of() - make_interval(days => %(days)s)) as begins,
           least((d + ('1 ' || %(step)s)::interval) at time zone heartbeat.business_timezone(),
                 heartbeat.as_of()) as ends
      from unnest(%(buckets)s::date[]) as d
), level as (
    select d, opened.cases as opened, decided.cases as decided, young.cases as young,
           sum(opened.cases - decided.cases) over (order by d) as growth
      from bucket
     cross join lateral (
        select count(*) as cases
          from aml_aml.aml_retrospective where create_at >= begins and create_at < ends
     ) as opened
     cross join lateral (
        select count(*) as cases
          from aml_aml.aml_retrospective where decided_at >= begins and decided_at < ends
     ) as decided
     cross join lateral (
        select count(*) as cases
          from aml_aml.aml_retrospective
         where create_at >= ends - interval '24 hours' and create_at < ends
           and (decided_at is null or decided_at >= ends)
     ) as young
)
select d, opened, decided,
       (%(open_before)s + growth)::int,
       (%(open_before)s + growth - young)::int
  from level
 order by d
"""

AGES_SQL = """
with at as materialized (
    select heartbeat.as_of() - make_interval(days => %(days_ago)s) as moment
)
select count(*) filter (where create_at >= moment - interval '24 hours'),
       count(*) filter (where create_at < moment - interval '24 hours'
                          and create_at >= moment - interval '72 hours'),
       count(*) filter (where create_at < moment - interval '72 hours'
                          and create_at >= moment - interval '168 hours'),
       count(*) filter (where create_at < moment - interval '168 hours')
  from at
  join aml_aml.aml_retrospective
    on create_at < moment and (decided_at is null or decided_at >= moment)
"""

DECISIONS_SQL = """
select max(decided_at) at time zone 'UTC'
  from aml_aml.aml_retrospective
 where decided_by <> 'rules' and decided_at < (select heartbeat.as_of())
"""

AGE_LABELS = ("Under 24 h", "1\u20133 days", "3\u20137 days", "Over 7 days")
PLOT_WIDTH = 425
LEVEL_HEIGHT, FLOW_HEIGHT, AGE_HEIGHT = 130, 130, 112
LABEL_DISTANCE = 22 / LEVEL_HEIGHT


@dataclass(frozen=True)
class Flow:
    """One day or week: cases opened and decided in it, and open at its end."""

    start: date
    complete: bool
    opened: int
    decided: int
    open: int
    over_24h: int


def compute(conn: Connection, *, window: str) -> dict[str, Any]:
    """Cases opened, decided and open, by day or week, and the ages of the open ones."""
    days = window_days(window)
    step = "week" if days > 31 else "day"
    ages, ages_before = _ages(conn, 0), _ages(conn, days)
    flows = _flows(conn, days, step, sum(ages_before))
    backlog, backlog_before = sum(ages[1:]), sum(ages_before[1:])
    dates = [day_text(flow.start) for flow in flows]
    return {
        "as_of": as_of(conn),
        "window_days": days,
        "headline": _headline(backlog, sum(ages)),
        "prose": _prose(flows, backlog_before, _last_analyst(conn), days),
        "drawn": f"AML cases open at the end of each {step}, opened and decided a {step} "
        "(narrow: part of one), and by age now",
        "open": sum(ages),
        "open_before": sum(ages_before),
        "backlog": backlog,
        "backlog_before": backlog_before,
        "opened": sum(flow.opened for flow in flows),
        "decided": sum(flow.decided for flow in flows),
        "buckets": dates,
        "ticks": ticks(dates, at_most=5),
        "levels": _levels(flows),
        "level_labels": _level_labels(sum(ages), backlog, flows),
        "flows": _bars(flows),
        "flow_labels": _flow_labels(flows),
        "ages": _age_bars(ages),
        "rows": [_row(flow) for flow in flows],
    }


def chart(payload: Mapping[str, Any]) -> alt.TopLevelMixin:
    """Three rows: open cases, what came and went, ages."""
    rows = (_open_cases(payload), _opened_and_decided(payload), _ages_now(payload))
    panels = alt.vconcat(*rows, spacing=22).properties(
        title=title(payload, payload["drawn"]),
        description=payload["prose"],
    )
    stacked: alt.VConcatChart = panels.resolve_scale(color="independent")
    return stacked


def _open_cases(payload: Mapping[str, Any]) -> alt.LayerChart | alt.FacetChart:
    y = alt.Y("cases:Q", axis=None)
    lines = alt.Chart(_frame(payload["levels"], "date", "kind", "cases"))
    drawn = lines.mark_line().encode(x=_dates(payload).axis(None), y=y, color=_age_colour())
    labels = alt.Chart(_frame(payload["level_labels"], "y", "text", "kind"))
    return alt.layer(drawn, _end_labels(labels)).properties(width=PLOT_WIDTH, height=LEVEL_HEIGHT)


def _opened_and_decided(payload: Mapping[str, Any]) -> alt.LayerChart | alt.FacetChart:
    bars = alt.Chart(_frame(payload["flows"], "date", "kind", "signed", "complete")).encode(
        x=_dates(payload).axis(
            values=payload["ticks"], labelAngle=0, labelOverlap=False, orient="bottom"
        ),
        y=alt.Y("signed:Q", axis=None),
        color=alt.Color("kind:N", legend=None).scale(
            domain=["opened", "decided"], range=[Colour.NEUTRAL, Colour.CONTRAST]
        ),
    )
    whole = bars.mark_bar(width=alt.RelativeBandSize(0.8)).transform_filter("datum.complete")
    partial = bars.mark_bar(width=alt.RelativeBandSize(0.4)).transform_filter("!datum.complete")
    labels = alt.Chart(_frame(payload["flow_labels"], "y", "text", "kind"))
    return alt.layer(whole, partial, _end_labels(labels)).properties(
        width=PLOT_WIDTH, height=FLOW_HEIGHT
    )


def _ages_now(payload: Mapping[str, Any]) -> alt.LayerChart | alt.FacetChart:
    bars = alt.Chart(_frame(payload["ages"], "age", "kind", "cases", "text")).encode(
        y=alt.Y("age:N", sort=None, axis=None)
    )
    highest = max(bar["cases"] for bar in payload["ages"]) or 1
    x = alt.X("cases:Q", axis=None, scale=alt.Scale(domain=[0, highest], range=[110, 465]))
    return alt.layer(
        bars.mark_bar(height=18).encode(x=x, color=_age_colour()),
        bars.mark_text(align="left").encode(x=alt.value(0), text="age:N"),
        bars.mark_text(align="left", dx=8, fontWeight=600).encode(x=x, text="text:N"),
    ).properties(width=PLOT_WIDTH, height=AGE_HEIGHT)


def _dates(payload: Mapping[str, Any]) -> alt.X:
    return alt.X("date:O", title=None, scale=alt.Scale(domain=payload["buckets"]))


def _age_colour() -> alt.Color:
    return alt.Color("kind:N", legend=None).scale(
        domain=["over 24 h", "open"], range=[Colour.ACCENT, Colour.NEUTRAL]
    )


def _end_labels(labels: alt.Chart) -> alt.Chart:
    mark: alt.Chart = labels.mark_text(align="left")
    return mark.encode(x=alt.value(PLOT_WIDTH + 6), y=alt.Y("y:Q"), text="text:N")


def _frame(rows: Sequence[Mapping[str, Any]], *columns: str) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns))


def _ages(conn: Connection, days_ago: int) -> tuple[int, ...]:
    row = conn.execute(AGES_SQL, {"days_ago": days_ago}).fetchone()
    assert row is not None
    return row


def _flows(conn: Connection, days: int, step: str, open_before: int) -> list[Flow]:
    buckets = whole_days_or_weeks(conn, days=days, step=step)
    limits = {"days": days, "step": step, "buckets": list(buckets), "open_before": open_before}
    return [
        Flow(start, buckets[start], *counts) for start, *counts in conn.execute(FLOW_SQL, limits)
    ]


def _last_analyst(conn: Connection) -> datetime | None:
    row = conn.execute(DECISIONS_SQL).fetchone()
    assert row is not None
    moment: datetime | None = row[0]
    return moment


def _row(flow: Flow) -> dict[str, Any]:
    return {
        "from": flow.start,
        "complete": flow.complete,
        "opened": flow.opened,
        "decided": flow.decided,
        "open": flow.open,
        "open_over_24h": flow.over_24h,
    }


def _levels(flows: Sequence[Flow]) -> list[dict[str, Any]]:
    return [
        {"date": day_text(flow.start), "kind": kind, "cases": cases}
        for flow in flows
        for kind, cases in (("open", flow.open), ("over 24 h", flow.over_24h))
    ]


def _level_labels(waiting: int, backlog: int, flows: Sequence[Flow]) -> list[dict[str, Any]]:
    highest = max((flow.open for flow in flows), default=0) or 1
    return [
        {"y": backlog, "text": f"{value_text(backlog, 'count')} > 24 h", "kind": "over 24 h"},
        {
            "y": max(waiting, backlog + highest * LABEL_DISTANCE),
            "text": f"{value_text(waiting, 'count')} open",
            "kind": "open",
        },
    ]


def _bars(flows: Sequence[Flow]) -> list[dict[str, Any]]:
    return [
        {"date": day_text(flow.start), "complete": flow.complete, "kind": kind, "signed": signed}
        for flow in flows
        for kind, signed in (("opened", flow.opened), ("decided", -flow.decided))
    ]


def _flow_labels(flows: Sequence[Flow]) -> list[dict[str, Any]]:
    opened, decided = sum(flow.opened for flow in flows), sum(flow.decided for flow in flows)
    return [
        {
            "y": (max((flow.opened for flow in flows), default=0) or 1) / 2,
            "text": f"{value_text(opened, 'count')} opened",
            "kind": "opened",
        },
        {
            "y": -(max((flow.decided for flow in flows), default=0) or 1) / 2,
            "text": f"{value_text(decided, 'count')} decided",
            "kind": "decided",
        },
    ]


def _age_bars(ages: Sequence[int]) -> list[dict[str, Any]]:
    return [
        {
            "age": label,
            "kind": "open" if place == 0 else "over 24 h",
            "cases": cases,
            "text": value_text(cases, "count"),
        }
        for place, (label, cases) in enumerate(zip(AGE_LABELS, ages, strict=True))
    ]


def _headline(backlog: int, waiting: int) -> str:
    if waiting == 0:
        return "No AML case is open"
    of_open = f"of {counted(waiting, 'open AML case', 'open AML cases')}"
    if backlog == 0:
        return f"None {of_open} has waited longer than 24 hours"
    have = "has" if backlog == 1 else "have"
    return f"{value_text(backlog, 'count')} {of_open} {have} waited longer than 24 hours"


def _prose(
    flows: Sequence[Flow], backlog_before: int, last_analyst: datetime | None, days: int
) -> str:
    opened, decided = sum(flow.opened for flow in flows), sum(flow.decided for flow in flows)
    were = "was" if opened <= 1 else "were"
    moved = f"{counted(opened, 'case', 'cases')} {were} opened"
    sentences = [
        f"In {days} days {moved} and {value_text(decided, 'count')} decided.",
        f"{days} days ago {_waited(backlog_before)} longer than 24 hours.",
    ]
    if last_analyst is not None:
        sentences.append(
            f"The last decision of an analyst was on {day_text(last_analyst)} at "
            f"{last_analyst:%H:%M} UTC."
        )
    return " ".join(sentences)


def _waited(cases: int) -> str:
    if cases == 0:
        return "none had waited"
    return f"{value_text(cases, 'count')} had waited"
