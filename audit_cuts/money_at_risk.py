"""Where the bank stands to lose money today, part by part, against the start of the window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import altair as alt
import pandas as pd

from heartbeat.audit.audit_cut import Connection, window_days
from heartbeat.audit.chart_theme import CHART_WIDTH, title
from heartbeat.audit.palette import Colour
from heartbeat.judgement.wording import value_text

META = {
    "page": "overview",
    "place": 1,
    "title": "Money at risk",
    "prose": "What the bank could lose if nothing more were paid, sent or corrected, and which "
    "part of it to look at first.",
    "windows": ["7d", "30d", "90d"],
    "window_default": "30d",
    "reads": [
        "webbank_core.account",
        "webbank_core.account_balance_log",
        "webbank_core.collateral",
        "webbank_core.collateral_payment",
        "webbank_core.entry",
        "webbank_core.payment",
        "webbank_core.payment_state_log",
        "webbank_dict.collateral_state",
        "webbank_dict.payment_state",
        "webbank_dict.payment_type",
        "currency_rate_rate.rate",
    ],
    "how_to_read": "Each bar starts where the one above ends, largest first; the last bar is their "
    "sum. The column on the right is the change since the start of the window.",
    "methodology": "Overdue collateral: required amount less what the client paid, for "
    "collaterals past their due date and not released; money that the bank paid for the client "
    "does not count. Negative balances: last balance of each account, where it is below zero. "
    "Stuck outgoing: outgoing payments older than 24 hours that have reached no final state. "
    "One-sided entries: the absolute difference of posted debits and credits per payment and "
    "currency. Other currencies are converted at the last rate known at that moment. The parts "
    "may overlap: a stuck payment can belong to an overdrawn account. The source does not say "
    "when an entry was reversed, so the start of the window leaves out what is reversed today.",
}

EXPOSURE_SQL = """
with moment as materialized (
    select days_ago,
           moment at time zone 'UTC' as at,
           (moment at time zone heartbeat.business_timezone())::date as business_day
      from (
        select days_ago, heartbeat.as_of() - make_interval(days => days_ago)
          from (values (0), (%(days)s)) as past (days_ago)
      ) as m (days_ago, moment)
), euro_rate as (
    select days_ago, 'EUR' as currency, 1 as units from moment
    union all
    (select distinct on (days_ago, quote) days_ago, quote, rate
       from currency_rate_rate.rate, moment
      where base = 'EUR' and rate_time <= at
      order by days_ago, quote, rate_time desc, id desc)
), overdue_collateral as (
    select days_ago, c.id, c.currency,
           c.required_amount
               - coalesce(sum(p.amount) filter (where p.paid_by = 'CLIENT' and p.paid_at <= at), 0)
               as amount
      from webbank_core.collateral as c
      cross join moment
      join webbank_dict.collateral_state as s on s.id = c.state_id
      left join webbank_core.collateral_payment as p on p.collateral_id = c.id
     where c.due_date < business_day and c.create_time <= at
       and (s.code <> 'RELEASED' or c.update_time > at)
     group by days_ago, c.id, c.currency, c.required_amount
), last_balance as (
    select days_ago, a.currency, last_row.balance
      from moment
     cross join webbank_core.account as a
     cross join lateral (
        select balance
          from webbank_core.account_balance_log
         where account_id = a.id and "timestamp" <= at
         order by "timestamp" desc, id desc
         limit 1
     ) as last_row
), open_payment as materialized (
    select days_ago, at, p.id, p.currency, p.amount
      from webbank_core.payment as p
      join moment on p.create_time < at - interval '24 hours'
      join webbank_dict.payment_type as t on t.id = p.type_id
      join webbank_dict.payment_state as s on s.id = p.state_id
     where t.direction = 'OUT'
       -- the row of the log that ends a payment may come a day and a half after its end
       and (not s.is_terminal or p.update_time > at)
), stuck_payment as (
    select days_ago, currency, amount
      from open_payment
     -- few are left: an array is looked up payment by payment, a join would read the whole log
     where 0 = cardinality(array(
        select l.state_id
          from webbank_core.payment_state_log as l
         where l.payment_id = open_payment.id and l."timestamp" <= at
           and l.state_id = any (array(select id from webbank_dict.payment_state where is_terminal))
       ))
), posting as materialized (
    -- the ledger is read once for both moments
    select e.payment_id, e.currency,
           sum(case debit_credit when 'D' then e.amount else -e.amount end) as amount_now,
           coalesce(
               sum(case debit_credit when 'D' then e.amount else -e.amount end)
                   filter (where e.create_time <= past.at), 0) as amount_then
      from webbank_core.entry as e
      cross join (select at from moment where days_ago > 0) as past
     where e.entry_state_id = 2 and e.create_time <= (select at from moment where days_ago = 0)
     group by e.payment_id, e.currency
    having sum(case debit_credit when 'D' then e.amount else -e.amount end) <> 0
        or sum(case debit_credit when 'D' then e.amount else -e.amount end)
               filter (where e.create_time <= past.at) <> 0
), exposure as (
    select days_ago, 'overdue_collateral' as part, currency, amount from overdue_collateral
    union all
    select days_ago, 'negative_balances', currency, -balance from last_balance
    union all
    select days_ago, 'stuck_outgoing', currency, amount from stuck_payment
    union all
    select days_ago, 'one_sided_entries', currency,
           abs(case days_ago when 0 then amount_now else amount_then end)
      from moment
     cross join posting
)
select exposure.days_ago, part,
       round(coalesce(sum(amount / units), 0), 4) as eur,
       count(units) as items,
       count(*) - count(units) as without_rate
  from exposure
  left join euro_rate
    on euro_rate.days_ago = exposure.days_ago and euro_rate.currency = exposure.currency
 where amount > 0
 group by exposure.days_ago, part
