"""The colours of the charts: told apart and read, on the wall, on paper and in every theme."""

import re
from collections.abc import Mapping
from math import dist
from pathlib import Path

import pytest

from heartbeat.audit.palette import ON_PAPER, SHADES, Colour, on_paper

STYLE = Path(__file__).parents[3] / "heartbeat_api" / "static" / "picture.css"
WALL: Mapping[Colour, str] = {colour: colour.value for colour in Colour}
THEMES = [pytest.param(WALL, id="wall"), pytest.param(ON_PAPER, id="paper")]
MARKS = set(Colour) - {Colour.PANEL, Colour.LINE, Colour.ON_SHADE, Colour.QUIET, *SHADES[:3]}
WRITTEN = {Colour.TEXT, Colour.TEXT_SOFT, Colour.TEXT_FAINT, Colour.ACCENT, Colour.CONTRAST}


def linear_channels(colour: str) -> list[float]:
    """Red, green and blue of sRGB in proportion to light."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    linear = linear_channels(colour)
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


# Machado, Oliveira and Fernandes, 2009: what is left of red, green and blue without one cone
DICHROMACIES = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
SIDE_BY_SIDE = [
    (Colour.ACCENT, Colour.CONTRAST),
    (Colour.ACCENT, Colour.NEUTRAL),
    (Colour.ACCENT, Colour.QUIET),
    (Colour.NEUTRAL, Colour.QUIET),
]
TOLD_APART = 20
"""CIE 1976 difference; 2.3 is the least that an eye sees, labels beside the marks say the rest."""


def seen(colour: str, matrix: tuple[tuple[float, ...], ...]) -> list[float]:
    """The linear red, green and blue of a colour as a dichromat sees it."""
    linear = linear_channels(colour)
    mixed = [sum(part * c for part, c in zip(row, linear, strict=True)) for row in matrix]
    return [min(1.0, max(0.0, channel)) for channel in mixed]


def lab(linear: list[float]) -> list[float]:
    """CIE 1976 L*a*b* of linear sRGB under D65."""
    to_xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    white = (0.9505, 1.0, 1.089)
    xyz = [sum(part * c for part, c in zip(row, linear, strict=True)) for row in to_xyz]
    x, y, z = (
        (v / w) ** (1 / 3) if v / w > 0.008856 else 7.787 * v / w + 16 / 116
        for v, w in zip(xyz, white, strict=True)
    )
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("matrix", DICHROMACIES.values(), ids=DICHROMACIES.keys())
@pytest.mark.parametrize(("one", "other"), SIDE_BY_SIDE)
def test_marks_side_by_side_are_told_apart_without_a_kind_of_cone(
    theme: Mapping[Colour, str],
    matrix: tuple[tuple[float, ...], ...],
    one: Colour,
    other: Colour,
) -> None:
    assert dist(lab(seen(theme[one], matrix)), lab(seen(theme[other], matrix))) >= TOLD_APART


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
