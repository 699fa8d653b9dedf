"""Six shades, and text that would be markup."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from heartbeat.audit.audit_cut import Connection
from heartbeat.audit.chart_theme import CHART_WIDTH, shade_colour, shade_text_colour, title

META = {
    "page": "overview",
    "title": "Shades",
    "prose": "Which shade is it?",
    "windows": ["7d", "30d"],
    "reads": [],
    "metrics": ["collateral_overdue_days_max"],
    "how_to_read": "Darker is more.",
    "methodology": "Counted.",
}
HOSTILE = "<img src=x onerror=alert(1)>"


def compute(conn: Connection, *, window: str) -> dict[str, Any]:
    rows = [{"name": f"{at} {HOSTILE}"[: 2 if at else 40], "value": at + 0.5} for at in range(6)]
    cells = [row | {"shade": at, "only for the picture": 1} for at, row in enumerate(rows)]
    text = f"{window}: six shades {HOSTILE}"
    return {"headline": text, "prose": text, "rows": rows, "cells": cells}


def chart(payload: Mapping[str, Any]) -> alt.TopLevelMixin:
    cells = alt.Chart(pd.DataFrame(payload["cells"])).encode(y=alt.Y("name:N", title=None))
    return alt.layer(
        cells.mark_bar(clip=True).encode(x=alt.X("value:Q"), color=shade_colour("shade")),
        cells.mark_text(align="left", x=4).encode(text="value:Q", color=shade_text_colour("shade")),
    ).properties(width=CHART_WIDTH, height=300, title=title(payload, "units"))
