"""The colours of the charts: told apart and read, on the wall, on paper and in every theme."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from heartbeat.audit.palette import ON_PAPER, SHADES, Colour, on_paper

STYLE = Path(__file__).parents[3] / "heartbeat_api" / "static" / "picture.css"
WALL: Mapping[Colour, str] = {colour: colour.value for colour in Colour}
THEMES = [pytest.param(WALL, id="wall"), pytest.param(ON_PAPER, id="paper")]
MARKS = set(Colour) - {Colour.PANEL, Colour.LINE, Colour.ON_SHADE, Colour.QUIET, *SHADES[:3]}
WRITTEN = {Colour.TEXT, Colour.TEXT_SOFT, Colour.TEXT_FAINT, Colour.ACCENT, Colour.CONTRAST}


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", THEMES)
def test_text_and_marks_stand_out_from_the_panel(theme: Mapping[Colour, str]) -> None:
    panel = theme[Colour.PANEL]
    assert {c for c in MARKS if contrast(theme[c], panel) < 3} == set()
    assert {c for c in WRITTEN if contrast(theme[c], panel) < 4.5} == set()


@pytest.mark.parametrize("theme", THEMES)
def test_text_is_read_on_every_shade(theme: Mapping[Colour, str]) -> None:
    inks = [Colour.TEXT] * 3 + [Colour.ON_SHADE] * 3
    read = [contrast(theme[shade], theme[ink]) for shade, ink in zip(SHADES, inks, strict=True)]
    assert min(read) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_more_is_further_from_the_panel(theme: Mapping[Colour, str]) -> None:
    steps = [contrast(theme[shade], theme[Colour.PANEL]) for shade in SHADES]
    assert steps == sorted(steps)


def test_every_colour_has_a_like_on_paper_of_its_own() -> None:
    assert set(ON_PAPER) == set(Colour)
    assert len(set(ON_PAPER.values())) == len(Colour)
    assert on_paper(f'fill="{Colour.TEXT}" stroke="#123456"') == 'fill="#14181d" stroke="#123456"'


def test_the_style_sheet_of_the_pages_has_every_colour_in_both_themes() -> None:
    style = STYLE.read_text(encoding="utf-8")
    light = re.search(r'\[data-theme="light"\] \{(.*?)\}', style)
    dark = re.search(r":root \{(.*?)\}", style)
    assert light is not None
    assert dark is not None
    for colour in Colour:
        variable = f"--c-{colour.name.lower().replace('_', '-')}"
        assert f"{variable}: {colour};" in dark[1]
        assert f"{variable}: {ON_PAPER[colour]};" in light[1]
        assert f'.picture [fill="{colour}"] {{ fill: var({variable}); }}' in style
        assert f'.picture [stroke="{colour}"] {{ stroke: var({variable}); }}' in style
