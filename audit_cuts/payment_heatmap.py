"""When do clients send money, and how much of it comes while nobody works?"""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from heartbeat.audit.audit_cut import Connection, window_days
from heartbeat.audit.chart_theme import shade, shade_colour, shade_text_colour, title
from heartbeat.audit.palette import Colour
from heartbeat.judgement.wording import value_text

from ._euro import CLOSING_RATES
from ._moments import as_of
from ._wording import counted, percent, share_text

META = {
    "page": "overview",
    "place": 3,
    "title": "When clients pay",
    "prose": "At which hours clients send money, and how much of it while nobody works.",
    "windows": ["7d", "30d", "90d"],
    "window_default": "30d",
    "reads": [
        "webbank_core.payment",
        "webbank_dict.payment_type",
        "currency_rate_rate.rate",
    ],
    "how_to_read": "Each cell is one hour of the week: the number of outgoing payments created in "
    "it, on average over the window. The frame is the working time of the back office; what is "
    "outside waits, or has to be decided by rules. The bars are the euros sent at that hour.",
    "methodology": "Payments with direction OUT by the hour of their creation in the business "
    "time zone, whatever became of them; fees and exchanges are outgoing payments too. The number "
    "of a cell is divided by the number of such hours in the window, because 30 and 90 days are "
    "no whole weeks. Euros are the amounts, at the closing rate of the business day, per day; "
    "a currency without any rate is left out of them. Working time is Monday to Saturday from 9 "
    "to 21 h. The window before is as long and ends where this one begins.",
}

PAYMENTS_SQL = f"""
with {CLOSING_RATES}, sent as materialized (
    select date_trunc('hour', p.create_time at time zone 'UTC'
                              at time zone (select heartbeat.business_timezone())) as hour,
           p.create_time >= (select heartbeat.as_of() at time zone 'UTC')
                            - make_interval(days => %(days)s) as is_now,
           p.currency,
           count(*) as payments,
           sum(p.amount) as amount
      from webbank_core.payment as p
      join webbank_dict.payment_type as t on t.id = p.type_id and t.direction = 'OUT'
     where p.create_time < (select heartbeat.as_of() at time zone 'UTC')
       and p.create_time >= (select heartbeat.as_of() at time zone 'UTC')
                            - make_interval(days => 2 * %(days)s)
     group by 1, 2, 3
)
select is_now, extract(isodow from hour)::int - 1, extract(hour from hour)::int,
       sum(payments)::int, coalesce(sum(amount / per_eur), 0)
  from sent
  left join closing_rate as c on c.d = hour::date and c.currency = sent.currency::text
 group by 1, 2, 3
 -- floats are added in this order: another would change the last digit of their sums
 order by 1, 2, 3
"""  # noqa: S608 - made of constants

HOURS_SQL = """
select extract(isodow from start)::int - 1, extract(hour from start)::int,
       extract(epoch from sum(ends - begins))::float / 3600
  from (
    select hour at time zone heartbeat.business_timezone() as start,
           greatest(hour, heartbeat.as_of() - make_interval(days => %(days)s)) as begins,
           least(hour + interval '1 hour', heartbeat.as_of()) as ends
      from generate_series(
          date_trunc('hour', heartbeat.as_of() - make_interval(days => %(days)s),
                     heartbeat.business_timezone()),
          heartbeat.as_of(),
          interval '1 hour'
      ) as hour
  ) as slot
 group by 1, 2
"""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WORKING_TIME = {"days": 6, "from_hour": 9, "to_hour": 21}

CELL_WIDTH, CELL_HEIGHT = 50, 23

Slot = tuple[int, int]
"""Weekday from Monday = 0, and hour."""


def compute(conn: Connection, *, window: str) -> dict[str, Any]:
    """Payments and euros of each hour of the week, and the share outside working time."""
    days = window_days(window)
    counts: dict[bool, dict[Slot, int]] = {True: {}, False: {}}
    euros: dict[Slot, float] = {}
    limits = {"days": days, "rate_days": days + 1}
    for is_now, weekday, hour, payments, eur in conn.execute(PAYMENTS_SQL, limits):
        counts[is_now][weekday, hour] = payments
        if is_now:
            euros[weekday, hour] = float(eur)
    hours = {(weekday, hour): length for weekday, hour, length in conn.execute(HOURS_SQL, limits)}
    rows = _rows(counts[True], euros, hours)
    total = sum(counts[True].values())
    return {
        "as_of": as_of(conn),
        "window_days": days,
        "headline": _headline(rows, days),
        "prose": _prose(counts, euros, days),
        "payments": total,
        "payments_outside": _outside(counts[True]),
        "payments_before": sum(counts[False].values()),
        "payments_outside_before": _outside(counts[False]),
        "eur": sum(euros.values()),
        "eur_outside": _outside(euros),
        "hours": [f"{hour:02}" for hour in range(24)],
        "weekdays": [name[:3] for name in WEEKDAYS],
        "working_time": WORKING_TIME,
        "euros": _euros_by_hour(rows, days),
        "rows": rows,
    }


def chart(payload: Mapping[str, Any]) -> alt.TopLevelMixin:
    """A map of the week, hours downwards, beside the euros of each hour of the day."""
    panels = alt.hconcat(_week(payload), _euros(payload), spacing=12).properties(
        title=title(payload, "Outgoing payments an hour, and EUR a day; framed: working time"),
        description=payload["prose"],
    )
    both: alt.HConcatChart = panels.resolve_scale(color="independent")
    return both


