"""Which of the largest clients have fallen silent, and what they used to pay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import altair as alt
import pandas as pd

from heartbeat.audit.audit_cut import Connection, window_days
from heartbeat.audit.chart_theme import CHART_WIDTH, title
from heartbeat.audit.palette import Colour
from heartbeat.judgement.wording import age_text, value_text

from ._client_revenue import CLIENT_REVENUE, CLIENT_REVENUE_TABLES, revenue_span
from ._moments import as_of
from ._wording import share_text

META = {
    "page": "clients",
    "place": 4,
    "title": "Dormancy watchlist",
    "prose": "Which of the twenty largest clients have fallen silent, for how long, and what they "
    "used to pay.",
    "windows": ["7d", "30d", "90d"],
    "window_default": "30d",
    "reads": list(CLIENT_REVENUE_TABLES),
    "how_to_read": "The twenty who paid the most in 90 days, the longest silence first; the rank "
    "is by what they paid in the 90 days, the amount by the window. The bar is the time since "
    "they last moved money; from the line at 14 days on a client counts as silent.",
    "methodology": "The 20 clients with the highest posted revenue (FEE, FX_MARGIN, INTEREST) of "
    "the last 90 days whatever the window, in euro at the closing rate of the business day of "
    "each entry, on the last day at the last rate known. Silence is the time since the last "
    "posted PRINCIPAL entry on any of a client's accounts, in or out; fees that the bank books by "
    "itself do not end it. The window says over how many days the revenue in the table is added "
    "up.",
}

WATCHLIST_SQL = f"""
with {CLIENT_REVENUE},
top as (
    select client_id, coalesce(recent_eur, 0) as recent_eur,
           coalesce(recent_eur, 0) + coalesce(earlier_eur, 0) as eur
      from client_revenue
     order by eur desc, client_id
     limit 20
), latest as (
    select top.client_id, max(last_of_account.at) as at
      from top
      join webbank_core.account as a on a.client_profile_id = top.client_id
     cross join lateral (
        select e.create_time as at
          from webbank_core.entry as e
         where e.account_id = a.id
           and e.entry_type_id = any (array(
                   select id from webbank_dict.entry_type where code = 'PRINCIPAL'))
           and e.entry_state_id = any (array(
                   select id from webbank_dict.entry_state where code = 'POSTED'))
           and e.create_time < (select heartbeat.as_of() at time zone 'UTC')
         order by e.create_time desc
         limit 1
     ) as last_of_account
     group by top.client_id
)
select top.client_id, top.eur, top.recent_eur, latest.at
  from top
  left join latest on latest.client_id = top.client_id
 order by top.eur desc, top.client_id
