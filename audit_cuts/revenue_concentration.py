"""How much of the revenue hangs on few clients, and who they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import altair as alt
import pandas as pd

from heartbeat.audit.audit_cut import Connection, window_days
from heartbeat.audit.chart_theme import title
from heartbeat.audit.palette import Colour
from heartbeat.judgement.wording import value_text

from ._client_revenue import CLIENT_REVENUE, CLIENT_REVENUE_TABLES, revenue_span
from ._moments import as_of
from ._wording import counted, known_percent, share_text

META = {
    "page": "clients",
    "place": 2,
    "title": "Revenue concentration",
    "prose": "How much of the revenue the ten largest clients bring, and who they are.",
    "windows": ["7d", "30d", "90d"],
    "window_default": "30d",
    "reads": list(CLIENT_REVENUE_TABLES),
    "how_to_read": "The curve adds up revenue from the largest client to the smallest: the more it "
    "bends away from the straight line, the fewer clients carry the bank. On the right the twenty "
    "who paid the most; the ten of the headline are coloured.",
    "methodology": "Posted entries of revenue types (FEE, FX_MARGIN, INTEREST) on client accounts "
    "in the window, debits less credits, by client, in euro at the closing rate of the business "
    "day of each entry, on the last day at the last rate known. Clients without such an entry are "
    "left out of the curve. The Herfindahl index is the sum of the squared shares in per cent: "
    "10,000 when one client pays everything. The ten largest are chosen anew for each span, so "
    "the ten of the span before may be others.",
}

CONCENTRATION_SQL = f"""
with {CLIENT_REVENUE},
paid as (
    select 'now' as span, client_id, recent_eur as eur
      from client_revenue
     where recent_eur is not null
     union all
    select 'before', client_id, earlier_eur
      from client_revenue
     where earlier_eur is not null
), ranked as (
    select span, client_id, eur,
           row_number() over place as place,
           sum(eur) over place as cumulated,
           count(*) over everyone as clients,
           sum(eur) over everyone as total
      from paid
    window everyone as (partition by span),
           place as (partition by span order by eur desc, client_id rows unbounded preceding)
), summary as (
    select span, clients, total,
           sum(eur) filter (where place <= 10) as ten_eur,
           min(place) filter (where cumulated >= total / 2) as half_of_revenue,
           10000 * sum(power(eur / nullif(total, 0), 2)) as herfindahl
      from ranked
     group by span, clients, total
)
select summary.*, ranked.place, ranked.client_id, ranked.eur, ranked.cumulated
  from summary
  left join ranked
    on ranked.span = summary.span and summary.span = 'now'
   and (ranked.place <= 20
        or ranked.place %% ceil(summary.clients / 75.0) = 0
        or ranked.place in (ceil(summary.clients / 10.0), summary.clients))
 order by summary.span, ranked.place
