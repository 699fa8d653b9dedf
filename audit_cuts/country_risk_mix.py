"""How much of the revenue comes from high-risk clients, and in which countries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Any

import altair as alt
import pandas as pd

from heartbeat.audit.audit_cut import Connection, window_days
from heartbeat.audit.chart_theme import CHART_WIDTH, shade, shade_colour, shade_text_colour, title
from heartbeat.audit.palette import Colour
from heartbeat.judgement.wording import value_text

from ._client_revenue import CLIENT_REVENUE, CLIENT_REVENUE_TABLES, revenue_span
from ._moments import as_of
from ._wording import counted, known_percent, share_text

META = {
    "page": "clients",
    "place": 6,
    "title": "Country and risk",
    "prose": "How much of the revenue comes from high-risk clients, and in which countries.",
    "windows": ["7d", "30d", "90d"],
    "window_default": "30d",
    "reads": [*CLIENT_REVENUE_TABLES, "webbank_core.client_profile", "webbank_dict.country"],
    "how_to_read": "Each cell is the share of all revenue that clients of that country and risk "
    "bring, the deeper the shade the more; "
    "the last row adds them up. On the right how many clients "
    "paid, and how the country itself is rated: a high rating there beside much low-risk revenue "
    "is worth a question.",
    "methodology": "Posted entries of revenue types (FEE, FX_MARGIN, INTEREST) on client accounts "
    "in the window, debits less credits, in euro at the closing rate of the business day of each "
    "entry, on the last day at the last rate known. The columns are the risk level that the "
    "client's own profile has today (1 low, 2 medium, 3 and above high), not that of the country: "
    "the two are set apart from each other, and most clients in countries rated high are rated "
    "low themselves. The country is that of the profile; the ten with the most revenue are shown, "
    "the rest together. Clients are those with at least one such entry.",
}

MIX_SQL = f"""
with {CLIENT_REVENUE}
select profile.country, country.name, country.risk, profile.risk_level,
       coalesce(sum(client_revenue.recent_eur), 0), count(client_revenue.recent_eur),
       coalesce(sum(client_revenue.earlier_eur), 0)
  from client_revenue
  left join webbank_core.client_profile as profile on profile.id = client_revenue.client_id
  left join webbank_dict.country as country on country.iso2 = profile.country
 group by 1, 2, 3, 4
