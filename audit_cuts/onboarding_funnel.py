"""Where in onboarding the bank loses the people who wanted an account."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import altair as alt
import pandas as pd

from heartbeat.audit.audit_cut import Connection, window_days
from heartbeat.audit.chart_theme import CHART_WIDTH, title
from heartbeat.audit.palette import Colour
from heartbeat.judgement.wording import value_text

from ._moments import as_of, business_day, day_text
from ._spans import span_text
from ._wording import counted, share_text

META = {
    "page": "journeys",
    "place": 1,
    "title": "Onboarding funnel",
    "prose": "At which step of onboarding does the bank lose the people who wanted an account?",
    "windows": ["7d", "30d", "90d"],
    "window_default": "30d",
    "reads": ["webbank_core.client_profile_state_log", "webbank_dict.profile_state"],
    "how_to_read": "A bar is everybody who got as far as that step; its end in another shade is "
    "who got no further. The line below it says how many that is, with the share of the window "
    "before, and how long the others took to the next step. The upright stroke is the share of the "
    "window before that got as far.",
    "methodology": "The clients created in a window that ended 30 days ago, so that every "
    "application had 30 days to end: for 30 days, those created between 60 and 30 days ago, as in "
    "the metric onboarding_conversion_funnel. Steps are the rows of the profile state log by the "
    "moment; who has a later step has had the earlier ones. Requests for documents are part of the "
    "step in which they are made. Times are medians in clock hours from one step to the next, of "
    "those who have both. The window before is counted as it stood when it was as old.",
}

MATURITY_DAYS = 30

FUNNEL_SQL = """
with moment as (
    select heartbeat.as_of() at time zone 'UTC' as at
), period as (
    select ago,
           at - make_interval(days => ago + %(maturity)s + %(days)s) as opens,
           at - make_interval(days => ago + %(maturity)s) as closes,
           at - make_interval(days => ago) as seen
      from moment, unnest(array[0, %(days)s]) as ago
), creation as (
    select l.client_profile_id, min(l."timestamp") as at
      from webbank_core.client_profile_state_log as l
      join webbank_dict.profile_state as s on s.id = l.profile_state
     where s.code = 'CREATED'
     group by l.client_profile_id
), journey as (
    select period.ago,
           min(l."timestamp") filter (where s.code = 'CREATED') as created,
           min(l."timestamp") filter (where s.code = 'SUBMITTED') as submitted,
           min(l."timestamp") filter (where s.code = 'KYC_IN_PROGRESS') as kyc,
           min(l."timestamp") filter (where s.code = 'AML_REVIEW') as aml,
           min(l."timestamp") filter (where s.code = 'APPROVED') as approved,
           min(l."timestamp") filter (where s.code = 'ACTIVE') as active,
           bool_or(s.code = 'REJECTED') as rejected,
           bool_or(s.code = 'WITHDRAWN') as withdrew
      from creation
      join period on creation.at >= period.opens and creation.at < period.closes
      join webbank_core.client_profile_state_log as l
        on l.client_profile_id = creation.client_profile_id and l."timestamp" < period.seen
      join webbank_dict.profile_state as s on s.id = l.profile_state
     group by period.ago, creation.client_profile_id
), furthest as (
    select journey.*,
           case when active is not null then 5 when approved is not null then 4
                when aml is not null then 3 when kyc is not null then 2
                when submitted is not null then 1 else 0 end as place
      from journey
)
select ago,
       step.place,
       count(*) filter (where furthest.place >= step.place) as clients,
       count(*) filter (where furthest.place = step.place and rejected) as rejected,
       count(*) filter (where furthest.place = step.place and withdrew) as withdrew,
       percentile_cont(0.5) within group (
           order by extract(epoch from step.left_at - step.entered_at)
       )::float as seconds
  from furthest
 cross join lateral (
    values (0, created, submitted), (1, submitted, kyc), (2, kyc, aml), (3, aml, approved),
           (4, approved, active), (5, active, null)
 ) as step (place, entered_at, left_at)
 group by ago, step.place