"""

# key of the SQL, label of the bar, what is counted (one, many)
PARTS = (
    ("overdue_collateral", "Overdue collateral", ("collateral", "collaterals")),
    ("negative_balances", "Negative balances", ("account", "accounts")),
    ("stuck_outgoing", "Stuck outgoing", ("payment", "payments")),
    ("one_sided_entries", "One-sided entries", ("posting", "postings")),
)

BAR_HEIGHT = 26


@dataclass(frozen=True)
class Exposure:
    """One part at one moment: euros, the items in them, the items left out for want of a rate."""

    eur: Decimal = Decimal(0)
    items: int = 0
    without_rate: int = 0


def compute(conn: Connection, *, window: str) -> dict[str, Any]:
    """The parts in EUR, largest first, each with its place in the waterfall, and the total."""
    days = window_days(window)
    now, before = _exposures(conn, days)
    total = sum((now[key].eur for key, _, _ in PARTS), Decimal(0))
    total_before = sum((before[key].eur for key, _, _ in PARTS), Decimal(0))
    bars = _bars(now, before)
    as_of = _as_of(conn)
    without_rate = sum(exposure.without_rate for exposure in now.values())
    opening = (
        f"As of {_moment_text(as_of)}, {value_text(total, 'EUR')} is at risk, "
        f"{_compared(total, total_before)} {days} days earlier."
    )
    return {
        "as_of": as_of,
        "as_of_text": _moment_text(as_of),
        "window_days": days,
        "headline": _headline(bars, total),
        "prose": " ".join([opening, *_largest(bars[0]), *_left_out(without_rate)]),
        "total_eur": total,
        "total_before_eur": total_before,
        "without_rate": without_rate,
        "rows": _rows(now, before),
        "bars": [*bars, _total_bar(total, total_before)],
    }


def chart(payload: Mapping[str, Any]) -> alt.TopLevelMixin:
    """A waterfall that falls from left to right, one row a part, the total in the last row."""
    labels = [bar["label"] for bar in payload["bars"]]
    rows = alt.Chart(pd.DataFrame(payload["bars"])).encode(
        y=alt.Y("label:N", sort=labels, title=None).axis(labelColor=Colour.TEXT, labelLimit=220)
    )
    # the bars leave the right of the picture to their labels and to the column of changes
    scale = alt.Scale(domain=[0, payload["total_eur"] * 1.9 or 1], nice=False)
    return alt.layer(
        *_waterfall(rows, scale),
        *_labels(rows, scale),
        _column_head(f"change in {payload['window_days']} d"),
    ).properties(
        width=CHART_WIDTH,
        height=400,
        title=title(payload, f"EUR, as of {payload['as_of_text']}"),
        description=payload["prose"],
    )


def _waterfall(rows: alt.Chart, scale: alt.Scale) -> list[alt.Chart]:
    end = alt.X("end:Q", scale=scale, axis=None)
    half = BAR_HEIGHT / 2
    steps = rows.mark_rule(yOffset=half, y2Offset=-half).encode(x=end, y2="next:N")
    # a cent is too narrow to see as a bar
    slivers = rows.mark_tick(size=BAR_HEIGHT, thickness=3, color=Colour.NEUTRAL, opacity=1)
    bars = rows.mark_bar(height=BAR_HEIGHT).encode(
        x=alt.X("start:Q", scale=scale, axis=None),
        x2="end:Q",
        color=alt.Color("kind:N", legend=None).scale(
            domain=["largest", "part", "total"],
            range=[Colour.ACCENT, Colour.NEUTRAL, Colour.TEXT_SOFT],
        ),
    )
    return [
        steps.transform_filter("isValid(datum.next) && datum.end > 0"),
        slivers.encode(x=end).transform_filter("datum.kind == 'part' && datum.eur > 0"),
        bars,
    ]


def _labels(rows: alt.Chart, scale: alt.Scale) -> list[alt.Chart]:
    end = alt.X("end:Q", scale=scale, axis=None)
    value = rows.mark_text(align="left", dx=8, dy=-9, fontWeight=600)
    note = rows.mark_text(align="left", dx=8, dy=11, color=Colour.TEXT_FAINT)
    change = rows.mark_text(align="right", color=Colour.TEXT_SOFT)
    return [
        value.encode(x=end, text="text:N"),
        note.encode(x=end, text="note:N").transform_filter("isValid(datum.note)"),
        change.encode(x=alt.value("width"), text="change:N"),
    ]


def _column_head(text: str) -> alt.Chart:
    mark = alt.MarkDef("text", align="right", color=Colour.TEXT_FAINT)
    head = alt.Chart(pd.DataFrame({"head": [text]}), mark=mark)
    return head.encode(x=alt.value("width"), y=alt.value(-6), text="head:N")


def _as_of(conn: Connection) -> datetime:
    row = conn.execute("select heartbeat.as_of() at time zone 'UTC'").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def _exposures(conn: Connection, days: int) -> tuple[dict[str, Exposure], dict[str, Exposure]]:
    """The parts now, and those of so many days ago."""
    found: dict[int, dict[str, Exposure]] = {0: {}, days: {}}
    for days_ago, part, *measures in conn.execute(EXPOSURE_SQL, {"days": days}):
        found[days_ago][part] = Exposure(*measures)
    now, before = (
        {key: found[days_ago].get(key, Exposure()) for key, _, _ in PARTS} for days_ago in (0, days)
    )
    return now, before


def _rows(now: Mapping[str, Exposure], before: Mapping[str, Exposure]) -> list[dict[str, Any]]:
    return [
        {
            "part": key,
            "eur": now[key].eur,
            "items": now[key].items,
            "without_rate": now[key].without_rate,
            "before_eur": before[key].eur,
        }
        for key, _, _ in PARTS
    ]


def _bars(now: Mapping[str, Exposure], before: Mapping[str, Exposure]) -> list[dict[str, Any]]:
    ordered = sorted(PARTS, key=lambda part: -now[part[0]].eur)
    bars: list[dict[str, Any]] = []
    start = Decimal(0)
    for position, (key, label, nouns) in enumerate(ordered):
        exposure = now[key]
        bars.append(
            {
                "part": key,
                "label": label,
                "kind": "largest" if position == 0 else "part",
                "start": start,
                "end": start + exposure.eur,
                "eur": exposure.eur,
                "before_eur": before[key].eur,
                "items": exposure.items,
                "text": value_text(exposure.eur, "EUR"),
                "note": _counted(exposure.items, nouns),
                "change": _change(exposure.eur, before[key].eur),
                "next": ordered[position + 1][1] if position + 1 < len(ordered) else "Total",
            }
        )
        start += exposure.eur
    return bars


def _total_bar(total: Decimal, total_before: Decimal) -> dict[str, Any]:
    return {
        "part": "total",
        "label": "Total",
        "kind": "total",
        "start": 0,
        "end": total,
        "eur": total,
        "before_eur": total_before,
        "text": value_text(total, "EUR"),
        "change": _change(total, total_before),
    }


def _counted(items: int, nouns: tuple[str, str]) -> str:
    one, many = nouns
    if items == 0:
        return "none"
    return f"{value_text(items, 'count')} {one if items == 1 else many}"


def _change(eur: Decimal, before: Decimal) -> str:
    if eur == before:
        return "unchanged"
    plus = "+" if eur > before else ""
    return f"{plus}{value_text(eur - before, 'EUR')}"


def _headline(bars: Sequence[Mapping[str, Any]], total: Decimal) -> str:
    if total == 0:
        return "No money is at risk"
    largest = bars[0]
    share = value_text(100 * largest["eur"] / total, "%")
    return f"{value_text(total, 'EUR')} at risk, {share} in {largest['label'].lower()}"


def _moment_text(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def _largest(bar: Mapping[str, Any]) -> list[str]:
    if bar["eur"] == 0:
        return []
    return [f"The largest part is {bar['label'].lower()}: {bar['text']} in {bar['note']}."]


def _left_out(items: int) -> list[str]:
    if items == 0:
        return []
    return [f"Left out for want of a euro rate: {_counted(items, ('item', 'items'))}."]


def _compared(total: Decimal, before: Decimal) -> str:
    if total == before:
        return "the same as"
    direction = "more" if total > before else "less"
    return f"{value_text(abs(total - before), 'EUR')} {direction} than"