"""  # noqa: S608 - made of constants

RISKS = ("low", "medium", "high", "not rated")
SHOWN = 10
OTHER, ALL = "Other", "All"
ROW_HEIGHT = 38


@dataclass(frozen=True)
class Part:
    """What the clients of one country and one risk paid, in the window and in the one before."""

    country: str
    country_risk: str
    risk: str
    eur: Decimal
    clients: int
    before_eur: Decimal


def compute(conn: Connection, *, window: str) -> dict[str, Any]:
    """Revenue and clients of every country and risk, the country with the most revenue first."""
    days = window_days(window)
    found = conn.execute(MIX_SQL, revenue_span(2 * days, recent_days=days))
    parts = [_part(*row) for row in found]
    total = _eur(parts)
    countries = _countries(parts)
    risks = [
        risk
        for risk in RISKS
        if any(part.risk == risk for shown in countries.values() for part in shown)
    ]
    rows = _cells(countries, risks, total)
    return {
        "as_of": as_of(conn),
        "window_days": days,
        "headline": _headline(parts, total, days),
        "prose": _prose(parts, countries, total, days),
        "total_eur": total,
        "high_share": known_percent(_eur(_high(parts)), total),
        "high_share_before": known_percent(_before(_high(parts)), _before(parts)),
        "countries": [*countries, *([ALL] if rows else [])],
        "columns": [*risks, "clients", "country"],
        "words": _words(countries, risks, total),
        "rows": rows,
    }


def chart(payload: Mapping[str, Any]) -> alt.TopLevelMixin:
    """Countries as rows, the clients' risk as columns, then clients and the country's rating."""
    cells = pd.DataFrame(payload["rows"], columns=["country", "risk", "text", "shade"])
    words = pd.DataFrame(payload["words"], columns=["country", "column", "text"])
    axis = alt.Axis(title=None, orient="top", labelAngle=0, labelColor=Colour.TEXT)
    across = alt.Scale(domain=payload["columns"], paddingInner=0.03)
    y = (
        alt.Y("country:N", title=None)
        .axis(labelColor=Colour.TEXT)
        .scale(domain=payload["countries"], paddingInner=0.06)
    )
    grid = alt.Chart(cells).encode(x=alt.X("risk:N", scale=across, axis=axis), y=y)
    beside = alt.Chart(words).encode(x=alt.X("column:N", scale=across, axis=axis), y=y)
    headline = "datum.country == 'All' && datum.column == 'high'"
    return alt.layer(
        grid.mark_rect().encode(color=shade_colour("shade")),
        grid.mark_text().encode(text="text:N", color=shade_text_colour("shade")),
        beside.mark_text(color=Colour.TEXT_SOFT)
        .encode(text="text:N")
        .transform_filter(f"!({headline})"),
        beside.mark_text(color=Colour.ACCENT, fontWeight=700)
        .encode(text="text:N")
        .transform_filter(headline),
        width=CHART_WIDTH,
        height=150 + ROW_HEIGHT * len(payload["countries"]),
        title=title(
            payload,
            f"% of revenue by the client's risk, clients who paid, and the country's own risk, "
            f"{payload['window_days']} days",
        ),
        resolve=alt.Resolve(scale=alt.ScaleResolveMap(color="independent")),
    )


def _part(
    code: str | None,
    name: str | None,
    country_risk: int | None,
    risk: int | None,
    eur: Decimal,
    clients: int,
    before_eur: Decimal,
) -> Part:
    country = name or code or "Unknown"
    return Part(country, _risk_text(country_risk), _risk_text(risk), eur, clients, before_eur)


def _risk_text(level: int | None) -> str:
    return RISKS[-1] if level is None else RISKS[min(max(level, 1), 3) - 1]


def _countries(parts: Sequence[Part]) -> dict[str, list[Part]]:
    """What the ten countries with the most revenue bring, then all others together."""
    by_country: dict[str, list[Part]] = {}
    for part in parts:
        if part.clients:
            by_country.setdefault(part.country, []).append(part)
    ranked = sorted(by_country, key=lambda country: (-_eur(by_country[country]), country))
    shown = {country: by_country[country] for country in ranked[:SHOWN]}
    rest = [part for country in ranked[SHOWN:] for part in by_country[country]]
    return shown | ({OTHER: rest} if rest else {})


def _cells(
    countries: Mapping[str, Sequence[Part]], risks: Sequence[str], total: Decimal
) -> list[dict[str, Any]]:
    found = {
        (country, risk): [part for part in countries[country] if part.risk == risk]
        for country, risk in product(countries, risks)
    }
    highest = max((_eur(parts) for parts in found.values()), default=Decimal(0))
    return [
        {
            "country": country,
            "country_risk": _rating(countries[country]),
            "risk": risk,
            "clients": _clients(parts),
            "eur": _eur(parts),
            "share": known_percent(_eur(parts), total),
            "text": share_text(_eur(parts), total),
            "shade": shade(max(0.0, float(_eur(parts))), float(highest)),
        }
        for (country, risk), parts in found.items()
        if parts
    ]


def _words(
    countries: Mapping[str, Sequence[Part]], risks: Sequence[str], total: Decimal
) -> list[dict[str, str]]:
    """The texts without a shade: the columns on the right, and the last row."""
    everyone = [part for parts in countries.values() for part in parts]
    if not everyone:
        return []
    sums = {
        risk: share_text(_eur([part for part in everyone if part.risk == risk]), total)
        for risk in risks
    }
    last = sums | {"clients": value_text(_clients(everyone), "count")}
    texts = [(ALL, column, text) for column, text in last.items()]
    for country, parts in countries.items():
        texts.append((country, "clients", value_text(_clients(parts), "count")))
        texts.append((country, "country", _rating(parts)))
    return [{"country": row, "column": column, "text": text} for row, column, text in texts]


def _rating(parts: Sequence[Part]) -> str:
    ratings = {part.country_risk for part in parts}
    return ratings.pop() if len(ratings) == 1 else "various"


def _headline(parts: Sequence[Part], total: Decimal, days: int) -> str:
    if total <= 0:
        return f"No revenue in {days} days"
    if not _clients(_high(parts)):
        return f"No revenue from high-risk clients in {days} days"
    return f"High-risk clients bring {share_text(_eur(_high(parts)), total)} of revenue"


def _prose(
    parts: Sequence[Part], countries: Mapping[str, Sequence[Part]], total: Decimal, days: int
) -> str:
    if total <= 0:
        return f"No client paid a fee, a margin or interest that was posted in {days} days."
    high = _high(parts)
    rated = counted(_clients(high), "client", "clients").capitalize()
    opening = (
        f"{rated} of {_clients(parts):,} who paid in {days} days "
        f"{'is' if _clients(high) == 1 else 'are'} rated high; in the {days} days before, "
    )
    before = (
        f"they brought {share_text(_before(high), _before(parts))} of revenue."
        if _before(parts) > 0
        else "there was no revenue."
    )
    seated = [part for part in parts if part.country_risk == "high"]
    abroad = (
        f"Countries rated high bring {share_text(_eur(seated), total)}, of which "
        f"{share_text(_eur(_high(seated)), _eur(seated))} is from clients rated high."
    )
    return " ".join(
        [opening + before, *_leader(countries), *([abroad] if _eur(seated) > 0 else [])]
    )


def _leader(countries: Mapping[str, Sequence[Part]]) -> list[str]:
    """The country that brings the most revenue from high-risk clients."""
    by_country = {country: _eur(_high(parts)) for country, parts in countries.items()}
    first = max(by_country, key=lambda country: by_country[country])
    if by_country[first] <= 0:
        return []
    whole = _eur(countries[first])
    return [
        (
            f"Most high-risk revenue is from {first}: {value_text(by_country[first], 'EUR')}, "
            f"{share_text(by_country[first], whole)} of what that country brings."
        )
    ]


def _high(parts: Sequence[Part]) -> list[Part]:
    return [part for part in parts if part.risk == "high"]


def _eur(parts: Sequence[Part]) -> Decimal:
    return sum((part.eur for part in parts), Decimal(0))


def _before(parts: Sequence[Part]) -> Decimal:
    return sum((part.before_eur for part in parts), Decimal(0))


def _clients(parts: Sequence[Part]) -> int:
    return sum(part.clients for part in parts)