"""  # noqa: S608 - made of constants


@dataclass(frozen=True)
class Concentration:
    """Who paid in one span of time, and how unequally."""

    clients: int = 0
    total: Decimal = Decimal(0)
    ten_eur: Decimal = Decimal(0)
    half_of_revenue: int = 0
    herfindahl: Decimal | None = None


def compute(conn: Connection, *, window: str) -> dict[str, Any]:
    """The curve in at most 100 points, the twenty largest clients, and the window before."""
    days = window_days(window)
    found = conn.execute(CONCENTRATION_SQL, revenue_span(2 * days, recent_days=days))
    spans, ranked = _read(found.fetchall())
    now, before = spans.get("now", Concentration()), spans.get("before", Concentration())
    rows = [_row(client, now) for client in ranked]
    return {
        "as_of": as_of(conn),
        "window_days": days,
        "headline": _headline(now, days),
        "prose": _prose(now, before, rows, days),
        "ten_share": known_percent(now.ten_eur, now.total),
        "ten_share_before": known_percent(before.ten_eur, before.total),
        "herfindahl": now.herfindahl,
        "herfindahl_before": before.herfindahl,
        "clients": now.clients,
        "total_eur": now.total,
        "marks": _marks(rows),
        "rows": rows,
    }


def chart(payload: Mapping[str, Any]) -> alt.TopLevelMixin:
    """The curve on the left, the twenty largest clients on the right."""
    drawn = (
        "left: revenue added up, largest client first; right: the 20 largest by client id, EUR in "
        f"{payload['window_days']} days"
    )
    return alt.hconcat(_curve(payload), _largest(payload), spacing=14).properties(
        title=title(payload, drawn)
    )


def _curve(payload: Mapping[str, Any]) -> alt.LayerChart | alt.FacetChart:
    origin = {"share_of_clients": 0, "share_of_revenue": 0}
    points = alt.Chart(pd.DataFrame([origin, *payload["rows"]]))
    alike = alt.Chart(pd.DataFrame({"share_of_clients": [0, 100], "share_of_revenue": [0, 100]}))
    columns = ["share_of_clients", "share_of_revenue", "text"]
    marks = alt.Chart(pd.DataFrame(payload["marks"], columns=columns))
    text = marks.mark_text(align="left", dx=10, dy=3)
    halo = marks.mark_text(align="left", dx=10, dy=3, stroke=Colour.PANEL, strokeWidth=6)
    scale = alt.Scale(domain=[0, 100])
    x = alt.X("share_of_clients:Q", scale=scale, axis=_axis("'100 % of clients'", [0, 100]))
    y = alt.Y(
        "share_of_revenue:Q", scale=scale, axis=_axis("['100 %', 'of revenue']", [0, 50, 100])
    )
    return alt.layer(
        alike.mark_line(color=Colour.NEUTRAL, strokeWidth=1.5).encode(x=x, y=y),
        points.mark_line(color=Colour.TEXT_SOFT).encode(x=x, y=y),
        _reference("if all paid alike"),
        marks.mark_point(size=110, filled=True, color=Colour.ACCENT, opacity=1).encode(x=x, y=y),
        halo.encode(x=x, y=y, text="text:N"),
        text.encode(x=x, y=y, text="text:N"),
        width=232,
        height=440,
    )


def _axis(whole: str, values: list[int]) -> alt.Axis:
    label = f"datum.value == 100 ? {whole} : datum.value + ' %'"
    return alt.Axis(values=values, labelExpr=label, labelFlush=True, grid=False, title=None)


def _reference(text: str) -> alt.Chart:
    mark = alt.MarkDef("text", align="right", color=Colour.TEXT_FAINT)
    words = alt.Chart(pd.DataFrame({"text": [text]}), mark=mark)
    return words.encode(x=alt.value("width"), y=alt.value(270), text="text:N")


def _largest(payload: Mapping[str, Any]) -> alt.LayerChart | alt.FacetChart:
    columns = ["place", "client_id", "eur", "bar", "text", "group"]
    frame = pd.DataFrame(payload["rows"], columns=columns)[:20]
    names = frame["client_id"].tolist()
    scale = alt.Scale(domain=[0, frame["eur"].max() * 1.75 if names else 1], nice=False)
    rows = alt.Chart(frame).encode(
        y=alt.Y("client_id:N", sort=names, title=None).axis(labelColor=Colour.TEXT)
    )
    bars = rows.mark_bar(height=15).encode(
        x=alt.X("eur:Q", scale=scale, axis=None),
        color=alt.Color("group:N", legend=None).scale(
            domain=["ten", "rest"], range=[Colour.ACCENT, Colour.NEUTRAL]
        ),
    )
    labels = rows.mark_text(align="left", dx=6).encode(
        x=alt.X("eur:Q", scale=scale, axis=None), text="text:N"
    )
    return alt.layer(bars, labels, width=165, height=440)


def _read(
    found: Sequence[tuple[Any, ...]],
) -> tuple[dict[str, Concentration], list[tuple[Any, ...]]]:
    spans = {row[0]: Concentration(*row[1:6]) for row in found}
    return spans, [row[6:] for row in found if row[6] is not None]


def _row(client: tuple[Any, ...], now: Concentration) -> dict[str, Any]:
    place, client_id, eur, cumulated = client
    return {
        "place": place,
        "client_id": client_id,
        "eur": eur,
        "share_of_clients": known_percent(place, now.clients),
        "share_of_revenue": known_percent(cumulated, now.total),
        "text": value_text(eur, "EUR"),
        "group": "ten" if place <= 10 else "rest",
    }


def _marks(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Where ten clients stand on the curve, and a tenth of all."""
    ten = [row for row in rows if row["place"] == 10]
    tenth = [row for row in rows[20:] if row["share_of_clients"] >= 10][:1]
    return [
        {
            "share_of_clients": row["share_of_clients"],
            "share_of_revenue": row["share_of_revenue"],
            "text": f"{who}: {value_text(row['share_of_revenue'], '%')}",
        }
        for who, found in (("10 clients", ten), ("a tenth", tenth))
        for row in found
        if row["share_of_revenue"] is not None
    ]


def _headline(now: Concentration, days: int) -> str:
    if now.total <= 0:
        return f"No revenue in {days} days"
    if now.clients <= 10:
        clients = counted(now.clients, "client", "clients").capitalize()
        return f"{clients} brought all revenue of {days} days"
    return f"Ten clients bring {share_text(now.ten_eur, now.total)} of revenue"


def _prose(
    now: Concentration, before: Concentration, rows: Sequence[Mapping[str, Any]], days: int
) -> str:
    if now.total <= 0:
        return f"No client paid a fee, a margin or interest that was posted in {days} days."
    largest = rows[0]
    opening = (
        f"Half of the {value_text(now.total, 'EUR')} of {days} days came from "
        f"{counted(now.half_of_revenue, 'client', 'clients')} of {now.clients:,}; the largest "
        f"alone, client {largest['client_id']}, paid {share_text(largest['eur'], now.total)}."
    )
    if before.total <= 0:
        return f"{opening} There was no revenue in the {days} days before."
    return (
        f"{opening} In the {days} days before, the ten largest brought "
        f"{share_text(before.ten_eur, before.total)}; the Herfindahl index stands at "
        f"{_index_text(now)}, against {_index_text(before)} then."
    )


def _index_text(span: Concentration) -> str:
    return "none" if span.herfindahl is None else value_text(span.herfindahl, "count")