"""

STEPS = ("Created", "Submitted", "KYC", "AML review", "Approved", "Active")

TABLE = (
    "step",
    "clients",
    "share",
    "lost",
    "lost_share",
    "rejected",
    "withdrew",
    "median_seconds",
    "before_clients",
    "before_share",
    "before_lost_share",
    "before_median_seconds",
)

BAR_HEIGHT = 26


@dataclass(frozen=True)
class Step:
    """Who reached one step, what became of those who stopped there, the median to the next."""

    clients: int = 0
    rejected: int = 0
    withdrew: int = 0
    seconds: float | None = None


def compute(conn: Connection, *, window: str) -> dict[str, Any]:
    """The six steps of the matured cohort, and of the one a window earlier."""
    days = window_days(window)
    found = conn.execute(FUNNEL_SQL, {"days": days, "maturity": MATURITY_DAYS})
    steps = {(ago, place): Step(*measures) for ago, place, *measures in found}
    now = [steps.get((0, place), Step()) for place in range(len(STEPS))]
    before = [steps.get((days, place), Step()) for place in range(len(STEPS))]
    rows = _rows(now, before)
    worst = max(rows[:-1], key=lambda row: row["lost"])
    worst["kind"] = "worst" if worst["lost"] else "step"
    moment = as_of(conn)
    created = _span(business_day(conn) - timedelta(days=MATURITY_DAYS), days)
    return {
        "as_of": moment,
        "window_days": days,
        "headline": _headline(rows, worst, days),
        "prose": _prose(rows, worst, created, days),
        "drawn": f"Clients created {created}, by the furthest step; stroke: the share of the "
        f"{days} days before",
        "rows": [{key: row[key] for key in TABLE} for row in rows],
        "bars": rows,
    }


def chart(payload: Mapping[str, Any]) -> alt.TopLevelMixin:
    """One bar a step, its lost end set off, and below it the loss and the time in words."""
    lines = [line for step in STEPS for line in (step, f"{step}, lost")]
    base = alt.Chart(pd.DataFrame(payload["bars"]))
    axis = alt.Axis(values=list(STEPS), labelColor=Colour.TEXT, title=None)
    bars = base.encode(y=alt.Y("step:N", scale=alt.Scale(domain=lines[:-1]), axis=axis))
    losses = base.encode(y=alt.Y("loss_line:N", scale=alt.Scale(domain=lines[:-1]), axis=axis))
    # the bars leave the right of the picture to their labels
    scale = alt.Scale(domain=[0, 145], nice=False)
    kept, share = (alt.X(f"{field}:Q", scale=scale, axis=None) for field in ("kept_share", "share"))
    before, label_at = (
        alt.X(f"{field}:Q", scale=scale, axis=None) for field in ("before_share", "label_at")
    )
    is_worst = "datum.kind == 'worst'"
    return alt.layer(
        bars.mark_bar(height=BAR_HEIGHT, color=Colour.NEUTRAL).encode(x=kept),
        bars.mark_bar(height=BAR_HEIGHT).encode(
            x=share,
            x2="kept_share:Q",
            color=alt.condition(is_worst, alt.value(Colour.ACCENT), alt.value(Colour.QUIET)),
        ),
        bars.mark_tick(size=BAR_HEIGHT + 10, thickness=3, color=Colour.TEXT, opacity=1)
        .encode(x=before)
        .transform_filter("isValid(datum.before_share)"),
        bars.mark_text(align="left", dx=10, fontWeight=600).encode(x=label_at, text="text:N"),
        losses.mark_text(align="left", dy=-3)
        .encode(
            x=alt.value(0),
            text="loss_text:N",
            color=alt.condition(is_worst, alt.value(Colour.TEXT), alt.value(Colour.TEXT_FAINT)),
        )
        .transform_filter("isValid(datum.loss_text)"),
    ).properties(
        width=CHART_WIDTH,
        height=560,
        title=title(payload, payload["drawn"]),
        description=payload["prose"],
    )


def _rows(now: Sequence[Step], before: Sequence[Step]) -> list[dict[str, Any]]:
    first, first_before = now[0].clients, before[0].clients
    rows = []
    for place, label in enumerate(STEPS):
        step, earlier = now[place], before[place]
        kept = now[place + 1].clients if place + 1 < len(STEPS) else step.clients
        kept_before = before[place + 1].clients if place + 1 < len(STEPS) else earlier.clients
        share, before_share = _share(step.clients, first), _share(earlier.clients, first_before)
        lost, lost_before = step.clients - kept, earlier.clients - kept_before
        rows.append(
            {
                "step": label,
                "loss_line": f"{label}, lost",
                "kind": "step",
                "clients": step.clients,
                "share": share or 0,
                "kept_share": _share(kept, first) or 0,
                "lost": lost,
                "lost_share": _share(lost, step.clients),
                "rejected": step.rejected,
                "withdrew": step.withdrew,
                "median_seconds": step.seconds,
                "before_clients": earlier.clients,
                "before_share": before_share,
                "before_lost_share": _share(lost_before, earlier.clients),
                "before_median_seconds": earlier.seconds,
                "label_at": max(share or 0, before_share or 0),
                "text": _reached(step.clients, first),
            }
        )
    for row in rows[:-1]:
        row["loss_text"] = _loss_text(row)
    return rows


def _reached(clients: int, first: int) -> str:
    return f"{value_text(clients, 'count')} · {share_text(clients, first)}"


def _share(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


def _loss_text(row: Mapping[str, Any]) -> str | None:
    if row["lost_share"] is None:
        return None
    earlier = row["before_lost_share"]
    was = f" (was {value_text(earlier, '%')})" if earlier is not None else ""
    seconds = row["median_seconds"]
    took = f" · median of the rest {span_text(seconds)}" if seconds is not None else ""
    return f"{value_text(row['lost_share'], '%')} lost{was}{took}"


def _headline(rows: Sequence[Mapping[str, Any]], worst: Mapping[str, Any], days: int) -> str:
    if rows[0]["clients"] == 0:
        return f"No client was created in the {days} days looked at"
    if worst["lost"] == 0:
        clients = rows[0]["clients"]
        return "The one client became active" if clients == 1 else f"All {clients:,} became active"
    place = STEPS.index(worst["step"])
    lost = f"{value_text(worst['lost'], 'count')} of {value_text(worst['clients'], 'count')}"
    return f"Between {worst['step']} and {STEPS[place + 1]}, {lost} {_were(worst)} lost"


def _were(worst: Mapping[str, Any]) -> str:
    return "was" if worst["lost"] == 1 else "were"


def _prose(
    rows: Sequence[Mapping[str, Any]], worst: Mapping[str, Any], created: str, days: int
) -> str:
    first, last = rows[0], rows[-1]
    if first["clients"] == 0:
        return f"There is no client created {created}."
    active = share_text(last["clients"], first["clients"])
    clients = counted(first["clients"], "client", "clients")
    sentences = [f"Of {clients} created {created}, {active} became active{_against(last, days)}."]
    if worst["lost"]:
        sentences.append(_fate(worst))
    timed = [row for row in rows if row["median_seconds"] is not None]
    if timed:
        slowest = max(timed, key=lambda row: float(row["median_seconds"]))
        following = STEPS[STEPS.index(slowest["step"]) + 1]
        sentences.append(
            f"The slowest step is from {slowest['step']} to {following}: half took longer than "
            f"{span_text(slowest['median_seconds'])}{_slower(slowest)}."
        )
    return " ".join(sentences)


def _against(last: Mapping[str, Any], days: int) -> str:
    if last["before_share"] is None:
        return ""
    return f"; of those created in the {days} days before, {value_text(last['before_share'], '%')}"


def _slower(slowest: Mapping[str, Any]) -> str:
    earlier = slowest["before_median_seconds"]
    return f", before {span_text(earlier)}" if earlier is not None else ""


def _fate(worst: Mapping[str, Any]) -> str:
    waiting = worst["lost"] - worst["rejected"] - worst["withdrew"]
    fates = (
        (worst["rejected"], "was rejected", "were rejected"),
        (worst["withdrew"], "withdrew", "withdrew"),
        (waiting, "has done nothing since", "have done nothing since"),
    )
    said = [
        f"{value_text(number, 'count')} {one if number == 1 else many}"
        for number, one, many in fates
        if number
    ]
    return f"Of those lost after {worst['step']}, {_listed(said)}."


def _listed(parts: Sequence[str]) -> str:
    *others, last = parts
    return f"{', '.join(others)} and {last}" if others else last


def _span(closes: date, days: int) -> str:
    return f"from {day_text(closes - timedelta(days=days))} to {day_text(closes)}"
