"""The colours of the audit charts: the cockpit's, on the dark wall and on white paper."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Colour(StrEnum):
    """What a colour stands for, and how it looks on the dark wall.

    `ALARM`, `WARNING` and `NO_SIGNAL` mean red, amber and no data there, and nothing else here.
    A chart uses these colours only: a page in another theme exchanges each for its like.
    """

    PANEL = "#171d25"
    LINE = "#2b3440"
    TEXT = "#f4f6f8"
    TEXT_SOFT = "#b6c0cb"
    TEXT_FAINT = "#98a4b1"
    QUIET = "#46525f"
    """Of marks that are there for comparison."""
    NEUTRAL = "#7f8d9b"
    ACCENT = "#7fb2ff"
    """Of the mark that the headline speaks of."""
    CONTRAST = "#dfa27c"
    """Of what goes the other way; told from ACCENT by every kind of colour vision."""
    TARGET = "#5fd0c5"
    SAND = "#d9c7a3"
    ALARM = "#ff6b6b"
    WARNING = "#ffb224"
    NO_SIGNAL = "#c9b6ff"
    SHADE_1 = "#1e2833"
    SHADE_2 = "#28425f"
    SHADE_3 = "#35608f"
    SHADE_4 = "#71a4e4"
    SHADE_5 = "#a3c6f5"
    SHADE_6 = "#d9e8ff"
    ON_SHADE = "#0e1217"
    """Of text on the upper three shades; TEXT is read on the lower three."""


SHADES: Final = (
    Colour.SHADE_1,
    Colour.SHADE_2,
    Colour.SHADE_3,
    Colour.SHADE_4,
    Colour.SHADE_5,
    Colour.SHADE_6,
)
"""From little to much: away from the background, in either theme."""

ON_PAPER: Final[Mapping[Colour, str]] = {
    Colour.PANEL: "#ffffff",
    Colour.LINE: "#dbe1e7",
    Colour.TEXT: "#14181d",
    Colour.TEXT_SOFT: "#3d4853",
    Colour.TEXT_FAINT: "#54606c",
    Colour.QUIET: "#b4bec8",
    Colour.NEUTRAL: "#74818e",
    Colour.ACCENT: "#0b57d0",
    Colour.CONTRAST: "#a8501c",
    Colour.TARGET: "#0a6f66",
    Colour.SAND: "#7d6425",
    Colour.ALARM: "#b3121f",
    Colour.WARNING: "#b87800",
    Colour.NO_SIGNAL: "#5639a8",
    Colour.SHADE_1: "#eef3f9",
    Colour.SHADE_2: "#cbdcf3",
    Colour.SHADE_3: "#a0c0ea",
    Colour.SHADE_4: "#3a70c4",
    Colour.SHADE_5: "#2356a6",
    Colour.SHADE_6: "#0d3472",
    Colour.ON_SHADE: "#fdfeff",
}

_KNOWN = re.compile("|".join(Colour))


def on_paper(drawing: str) -> str:
    """A spec or an SVG in the colours of a white page."""
    return _KNOWN.sub(lambda found: ON_PAPER[Colour(found[0])], drawing)
