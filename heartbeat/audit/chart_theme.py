"""The house look of the audit charts, and what the charts of all cuts share.

A picture is `CHART_WIDTH` wide at most and has no text below `SMALLEST_TEXT`: on a phone, where it
is 360 px wide, that is 10 px, and on the page of a desk 17.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import altair as alt

from heartbeat.audit.palette import SHADES, Colour
from heartbeat.typeface import FAMILY, width

THEME_NAME: Final = "heartbeat"
CHART_WIDTH: Final = 600
"""Width of a whole picture in px, labels and margins included."""
SMALLEST_TEXT: Final = 17
"""Smallest font size of a picture in px."""
FONT: Final = (
    f'"{FAMILY}", "Inter", "Segoe UI", "Roboto", "Noto Sans", "Helvetica Neue", Arial, sans-serif'
)

_UNIT_GAP = re.compile(r"(?<=\d) (?=(?:%|[A-Za-z]{1,3})(?:\W|$))")
_MARGIN = 12
_HEADLINE_SIZE = 23
_HEADLINE_WEIGHT: Final = 600
_KERNING = 0.97
_LINE_WIDTH = (CHART_WIDTH - 2 * _MARGIN) * _KERNING


def title(payload: Mapping[str, Any], drawn: str) -> alt.Title:
    """The payload's `headline`, in lines that fit, over what is drawn, in which units."""
    return alt.Title(
        _lines(payload["headline"], _HEADLINE_SIZE, _HEADLINE_WEIGHT),
        subtitle=_lines(drawn, SMALLEST_TEXT, 400),
    )


def _lines(text: str, size: int, weight: int) -> list[str]:
    """The text in lines that are no wider than a picture; a number stays with its unit."""
    lines = [""]
    for word in _UNIT_GAP.sub("\u00a0", text).split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if width(longer, size, weight) <= _LINE_WIDTH:
            lines[-1] = longer
        else:
            lines += _pieces(word, size, weight)
    return [line for line in lines if line]


def _pieces(word: str, size: int, weight: int) -> list[str]:
    """A word in as many lines as it needs: Chinese and Japanese have no gaps."""
    pieces = [""]
    for letter in word:
        if width(pieces[-1] + letter, size, weight) > _LINE_WIDTH:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def shade(value: float, highest: float) -> int:
    """The place in `SHADES` of a value between 0 and the highest: six equal steps."""
    if highest <= 0:
        return 0
    return min(len(SHADES) - 1, int(len(SHADES) * value / highest))


def shade_colour(field: str) -> alt.Color:
    """The fill of cells whose `field` holds places in `SHADES`."""
    return alt.Color(f"{field}:O", legend=None).scale(
        domain=list(range(len(SHADES))), range=list(SHADES)
    )


def shade_text_colour(field: str) -> "alt.typing.ChannelColor":
    """The colour of text on cells whose `field` holds places in `SHADES`.

    It is no scale: in a layer that would be one with the scale of the cells.
    """
    upper = alt.when(f"datum.{field} >= {len(SHADES) // 2}").then(alt.value(Colour.ON_SHADE))
    return upper.otherwise(alt.value(Colour.TEXT))


_CONFIG: Final[alt.theme.ConfigKwds] = {
    "background": Colour.PANEL,
    "font": FONT,
    "padding": _MARGIN,
    "autosize": {"type": "fit", "contains": "padding"},
    "view": {"continuousWidth": CHART_WIDTH, "continuousHeight": 340, "stroke": None},
    "title": {
        "anchor": "start",
        "frame": "bounds",
        "offset": 24,
        "color": Colour.TEXT,
        "fontSize": _HEADLINE_SIZE,
        "fontWeight": _HEADLINE_WEIGHT,
        "lineHeight": 28,
        "subtitleColor": Colour.TEXT_SOFT,
        "subtitleFontSize": SMALLEST_TEXT,
        "subtitleLineHeight": 22,
        "subtitlePadding": 6,
    },
    "axis": {
        "domain": False,
        "ticks": False,
        "gridColor": Colour.LINE,
        "labelColor": Colour.TEXT_SOFT,
        "labelFontSize": SMALLEST_TEXT,
        "labelPadding": 6,
        "labelLimit": 260,
        "titleColor": Colour.TEXT_FAINT,
        "titleFontSize": SMALLEST_TEXT,
        "titleFontWeight": 400,
    },
    "legend": {
        "labelColor": Colour.TEXT_SOFT,
        "labelFontSize": SMALLEST_TEXT,
        "titleColor": Colour.TEXT_FAINT,
        "titleFontSize": SMALLEST_TEXT,
        "titleFontWeight": 400,
    },
    "header": {
        "labelColor": Colour.TEXT_SOFT,
        "labelFontSize": SMALLEST_TEXT,
        "titleColor": Colour.TEXT_FAINT,
        "titleFontSize": SMALLEST_TEXT,
    },
    "range": {
        "category": [
            Colour.ACCENT,
            Colour.CONTRAST,
            Colour.TARGET,
            Colour.SAND,
            Colour.NEUTRAL,
            Colour.QUIET,
        ],
        "ordinal": list(SHADES),
        "ramp": list(SHADES),
        "heatmap": list(SHADES),
        "diverging": [Colour.CONTRAST, Colour.QUIET, Colour.ACCENT],
    },
    "mark": {"color": Colour.ACCENT, "tooltip": {"content": "data"}},
    "text": {"color": Colour.TEXT, "fontSize": SMALLEST_TEXT},
    "rule": {"color": Colour.NEUTRAL},
    "line": {"strokeWidth": 2.5},
}


@alt.theme.register(THEME_NAME, enable=False)
def heartbeat_theme() -> alt.theme.ThemeConfig:
    """The theme as Altair's registry wants it; rendering enables it for the chart at hand."""
    return {"config": _CONFIG}
