"""What is revenue made of, and which part of it moved?"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import altair as alt
import pandas as pd

from heartbeat.audit.audit_cut import Connection, window_days
from heartbeat.audit.chart_theme import title
from heartbeat.audit.palette import Colour
from heartbeat.judgement.wording import value_text

from ._euro import CLOSING_RATES
from ._moments import as_of, day_text, ticks, whole_days_or_weeks
from ._wording import compared, percent, share_text

META = {
    "page": "overview",
    "place": 2,
    "title": "Revenue by source",
    "prose": "What clients pay the bank for, and which part of it grows or shrinks.",
    "windows": ["7d", "30d", "90d"],
    "window_default": "30d",
    "reads": [
        "webbank_core.entry",
        "webbank_core.payment",
        "webbank_dict.entry_state",
        "webbank_dict.entry_type",
        "webbank_dict.payment_type",
        "currency_rate_rate.rate",
    ],
    "how_to_read": "The bars on the left are weeks (days in the window of 7 days), stacked by what "
    "was paid for; narrow bars are parts of a week or day. The two columns on the right are the "
    "window before and this window, in the same order and colours, with the share of each part.",
    "methodology": "Posted entries of revenue types (FEE, FX_MARGIN, INTEREST) on the fee income "
    "account -2, credits less debits, by the type of the payment that they belong to. Pending, "
    "reversed and cancelled entries are left out. Other currencies at the closing rate of the "
    "business day of each entry, on the last day at the last rate known; a currency without any "
    "rate is left out. The window is a multiple of 24 hours up to the moment; the one before is "
    "as long. Weeks start on Monday in the business time zone. The four largest parts of the "
    "window have names, the rest is one part.",
}

REVENUE_SQL = f"""
with {CLOSING_RATES}, income as materialized (
    select (e.create_time at time zone 'UTC'
                          at time zone (select heartbeat.business_timezone()))::date as d,
           e.create_time >= (select heartbeat.as_of() at time zone 'UTC')
                            - make_interval(days => %(days)s) as is_now,
           e.entry_type_id, p.type_id, e.currency,
           sum(case e.debit_credit when 'C' then e.amount else -e.amount end) as amount
      from webbank_core.entry as e
      join webbank_dict.entry_state as s on s.id = e.entry_state_id and s.code = 'POSTED'
      left join webbank_core.payment as p on p.id = e.payment_id
     where e.account_id = -2
       and e.create_time < (select heartbeat.as_of() at time zone 'UTC')
       and e.create_time >= (select heartbeat.as_of() at time zone 'UTC')
                            - make_interval(days => 2 * %(days)s)
     group by 1, 2, 3, 4, 5
)
select is_now, date_trunc(%(step)s, i.d)::date, t.code, coalesce(p.code, ''), sum(amount / per_eur)
  from income as i
  join closing_rate as c on c.d = i.d and c.currency = i.currency::text
  join webbank_dict.entry_type as t on t.id = i.entry_type_id and t.is_revenue
  left join webbank_dict.payment_type as p on p.id = i.type_id
 group by 1, 2, 3, 4
