"""Days, wide figures, and names in many scripts."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from heartbeat.audit.audit_cut import Connection
from heartbeat.audit.chart_theme import title

META = {
    "page": "days",
    "title": "Days",
    "prose": "Which day is it?",
    "windows": ["7d"],
    "window_default": "7d",
    "reads": [],
    "how_to_read": "Higher is more.",
    "methodology": "Counted.",
}
NAMES = ("Žąsis", "Дания", "東京支店", "😀 🚀")
FIGURES = "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW, −€123.4M, −88,888, €999.9bn"
TOKYO = "東京支店" * 12


def compute(conn: Connection, *, window: str) -> dict[str, Any]:
    rows = [
        {
            "d": f"2026-11-{20 + n}",
            "client_id": 12345 + n,
            "median_seconds": 1234.5678 * (n + 1),
            "paid_eur": n + 0.5,
            "branch": name,
            "state": "not_paid",
            "source": "card_management",
        }
        for n, name in enumerate(NAMES)
    ]
    return {"headline": f"{FIGURES} {TOKYO}", "prose": FIGURES, "rows": rows}


def chart(payload: Mapping[str, Any]) -> alt.TopLevelMixin:
    rows = alt.Chart(pd.DataFrame(payload["rows"])).mark_bar()
    axis = alt.X("yearmonthdate(d):T", title=None).axis(format="%d %b", tickCount="day")
    days = rows.encode(x=axis, y=alt.Y("median_seconds:Q", title=None))
    head = alt.Chart(pd.DataFrame({"head": ["a note"]})).mark_text(x=40, y=9).encode(text="head:N")
    names = rows.encode(x="paid_eur:Q", y=alt.Y("branch:N", title=None))
    both = alt.vconcat(
        alt.layer(days, head).properties(width=420, height=120),
        names.properties(width=420, height=120),
    )
    return both.properties(title=title(payload, FIGURES))
