"""How many of the clients who joined still do business, and whether younger ones stay as well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import altair as alt
import pandas as pd

from heartbeat.audit.audit_cut import Connection, window_days
from heartbeat.audit.chart_theme import CHART_WIDTH, shade, shade_colour, shade_text_colour, title
from heartbeat.audit.palette import Colour
from heartbeat.judgement.wording import value_text

from ._moments import as_of, business_day, day_text
from ._wording import counted, known_percent, share_text

META = {
    "page": "clients",
    "place": 3,
    "title": "Cohort retention",
    "prose": "How many clients still do business in the weeks and months after they became "
    "active, and whether the youngest stay as well as the oldest.",
    "windows": ["7d", "30d", "90d"],
    "window_default": "30d",
    "reads": [
        "webbank_core.account",
        "webbank_core.client_profile_state_log",
        "webbank_core.entry",
        "webbank_dict.entry_state",
        "webbank_dict.entry_type",
        "webbank_dict.profile_state",
    ],
    "how_to_read": "A row is the clients who became active in the same week or month, with their "
    "number; to the right is how many of a hundred did business as time went on. Down a column "
    "the cohorts are compared at the same age: numbers that fall on the way down say that "
    "younger clients stay less. The two cells with a border are those of the headline.",
    "methodology": "A client belongs to the week (7d) or month (30d, 90d) in which it first became "
    "ACTIVE; 7d shows the cohorts of some 8 weeks, 30d of 7 months, 90d of 12 months. The age is "
    "counted for each client from that moment, in steps of 7 or 30 days; it did business in a "
    "step with at least one posted PRINCIPAL entry on its accounts, in or out. Clients who were "
    "closed since stay in their cohort. A cell is drawn when all clients of the cohort have "
    "completed the step, and when all of it lies after the first entry that was ever landed.",
}

COHORTS_SQL = """
with known as (
    select coalesce(min(create_time), heartbeat.as_of() at time zone 'UTC') as since
      from webbank_core.entry
), activation as (
    select l.client_profile_id as client_id, min(l."timestamp") as active_since
      from webbank_core.client_profile_state_log as l
      join webbank_dict.profile_state as s on s.id = l.profile_state
     where s.code = 'ACTIVE' and l."timestamp" < (select heartbeat.as_of() at time zone 'UTC')
     group by l.client_profile_id
), dated as (
    select client_id, active_since,
           date_trunc(%(unit)s, active_since at time zone 'UTC'
                                at time zone (select heartbeat.business_timezone())) as cohort
      from activation
), member as (
    select client_id, active_since, cohort::date as cohort
      from dated
     where cohort >= (
        select date_trunc(%(unit)s, heartbeat.as_of() at time zone heartbeat.business_timezone())
                   - %(cohorts)s * ('1 ' || %(unit)s)::interval)
), cohort as (
    select cohort, count(*) as clients,
           ceil(greatest(0, extract(epoch from (select since from known) - min(active_since))
                            / 86400 / %(step_days)s))::integer as first_step,
           floor(extract(epoch from (select heartbeat.as_of() at time zone 'UTC')
                                    - max(active_since))
                 / 86400 / %(step_days)s)::integer as steps
      from member
     group by cohort
), business as (
    select distinct member.cohort, member.client_id,
           floor(extract(epoch from e.create_time - member.active_since)
                 / 86400 / %(step_days)s) as step
      from member
      join webbank_core.account as a on a.client_profile_id = member.client_id
      join webbank_core.entry as e on e.account_id = a.id
     where e.entry_type_id = any (array(
               select id from webbank_dict.entry_type where code = 'PRINCIPAL'))
       and e.entry_state_id = any (array(
               select id from webbank_dict.entry_state where code = 'POSTED'))
       and e.create_time >= member.active_since
       and e.create_time < (select heartbeat.as_of() at time zone 'UTC')
)
select cohort.cohort, cohort.clients, step + 1, count(business.client_id)
  from cohort
 cross join lateral generate_series(first_step, steps - 1) as step
  left join business using (cohort, step)
 group by cohort.cohort, cohort.clients, step
 order by cohort.cohort, step