"""  # noqa: S608 - made of constants

NAMES = {
    ("FEE", "SWIFT_OUT"): "SWIFT out fees",
    ("FEE", "SWIFT_IN"): "SWIFT in fees",
    ("FEE", "SEPA_CREDIT_OUT"): "SEPA out fees",
    ("FEE", "SEPA_INSTANT_OUT"): "SEPA instant fees",
    ("FEE", "CARD_SETTLEMENT"): "Card fees",
    ("FEE", "INTERNAL_OUT"): "Internal fees",
    ("FEE", "FEE"): "Account fees",
    ("INTEREST", "FEE"): "Interest",
    ("FX_MARGIN", "FX_EXCHANGE"): "FX margin",
}
OTHER = "All other"
NAMED = 4
SHORT_WINDOW = 7

HEIGHT = 330
LABEL_HEIGHT = 24
PARTS_COLOURS = [Colour.ACCENT, Colour.NEUTRAL, Colour.QUIET, Colour.NEUTRAL, Colour.QUIET]


@dataclass(frozen=True, order=True)
class Income:
    """Euros of one combination, in one week or day of the window or in the window before."""

    is_now: bool
    bucket: date
    entry_type: str
    payment_type: str
    eur: float

    @property
    def name(self) -> str:
        """What the client paid for."""
        known = NAMES.get((self.entry_type, self.payment_type))
        return known or f"{self.entry_type} {self.payment_type}".strip()


@dataclass(frozen=True)
class Part:
    """One named part of revenue: euros in the window and in the one before."""

    name: str
    eur: float
    before_eur: float


def compute(conn: Connection, *, window: str) -> dict[str, Any]:
    """Revenue by week and part, its parts largest first, and both windows as columns."""
    days = window_days(window)
    step = "day" if days <= SHORT_WINDOW else "week"
    limits = {"days": days, "step": step, "rate_days": 2 * days + 1}
    # sorted, since floats added in another order differ in the last digit of their sum
    incomes = sorted(
        Income(now, bucket, entry_type, payment_type, float(eur))
        for now, bucket, entry_type, payment_type, eur in conn.execute(REVENUE_SQL, limits)
    )
    buckets = whole_days_or_weeks(conn, days=days, step=step)
    dates = [day_text(bucket) for bucket in buckets]
    parts = _parts(incomes)
    total = sum(part.eur for part in parts)
    before = sum(part.before_eur for part in parts)
    rows = _rows(incomes, buckets, parts)
    return {
        "as_of": as_of(conn),
        "window_days": days,
        "headline": _headline(parts, total, days),
        "prose": _prose(parts, total, before, days),
        "drawn": f"EUR a {step} (narrow: part of one) and in {days} days, before and now",
        "total_eur": total,
        "before_eur": before,
        "parts": [part.name for part in parts],
        "buckets": dates,
        "ticks": ticks(dates, at_most=3),
        "peak": _peak(rows),
        "columns": _columns(parts),
        "column_totals": [
            {"column": "before", "eur": before, "text": value_text(before, "EUR")},
            {"column": "now", "eur": total, "text": value_text(total, "EUR")},
        ],
        "labels": _labels(parts),
        "rows": rows,
    }


def chart(payload: Mapping[str, Any]) -> alt.TopLevelMixin:
    """Stacked bars of weeks beside two stacked columns, whose parts bear the names."""
    return alt.hconcat(_weeks(payload), _windows(payload), spacing=14).properties(
        title=title(payload, payload["drawn"]),
        description=payload["prose"],
    )


def _weeks(payload: Mapping[str, Any]) -> alt.LayerChart | alt.FacetChart:
    x = alt.X("bucket:O", title=None, scale=alt.Scale(domain=payload["buckets"])).axis(
        values=payload["ticks"], labelAngle=0, labelOverlap=False
    )
    # a sum, because many combinations are the last part
    bars = alt.Chart(_frame(payload["rows"], "bucket", "part", "eur", "complete", "order")).encode(
        x=x,
        y=alt.Y("sum(eur):Q", axis=None),
        color=_part_colour(payload),
        order="order:Q",
    )
    whole = bars.mark_bar(width=alt.RelativeBandSize(0.84)).transform_filter("datum.complete")
    partial = bars.mark_bar(width=alt.RelativeBandSize(0.4)).transform_filter("!datum.complete")
    peak = alt.Chart(_frame(payload["peak"], "bucket", "eur", "text")).encode(
        x=x, y="eur:Q", text="text:N"
    )
    text = peak.mark_text(dy=-12, fontWeight=600)
    return alt.layer(whole, partial, text).properties(width=222, height=HEIGHT)


def _windows(payload: Mapping[str, Any]) -> alt.LayerChart | alt.FacetChart:
    highest = max(payload["total_eur"], payload["before_eur"]) or 1
    scale = alt.Scale(domain=[0, highest], nice=False)
    x = alt.X("column:N", title=None, scale=alt.Scale(domain=["before", "now"], range=[0, 128]))
    columns = alt.Chart(_frame(payload["columns"], "column", "part", "start", "end"))
    bars = columns.mark_bar(width=54, stroke=Colour.PANEL, strokeWidth=1).encode(
        x=x.axis(labelAngle=0),
        y=alt.Y("start:Q", scale=scale, axis=None),
        y2="end:Q",
        color=_part_colour(payload),
    )
    totals = alt.Chart(_frame(payload["column_totals"], "column", "eur", "text"))
    sums = totals.mark_text(dy=-12, fontWeight=600).encode(
        x=x, y=alt.Y("eur:Q", scale=scale), text="text:N"
    )
    names = alt.Chart(_frame(payload["labels"], "y", "text")).mark_text(align="left", limit=182)
    labels = names.encode(x=alt.value(136), y=alt.Y("y:Q", scale=scale), text="text:N")
    return alt.layer(bars, sums, labels).properties(width=316, height=HEIGHT)


def _part_colour(payload: Mapping[str, Any]) -> alt.Color:
    colours = PARTS_COLOURS[: len(payload["parts"])]
    return alt.Color("part:N", legend=None).scale(domain=payload["parts"], range=colours)


def _frame(rows: Sequence[Mapping[str, Any]], *columns: str) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns))


def _parts(incomes: Sequence[Income]) -> list[Part]:
    now: defaultdict[str, float] = defaultdict(float)
    before: defaultdict[str, float] = defaultdict(float)
    for income in incomes:
        (now if income.is_now else before)[income.name] += income.eur
    ranked = sorted(now.keys() | before.keys(), key=lambda name: (-now[name], name))
    named = [Part(name, now[name], before[name]) for name in ranked[:NAMED]]
    rest = ranked[NAMED:]
    if not rest:
        return named
    others = Part(OTHER, sum(now[name] for name in rest), sum(before[name] for name in rest))
    return [*named, others]


def _rows(
    incomes: Sequence[Income], buckets: Mapping[date, bool], parts: Sequence[Part]
) -> list[dict[str, Any]]:
    order = {part.name: place for place, part in enumerate(parts)}
    rows = [
        {
            "from": income.bucket,
            "bucket": day_text(income.bucket),
            "complete": buckets[income.bucket],
            "entry_type": income.entry_type,
            "payment_type": income.payment_type,
            "part": income.name if income.name in order else OTHER,
            "order": order.get(income.name, NAMED),
            "eur": income.eur,
        }
        for income in incomes
        if income.is_now
    ]
    return sorted(rows, key=lambda row: (row["from"], row["order"], -row["eur"]))


def _peak(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    totals: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        totals[row["bucket"]] += row["eur"]
    if not totals:
        return []
    bucket, eur = max(totals.items(), key=lambda each: each[1])
    return [{"bucket": bucket, "eur": eur, "text": value_text(eur, "EUR")}]


def _columns(parts: Sequence[Part]) -> list[dict[str, Any]]:
    columns = []
    for column, heights in (
        ("before", [part.before_eur for part in parts]),
        ("now", [part.eur for part in parts]),
    ):
        start = 0.0
        for part, height in zip(parts, heights, strict=True):
            end = start + max(height, 0)
            columns.append({"column": column, "part": part.name, "start": start, "end": end})
            start = end
    return columns


def _labels(parts: Sequence[Part]) -> list[dict[str, Any]]:
    total = sum(part.eur for part in parts)
    highest = max(total, sum(part.before_eur for part in parts))
    labels: list[dict[str, Any]] = []
    bottom, free = 0.0, 0.0
    for part in parts:
        # small parts lie closer together than their names can
        y = max(bottom + part.eur / 2, free)
        labels.append({"y": y, "text": f"{part.name} {percent(part.eur, total):.0f} %"})
        bottom += part.eur
        free = y + highest * LABEL_HEIGHT / HEIGHT
    return labels


def _headline(parts: Sequence[Part], total: float, days: int) -> str:
    if total <= 0:
        return f"No revenue in {days} days"
    share = share_text(parts[0].eur, total)
    return (
        f"{value_text(total, 'EUR')} of revenue in {days} days, {share} of it from "
        f"{_within(parts[0].name)}"
    )


def _prose(parts: Sequence[Part], total: float, before: float, days: int) -> str:
    sentences = [f"Revenue is {compared(total, before, 'EUR')} the {days} days before."]
    if parts:
        moved = max(parts, key=lambda part: abs(part.eur - part.before_eur))
        sentences.append(
            f"{moved.name} moved most: from {value_text(moved.before_eur, 'EUR')} "
            f"to {value_text(moved.eur, 'EUR')}."
        )
    if len(parts) > NAMED:
        share = share_text(total - parts[NAMED].eur, total)
        sentences.append(f"The {NAMED} largest parts bring {share} of it.")
    return " ".join(sentences)


def _within(name: str) -> str:
    first = name.split()[0]
    return name if first.isupper() else name[0].lower() + name[1:]
