"""The house look of the audit charts: the colours and type of the cockpit, on their own panel.

The background belongs to the picture: a chart reads the same on the dark wall and on a light page.
"""

from enum import StrEnum
from typing import Final

import altair as alt

THEME_NAME: Final = "heartbeat"
CHART_WIDTH: Final = 700
"""Width of a whole chart in px, labels included; text is sized to be read at that width."""
FONT: Final = '"Inter", "Segoe UI", "Roboto", "Noto Sans", "Helvetica Neue", Arial, sans-serif'


class Colour(StrEnum):
    """The cockpit's palette; `ALARM` and `WARNING` mean red and amber there, and nothing else."""

    PANEL = "#171d25"
    LINE = "#2b3440"
    TEXT = "#f4f6f8"
    TEXT_SOFT = "#b6c0cb"
    TEXT_FAINT = "#98a4b1"
    NEUTRAL = "#7f8d9b"
    ACCENT = "#7fb2ff"
    ALARM = "#ff6b6b"
    WARNING = "#ffb224"
    NO_SIGNAL = "#c9b6ff"
    TARGET = "#5fd0c5"


_CATEGORIES = [Colour.ACCENT, Colour.TARGET, Colour.NO_SIGNAL, "#e8a6c9", "#9fc98a", "#d9c7a3"]
_SEQUENCE = ["#1f2a37", "#2c4a70", "#4374b0", Colour.ACCENT, "#d3e4ff"]
_DIVERGING = [Colour.ALARM, "#8c4a4f", Colour.LINE, "#3a7f7a", Colour.TARGET]


_CONFIG: Final[alt.theme.ConfigKwds] = {
    "background": Colour.PANEL,
    "font": FONT,
    "padding": 20,
    "autosize": {"type": "fit", "contains": "padding"},
    "view": {"continuousWidth": CHART_WIDTH, "continuousHeight": 340, "stroke": None},
    "title": {
        "anchor": "start",
        "frame": "bounds",
        "offset": 18,
        "color": Colour.TEXT,
        "fontSize": 21,
        "fontWeight": 600,
        "subtitleColor": Colour.TEXT_SOFT,
        "subtitleFontSize": 15,
        "subtitlePadding": 6,
    },
    "axis": {
        "domain": False,
        "ticks": False,
        "gridColor": Colour.LINE,
        "labelColor": Colour.TEXT_SOFT,
        "labelFontSize": 14,
        "labelPadding": 8,
        "titleColor": Colour.TEXT_FAINT,
        "titleFontSize": 14,
        "titleFontWeight": 400,
    },
    "legend": {
        "labelColor": Colour.TEXT_SOFT,
        "labelFontSize": 14,
        "titleColor": Colour.TEXT_FAINT,
        "titleFontSize": 14,
        "titleFontWeight": 400,
    },
    "header": {
        "labelColor": Colour.TEXT_SOFT,
        "labelFontSize": 14,
        "titleColor": Colour.TEXT_FAINT,
        "titleFontSize": 14,
    },
    "range": {
        "category": _CATEGORIES,
        "ordinal": _SEQUENCE,
        "ramp": _SEQUENCE,
        "heatmap": _SEQUENCE,
        "diverging": _DIVERGING,
    },
    "mark": {"color": Colour.ACCENT},
    "text": {"color": Colour.TEXT, "fontSize": 15},
    "rule": {"color": Colour.NEUTRAL},
    "line": {"strokeWidth": 2},
}


@alt.theme.register(THEME_NAME, enable=False)
def heartbeat_theme() -> alt.theme.ThemeConfig:
    """The theme as Altair's registry wants it; rendering enables it for the chart at hand."""
    return {"config": _CONFIG}
