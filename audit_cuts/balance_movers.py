"""Whose balances moved the most, and how much of all that came and left was theirs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import altair as alt
import pandas as pd

from heartbeat.audit.audit_cut import Connection, window_days
from heartbeat.audit.chart_theme import CHART_WIDTH, title
from heartbeat.audit.palette import Colour
from heartbeat.judgement.wording import value_text

from ._moments import as_of
from ._wording import counted, known_percent, share_text, signed_text

META = {
    "page": "clients",
    "place": 5,
    "title": "Balance movers",
    "prose": "Whose balances fell and grew the most, and how much of all the money that came and "
    "left was theirs.",
    "windows": ["7d", "30d", "90d"],
    "window_default": "30d",
    "reads": [
        "currency_rate_rate.rate",
        "webbank_core.account",
        "webbank_core.account_balance_log",
    ],
    "how_to_read": "Bars to the left are the clients who took out the most, with the share of "
    "their own balance in brackets; to the right those who brought the most. Many names of "
    "similar size are the weather; one name that is half of a side is a call to make.",
    "methodology": "The last balance of every client account now and at the start of the window, "
    "negative ones included, added up by client, both in euro at the last rates known now, so "
    "that rates do not move anything; a currency without a rate is left out. An account that had "
    "no balance yet at the start counts as zero then. Came and left are the sums of the clients "
    "whose balance grew and fell: money that a client took and brought back within the window is "
    "not seen.",
}

MOVERS_SQL = """
with rate as (
    (select distinct on (quote) quote as currency, rate as per_eur
       from currency_rate_rate.rate
      where base = 'EUR' and rate_time < (select heartbeat.as_of() at time zone 'UTC')
      order by quote, rate_time desc, id desc)
    union all
    select 'EUR', 1
), held as (
    select a.client_profile_id as client_id,
           sum(latest.balance / rate.per_eur) as now_eur,
           sum(coalesce(earlier.balance, 0) / rate.per_eur) as then_eur
      from webbank_core.account as a
      join rate on rate.currency = a.currency
     cross join lateral (
        select balance
          from webbank_core.account_balance_log as l
         where l.account_id = a.id
           and l."timestamp" < (select heartbeat.as_of() at time zone 'UTC')
         order by l."timestamp" desc, l.id desc
         limit 1
     ) as latest
      left join lateral (
        select balance
          from webbank_core.account_balance_log as l
         where l.account_id = a.id
           and l."timestamp" < (select heartbeat.as_of() at time zone 'UTC'
                                       - make_interval(days => %(days)s))
         order by l."timestamp" desc, l.id desc
         limit 1
     ) as earlier on true
     group by a.client_profile_id
), moved as (
    select client_id, now_eur, then_eur, now_eur - then_eur as change,
           row_number() over (order by now_eur - then_eur, client_id) as fall,
           row_number() over (order by now_eur - then_eur desc, client_id) as rise
      from held
), total as (
    select coalesce(sum(now_eur), 0) as now_eur,
           coalesce(sum(then_eur), 0) as then_eur,
           coalesce(sum(change) filter (where change > 0), 0) as came,
           coalesce(sum(change) filter (where change < 0), 0) as gone,
           count(*) filter (where change > 0) as risen,
           count(*) filter (where change < 0) as fallen,
           count(*) as clients
      from moved
)
select total.*, moved.client_id, moved.now_eur, moved.then_eur
  from total
  left join moved
    on (moved.fall <= %(shown)s and moved.change < 0)
    or (moved.rise <= %(shown)s and moved.change > 0)
 order by moved.change > 0, abs(moved.change) desc, moved.client_id