def _week(payload: Mapping[str, Any]) -> alt.LayerChart | alt.FacetChart:
    x = alt.X(
        "day:O", sort=None, title=None, scale=alt.Scale(domain=payload["weekdays"], padding=0)
    )
    cells = alt.Chart(pd.DataFrame(payload["rows"])).encode(
        x=x.axis(orient="top", labelAngle=0), y=_hour_of(payload)
    )
    working = payload["working_time"]
    frame = alt.Chart(pd.DataFrame({"frame": [1]})).mark_rect(
        filled=False, stroke=Colour.CONTRAST, strokeWidth=3
    )
    layers = alt.layer(
        cells.mark_rect(stroke=Colour.PANEL, strokeWidth=1).encode(color=shade_colour("shade")),
        cells.mark_text().encode(text="text:N", color=shade_text_colour("shade")),
        frame.encode(
            x=alt.value(0),
            x2=alt.value(working["days"] * CELL_WIDTH),
            y=alt.value(working["from_hour"] * CELL_HEIGHT),
            y2=alt.value(working["to_hour"] * CELL_HEIGHT),
        ),
    )
    sized = layers.properties(width=7 * CELL_WIDTH, height=24 * CELL_HEIGHT)
    week: alt.LayerChart | alt.FacetChart = sized.resolve_scale(color="independent")
    return week


def _euros(payload: Mapping[str, Any]) -> alt.LayerChart | alt.FacetChart:
    bars = alt.Chart(pd.DataFrame(payload["euros"])).encode(
        y=_hour_of(payload).axis(None), x=alt.X("share:Q", axis=None).scale(domain=[0, 2.1])
    )
    colour = alt.Color("busiest:N", legend=None).scale(
        domain=[True, False], range=[Colour.NEUTRAL, Colour.QUIET]
    )
    return alt.layer(
        bars.mark_bar(height=CELL_HEIGHT - 5).encode(color=colour),
        bars.mark_text(align="left", dx=6).encode(text="text:N"),
    ).properties(width=160, height=24 * CELL_HEIGHT)


def _hour_of(payload: Mapping[str, Any]) -> alt.Y:
    scale = alt.Scale(domain=payload["hours"], padding=0)
    return alt.Y("hour_text:O", title=None, scale=scale)


def _rows(
    counts: Mapping[Slot, int], euros: Mapping[Slot, float], hours: Mapping[Slot, float]
) -> list[dict[str, Any]]:
    rates = {slot: counts.get(slot, 0) / length for slot, length in hours.items() if length}
    highest = max(rates.values(), default=0)
    return [
        {
            "weekday": WEEKDAYS[weekday],
            "day": WEEKDAYS[weekday][:3],
            "hour": hour,
            "hour_text": f"{hour:02}",
            "payments": counts.get((weekday, hour), 0),
            "hours": hours[weekday, hour],
            "payments_an_hour": rate,
            "eur": euros.get((weekday, hour), 0.0),
            "shade": shade(rate, highest),
            "text": f"{rate:.0f}" if rate >= 0.5 else "",
        }
        for (weekday, hour), rate in sorted(rates.items())
    ]


def _euros_by_hour(rows: Sequence[Mapping[str, Any]], days: int) -> list[dict[str, Any]]:
    totals = [sum(row["eur"] for row in rows if row["hour"] == hour) for hour in range(24)]
    highest = max(totals)
    return [
        {
            "hour_text": f"{hour:02}",
            "eur_a_day": eur / days,
            "share": eur / highest if highest else 0,
            "busiest": eur == highest,
            "text": value_text(round(eur / days), "EUR"),
        }
        for hour, eur in enumerate(totals)
    ]


def _outside(counts: Mapping[Slot, float]) -> Any:
    return sum(number for slot, number in counts.items() if not _is_working_time(slot))


def _is_working_time(slot: Slot) -> bool:
    weekday, hour = slot
    return (
        weekday < WORKING_TIME["days"]
        and WORKING_TIME["from_hour"] <= hour < WORKING_TIME["to_hour"]
    )


def _headline(rows: Sequence[Mapping[str, Any]], days: int) -> str:
    busiest = max(rows, key=lambda row: row["payments_an_hour"])
    if busiest["payments"] == 0:
        return f"No outgoing payment in {days} days"
    share = share_text(busiest["payments_an_hour"], sum(row["payments_an_hour"] for row in rows))
    hour = f"{busiest['hour']:02}\u2013{busiest['hour'] + 1:02} h"
    return f"{busiest['weekday']} {hour} is the busiest hour, with {share} of a week's payments"


def _prose(
    counts: Mapping[bool, Mapping[Slot, int]], euros: Mapping[Slot, float], days: int
) -> str:
    now, before = counts[True], counts[False]
    total, total_before = sum(now.values()), sum(before.values())
    if total == 0:
        return f"In the {days} days before there {_were(total_before)}."
    outside = percent(_outside(now), total)
    sentence = (
        f"Outside working time (Monday to Saturday, 9 to 21 h) came {value_text(outside, '%')} of "
        f"{value_text(total, 'count')} payments"
    )
    if total_before:
        earlier = percent(_outside(before), total_before)
        sentence += f"; in the {days} days before {value_text(earlier, '%')}"
    eur = sum(euros.values())
    return (
        f"{sentence}. They carried {share_text(_outside(euros), eur)} of the "
        f"{value_text(eur, 'EUR')} sent."
    )


def _were(payments: int) -> str:
    verb = "was" if payments <= 1 else "were"
    return f"{verb} {counted(payments, 'outgoing payment', 'outgoing payments')}"