"""


@dataclass(frozen=True)
class Ageing:
    """How a window cuts clients into cohorts, and their time into steps."""

    unit: str
    cohorts: int
    step_days: int


AGEINGS = {7: Ageing("week", 9, 7), 30: Ageing("month", 7, 30), 90: Ageing("month", 12, 30)}


@dataclass(frozen=True)
class Cell:
    """One cohort at one age, the first step being 1."""

    cohort: date
    clients: int
    step: int
    doing_business: int

    @property
    def share(self) -> Decimal | None:
        return known_percent(self.doing_business, self.clients)


def compute(conn: Connection, *, window: str) -> dict[str, Any]:
    """Every complete cell of the triangle, oldest cohort first."""
    days = window_days(window)
    ageing = AGEINGS[days]
    found = conn.execute(
        COHORTS_SQL,
        {"unit": ageing.unit, "cohorts": ageing.cohorts, "step_days": ageing.step_days},
    )
    cells = [Cell(*row) for row in found]
    moment = as_of(conn)
    label = _Labels(ageing.unit, business_day(conn))
    starts = [cell for cell in cells if cell.step == 1]
    return {
        "as_of": moment,
        "window_days": days,
        "unit": ageing.unit,
        "headline": _headline(starts, label),
        "prose": _prose(cells, starts, label),
        "drawn": f"% of each {ageing.unit}'s new clients (how many) that did business",
        "axis": f"{ageing.unit} since the client became active",
        "rows": [_row(cell, starts, label) for cell in cells],
    }


def chart(payload: Mapping[str, Any]) -> alt.TopLevelMixin:
    """Cohorts as rows, their age to the right; shade and number are the share."""
    columns = ["label", "step", "text", "shade", "is_compared"]
    frame = pd.DataFrame(payload["rows"], columns=columns)
    labels = frame["label"].unique().tolist()
    axis = alt.Axis(title=payload["axis"], orient="top", labelAngle=0, labelColor=Colour.TEXT)
    cells = alt.Chart(frame).encode(
        x=alt.X("step:O", axis=axis).scale(paddingInner=0.03),
        y=alt.Y("label:N", sort=labels, title=None)
        .axis(labelColor=Colour.TEXT)
        .scale(paddingInner=0.06),
    )
    border = cells.mark_rect(fillOpacity=0, stroke=Colour.CONTRAST, strokeWidth=3)
    return alt.layer(
        cells.mark_rect().encode(color=shade_colour("shade")),
        border.transform_filter("datum.is_compared"),
        cells.mark_text().encode(text="text:N", color=shade_text_colour("shade")),
        width=CHART_WIDTH,
        height=180 + 40 * len(labels),
        title=title(payload, payload["drawn"]),
        resolve=alt.Resolve(scale=alt.ScaleResolveMap(color="independent")),
    )


@dataclass(frozen=True)
class _Labels:
    """How cohorts are called: months by name, weeks by their Monday."""

    unit: str
    today: date

    def of(self, cohort: date) -> str:
        if self.unit == "week":
            return day_text(cohort)
        return f"{cohort:%b}" if cohort.year == self.today.year else f"{cohort:%b %y}"


def _row(cell: Cell, starts: Sequence[Cell], label: _Labels) -> dict[str, Any]:
    return {
        "cohort": cell.cohort,
        "label": f"{label.of(cell.cohort)} ({value_text(cell.clients, 'count')})",
        "clients": cell.clients,
        "step": cell.step,
        "doing_business": cell.doing_business,
        "share": cell.share,
        "text": f"{cell.share or 0:.0f}",
        "shade": shade(cell.doing_business, cell.clients),
        "is_compared": cell in (starts[0], starts[-1]) if starts else False,
    }


def _headline(starts: Sequence[Cell], label: _Labels) -> str:
    if not starts:
        return f"No cohort has completed its first {label.unit}"
    oldest, youngest = starts[0], starts[-1]
    finding = (
        f"First {label.unit}: {_share_text(youngest)} of the {label.of(youngest.cohort)} cohort "
        "did business"
    )
    if oldest == youngest:
        return finding
    return f"{finding}, {_share_text(oldest)} of {label.of(oldest.cohort)}"


def _prose(cells: Sequence[Cell], starts: Sequence[Cell], label: _Labels) -> str:
    if not starts:
        return (
            f"A cohort is shown from the day on which each of its clients has been active for "
            f"a whole {label.unit}."
        )
    oldest = starts[0]
    last = max((cell for cell in cells if cell.cohort == oldest.cohort), key=_step)
    weakest = min(cells, key=_weakness)
    alike = [_together(cells, step) for step in (1, 2) if any(c.step == step for c in cells)]
    both = ", ".join(f"{share} in {label.unit} {step}" for step, share in enumerate(alike, 1))
    return (
        f"Of the {counted(oldest.clients, 'client', 'clients')} of {label.of(oldest.cohort)}, "
        f"{_share_text(last)} did business in {label.unit} {last.step}, the last complete one, "
        f"against {_share_text(oldest)} in {label.unit} 1. All cohorts together: {both}. The "
        f"weakest is {label.of(weakest.cohort)} in {label.unit} {weakest.step}: "
        f"{_share_text(weakest)}."
    )


def _together(cells: Sequence[Cell], step: int) -> str:
    of_step = [cell for cell in cells if cell.step == step]
    return share_text(
        sum(cell.doing_business for cell in of_step), sum(cell.clients for cell in of_step)
    )


def _share_text(cell: Cell) -> str:
    return share_text(cell.doing_business, cell.clients)


def _step(cell: Cell) -> int:
    return cell.step


def _weakness(cell: Cell) -> Decimal:
    return cell.share or Decimal(0)