"""

SHOWN = 8
ROW_HEIGHT = 27
# what the labels take of the picture's width at the ends of the bars, and what is left, in px
LEFT_LABEL, RIGHT_LABEL, BARS = 165, 100, 311


@dataclass(frozen=True)
class Total:
    """All clients together; `gone` is negative or zero."""

    now: Decimal
    then: Decimal
    came: Decimal
    gone: Decimal
    risen: int
    fallen: int
    clients: int

    @property
    def change(self) -> Decimal:
        return self.now - self.then


def compute(conn: Connection, *, window: str) -> dict[str, Any]:
    """The eight largest falls and the eight largest rises, and all clients together."""
    days = window_days(window)
    found = conn.execute(MOVERS_SQL, {"days": days, "shown": SHOWN}).fetchall()
    total = Total(*found[0][:7])
    rows = [_row(*row[7:]) for row in found if row[7] is not None]
    falls = [row for row in rows if row["way"] == "fall"]
    rises = [row for row in rows if row["way"] == "rise"]
    return {
        "as_of": as_of(conn),
        "window_days": days,
        "headline": _headline(total, falls, days),
        "prose": _prose(total, falls, rises, days),
        "balance_eur": total.now,
        "balance_then_eur": total.then,
        "change_eur": total.change,
        "change_pct": known_percent(total.change, total.then),
        "came_eur": total.came,
        "gone_eur": total.gone,
        "domain": _domain(rows),
        "rows": rows,
    }


def chart(payload: Mapping[str, Any]) -> alt.TopLevelMixin:
    """Bars to both sides of zero: falls above, rises below, the id at the other side of zero."""
    columns = ["client_id", "id_text", "change_eur", "text", "way"]
    frame = pd.DataFrame(payload["rows"], columns=columns)
    ids = frame["client_id"].tolist()
    scale = alt.Scale(domain=payload["domain"], nice=False)
    rows = alt.Chart(frame).encode(y=alt.Y("client_id:N", sort=ids, axis=None))
    x = alt.X("change_eur:Q", scale=scale, axis=None)
    zero = alt.X(datum=0, type="quantitative", scale=scale, axis=None)
    colour = alt.Color("way:N", legend=None).scale(
        domain=["fall", "rise"], range=[Colour.ACCENT, Colour.CONTRAST]
    )
    fall, rise = "datum.way == 'fall'", "datum.way == 'rise'"
    left = rows.mark_text(align="right", dx=-7)
    right = rows.mark_text(align="left", dx=7)
    ids_right = rows.mark_text(align="left", dx=7, color=Colour.TEXT_SOFT)
    ids_left = rows.mark_text(align="right", dx=-7, color=Colour.TEXT_SOFT)
    return alt.layer(
        rows.mark_bar(height=17).encode(x=x, color=colour),
        left.encode(x=x, text="text:N").transform_filter(fall),
        right.encode(x=x, text="text:N").transform_filter(rise),
        ids_right.encode(x=zero, text="id_text:N").transform_filter(fall),
        ids_left.encode(x=zero, text="id_text:N").transform_filter(rise),
        width=CHART_WIDTH,
        height=130 + ROW_HEIGHT * len(ids),
        title=title(
            payload,
            f"change of the balance in {payload['window_days']} days, EUR (and % of it), by "
            "client id",
        ),
    )


def _row(client_id: int, now: Decimal, then: Decimal) -> dict[str, Any]:
    change = now - then
    share = known_percent(change, then)
    in_brackets = "" if change > 0 or share is None else f" ({value_text(share, '%')})"
    return {
        "client_id": client_id,
        "way": "rise" if change > 0 else "fall",
        "balance_eur": now,
        "balance_then_eur": then,
        "change_eur": change,
        "change_pct": share,
        "id_text": str(client_id),
        "text": f"{signed_text(change, 'EUR')}{in_brackets}",
    }


def _domain(rows: Sequence[Mapping[str, Any]]) -> list[Decimal]:
    """The ends of the axis in euro, so that the longest bars leave room for their labels."""
    changes = [Decimal(0), *(row["change_eur"] for row in rows)]
    per_px = (max(changes) - min(changes) or Decimal(1)) / BARS
    return [min(changes) - LEFT_LABEL * per_px, max(changes) + RIGHT_LABEL * per_px]


def _headline(total: Total, falls: Sequence[Mapping[str, Any]], days: int) -> str:
    if total.clients == 0:
        return "No client holds a balance"
    if total.fallen == 0:
        return f"No client's balance fell in {days} days"
    taken = value_text(-_sum(falls), "EUR")
    who = "one client" if len(falls) == 1 else f"{len(falls)} clients"
    return f"{_way(total)} in {days} days; {who} took out {taken}"


def _way(total: Total) -> str:
    share = known_percent(abs(total.change), total.then)
    if share is None or total.change == 0:
        return f"Balances: {value_text(total.now, 'EUR')}"
    return f"Balances {'rose' if total.change > 0 else 'fell'} {value_text(share, '%')}"


def _prose(
    total: Total,
    falls: Sequence[Mapping[str, Any]],
    rises: Sequence[Mapping[str, Any]],
    days: int,
) -> str:
    if total.clients == 0:
        return "No account has a balance in a currency with a euro rate."
    opening = (
        f"Clients hold {value_text(total.now, 'EUR')}, {signed_text(total.change, 'EUR')} against "
        f"{days} days ago at the same rates."
    )
    left = (
        f"{value_text(-total.gone, 'EUR')} left from {counted(total.fallen, 'client', 'clients')}, "
        f"{share_text(-_sum(falls), -total.gone)} of it from {_largest('fall', falls)}"
    )
    came = (
        f"{value_text(total.came, 'EUR')} came to {counted(total.risen, 'client', 'clients')}, "
        f"{share_text(_sum(rises), total.came)} of it to {_largest('rise', rises)}"
    )
    sides = [text for text, rows in ((left, falls), (came, rises)) if rows]
    return " ".join([opening, *([f"{'; '.join(sides)}."] if sides else [])])


def _largest(noun: str, rows: Sequence[Mapping[str, Any]]) -> str:
    return f"the largest {noun}" if len(rows) == 1 else f"the {len(rows)} largest {noun}s"


def _sum(rows: Sequence[Mapping[str, Any]]) -> Decimal:
    return sum((row["change_eur"] for row in rows), Decimal(0))
