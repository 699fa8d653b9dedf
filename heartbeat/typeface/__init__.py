"""The letters of all screens and pictures: Inter, as `make typeface` makes its files."""

import json
import re
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Final

FAMILY: Final = "Heartbeat Inter"
"""A name of its own: an Inter that a machine may have is of another version, of other widths."""

FOLDER: Final = Path(__file__).parent
"""Holds the woff2 files of the pages, the ttf files of the renderer, and their licence."""

_FURTHER_LETTERS = re.compile("[\u0180-\u052f\u1e00-\u1eff]")
_UNKNOWN: Final = 1250
"""An emoji, the widest that a font of the machine may bring."""


def width(text: str, size: float, weight: int) -> float:
    """How wide a line of text is, in the unit of `size`; `weight` is 400, 500, 600 or 700.

    Without kerning, which makes it 3 % wider at most.
    """
    letters = _widths()[str(weight)]
    return sum(letters.get(letter, _UNKNOWN) for letter in text) * size / 1000


def with_letters(svg: str) -> str:
    """An SVG that brings its letters along, for who opens it anywhere else than on our pages."""
    parts = ("latin", "further") if _FURTHER_LETTERS.search(svg) else ("latin",)
    opening, end, rest = svg.partition(">")
    return f"{opening}{end}<style>{''.join(map(_font_face, parts))}</style>{rest}"


@cache
def _font_face(part: str) -> str:
    (file,) = FOLDER.glob(f"inter-{part}-*.woff2")
    source = f"data:font/woff2;base64,{b64encode(file.read_bytes()).decode()}"
    return f'@font-face{{font-family:"{FAMILY}";font-weight:400 700;src:url({source})}}'


@cache
def _widths() -> dict[str, dict[str, int]]:
    read: dict[str, dict[str, int]] = json.loads((FOLDER / "widths.json").read_bytes())
    return read