"""  # noqa: S608 - made of constants

REVENUE_DAYS = 90
SILENT = timedelta(days=14)
ROW_HEIGHT = 25
# right ends of the three columns of text, and where the bars begin and may end, in px
RANK, CLIENT, PAID, BARS = 40, 118, 222, (246, 480)


@dataclass(frozen=True)
class Client:
    """One of the largest clients; `silence` is None when it never moved money."""

    client_id: int
    rank: int
    eur: Decimal
    recent_eur: Decimal
    last_business: datetime | None
    silence: timedelta | None

    @property
    def is_silent(self) -> bool:
        return self.silence is None or self.silence > SILENT


def compute(conn: Connection, *, window: str) -> dict[str, Any]:
    """The twenty largest clients, the longest silence first."""
    days = window_days(window)
    moment = as_of(conn)
    found = conn.execute(WATCHLIST_SQL, revenue_span(REVENUE_DAYS, recent_days=days))
    clients = [_client(rank, row, moment.replace(tzinfo=None)) for rank, row in enumerate(found, 1)]
    clients.sort(key=_silence, reverse=True)
    silent = [client for client in clients if client.is_silent]
    return {
        "as_of": moment,
        "window_days": days,
        "headline": _headline(silent, clients),
        "prose": _prose(silent, clients, days),
        "silent": len(silent),
        "heads": ["rank", "client", f"paid in {days} d", "silent for"],
        "rows": [_row(client) for client in clients],
    }


def chart(payload: Mapping[str, Any]) -> alt.TopLevelMixin:
    """A table with a bar of the days of silence in each row, and a line at 14 days."""
    columns = ["client_id", "rank_text", "id_text", "paid_text", "days", "silence_text", "group"]
    frame = pd.DataFrame(payload["rows"], columns=columns)
    ids = frame["client_id"].tolist()
    rows = alt.Chart(frame).encode(y=alt.Y("client_id:N", sort=ids, axis=None))
    longest = max([SILENT.days, *frame["days"].dropna()])
    x = alt.X("days:Q", axis=None).scale(domain=[0, longest], range=list(BARS), nice=False)
    colour = alt.Color("group:N", legend=None).scale(
        domain=["silent", "rest"], range=[Colour.ACCENT, Colour.NEUTRAL]
    )
    word = rows.mark_text(align="right")
    line = alt.Chart(pd.DataFrame({"days": [SILENT.days], "text": [f"{SILENT.days} d"]}))
    heads = zip((RANK, CLIENT, PAID, BARS[0]), payload["heads"], strict=True)
    return alt.layer(
        rows.mark_bar(height=15).encode(x=x, color=colour),
        line.mark_rule(color=Colour.TEXT_SOFT).encode(x=x),
        line.mark_text(color=Colour.TEXT_SOFT, baseline="top", dy=6).encode(
            x=x, y=alt.value("height"), text="text:N"
        ),
        rows.mark_text(align="left", dx=7).encode(x=x, text="silence_text:N"),
        word.encode(x=alt.value(RANK), text="rank_text:N"),
        word.encode(x=alt.value(CLIENT), text="id_text:N"),
        word.encode(x=alt.value(PAID), text="paid_text:N"),
        *(_head(at, text) for at, text in heads),
        width=CHART_WIDTH,
        height=180 + ROW_HEIGHT * len(ids),
        title=title(payload, "the 20 who paid the most in 90 days: EUR, time of silence"),
    )


def _head(at: int, text: str) -> alt.Chart:
    mark = alt.MarkDef("text", color=Colour.TEXT_FAINT)
    mark.align = "left" if at == BARS[0] else "right"
    head = alt.Chart(pd.DataFrame({"head": [text]}), mark=mark)
    return head.encode(x=alt.value(at), y=alt.value(-10), text="head:N")


def _client(rank: int, row: tuple[Any, ...], moment: datetime) -> Client:
    client_id, eur, recent_eur, last = row
    return Client(client_id, rank, eur, recent_eur, last, None if last is None else moment - last)


def _silence(client: Client) -> timedelta:
    return timedelta.max if client.silence is None else client.silence


def _row(client: Client) -> dict[str, Any]:
    silence = client.silence
    return {
        "client_id": client.client_id,
        "rank": client.rank,
        "revenue_90d_eur": client.eur,
        "revenue_window_eur": client.recent_eur,
        "last_business": client.last_business,
        "days": None if silence is None else silence / timedelta(days=1),
        "rank_text": str(client.rank),
        "id_text": str(client.client_id),
        "paid_text": value_text(client.recent_eur, "EUR"),
        "silence_text": _silence_text(client),
        "group": "silent" if client.is_silent else "rest",
    }


def _silence_text(client: Client) -> str:
    return "never" if client.silence is None else age_text(client.silence)


def _headline(silent: Sequence[Client], clients: Sequence[Client]) -> str:
    if not clients:
        return f"No client paid anything in {REVENUE_DAYS} days"
    if len(clients) == 1:
        return f"The only client who paid has {'' if silent else 'not '}been silent for 14 days"
    if not silent:
        return f"None of the {len(clients)} largest clients has been silent for 14 days"
    have = "has" if len(silent) == 1 else "have"
    return f"{len(silent)} of the {len(clients)} largest clients {have} been silent for 14 days"


def _prose(silent: Sequence[Client], clients: Sequence[Client], days: int) -> str:
    if not clients:
        return "There is nobody to watch: no fee, margin or interest was posted."
    opening = " ".join([_longest(clients[0]), *_middle(clients)])
    if not silent:
        return opening
    paid, paid_by_all = (sum(client.recent_eur for client in group) for group in (silent, clients))
    share = (
        f"The silent paid {value_text(paid, 'EUR')} in {days} days, "
        f"{share_text(paid, paid_by_all)} of what all {len(clients)} paid"
    )
    rest = sum(client.eur for client in silent) - paid
    if days >= REVENUE_DAYS:
        return f"{opening} {share}."
    before = f"in the {REVENUE_DAYS - days} days before, {value_text(rest, 'EUR')}"
    return f"{opening} {share}; {before}."


def _longest(client: Client) -> str:
    who = f"Client {client.client_id}, number {client.rank} by revenue,"
    if client.silence is None:
        return f"{who} has never moved money."
    return f"{who} has been silent for {age_text(client.silence)}, the longest of them."


def _middle(clients: Sequence[Client]) -> list[str]:
    known = [client.silence for client in clients if client.silence is not None]
    if len(known) < 2:
        return []
    middle = sorted(known)[(len(known) - 1) // 2]
    return [f"Half of the {len(known)} moved money within the last {age_text(middle)}."]
