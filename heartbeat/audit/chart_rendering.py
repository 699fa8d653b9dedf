"""From an Altair chart to what is stored: a Vega-Lite spec that stands alone, and its pictures."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Final
from xml.sax.saxutils import quoteattr
from zoneinfo import ZoneInfo

import altair as alt
import vl_convert

from heartbeat.audit import chart_theme
from heartbeat.audit.chart_dates import with_local_dates
from heartbeat.audit.palette import on_paper
from heartbeat.errors import HeartbeatError
from heartbeat.typeface import FOLDER

_VEGA_LITE: Final = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
_PNG_SCALE: Final = 2
_ADDRESS_KEYS: Final = frozenset({"url", "href"})
_DATA_KEYS: Final = frozenset({"values", "datasets"})
_TAG = re.compile(r"<[^>]*>")
_FONT: Final = f"font-family={quoteattr(chart_theme.FONT, {chr(34): '&quot;'})}"
_GENERATED_ID = re.compile(r"(?<=\bid=\")[a-z]+_?\d+(?=\")|(?<=url\(#)[a-z]+_?\d+(?=\))")


class ChartError(HeartbeatError):
    """The chart cannot be stored or drawn."""


@dataclass(frozen=True)
class RenderedChart:
    """A chart that needs nothing from outside: the spec carries its data.

    `svg` is in the colours of the wall, `png` in those of white paper, at twice its size.
    """

    spec: Mapping[str, Any]
    svg: str
    png: bytes


def render(chart: alt.TopLevelMixin, zone: ZoneInfo) -> RenderedChart:
    """Draw the chart in the house theme; raises ChartError like `chart_spec` and `draw`."""
    return draw(chart_spec(chart), zone)


def chart_spec(chart: alt.TopLevelMixin) -> dict[str, Any]:
    """The chart in the house theme; raises ChartError where its data is nothing that JSON holds."""
    with alt.theme.enable(chart_theme.THEME_NAME):
        spec = chart.to_dict()
    try:
        plain: dict[str, Any] = json.loads(json.dumps(spec, allow_nan=False))
    except ValueError as error:
        raise ChartError("the chart's data holds NaN or infinity; use None for no value") from error
    return plain


def draw(plain: Mapping[str, Any], zone: ZoneInfo) -> RenderedChart:
    """Draw a spec; equal ones give equal SVG text.

    Moments are written in `zone`, the business time zone.

    Raises ChartError when the spec refers to an address (data, image or link: the wall requests
    nothing from elsewhere), names a font, or cannot be drawn.
    """
    spec = with_local_dates(plain, zone)
    for place, name, _ in _settings(spec, "chart"):
        if name in _ADDRESS_KEYS:
            raise ChartError(f"{place} refers to a URL; put the data into the chart itself")
    for place, name, value in _settings(spec, "chart"):
        # a text in a font that the machine does not have is not drawn at all
        if name.lower().endswith("font") and value != chart_theme.FONT:
            raise ChartError(f"{place} names the font {value!r}; leave it to the house theme")
    _bring_typeface()
    with _reasons():
        drawn = vl_convert.vegalite_to_svg(spec, vl_version=_VEGA_LITE, allowed_base_urls=[])
        svg = _with_one_font(_with_stable_ids(drawn))
        png = vl_convert.svg_to_png(on_paper(svg), scale=_PNG_SCALE)
    return RenderedChart(spec, svg, png)


def runtime_version() -> str:
    """The version of the libraries that draw."""
    return f"{version('vl-convert-python')}-{_VEGA_LITE}"


def runtime() -> str:
    """The same libraries for a browser, as a script; it sets `window.vegaEmbed`."""
    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", _VEGA_LITE)
    return script


@cache
def _bring_typeface() -> None:
    vl_convert.register_font_directory(str(FOLDER))


def _settings(node: Any, place: str) -> Iterator[tuple[str, str, Any]]:
    """Place, name and value of everything in a spec but the rows of its data."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield f"{place}.{key}", key, value
            if key not in _DATA_KEYS:
                yield from _settings(value, f"{place}.{key}")
    elif isinstance(node, list):
        for position, value in enumerate(node):
            yield from _settings(value, f"{place}[{position}]")


@contextmanager
def _reasons() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        reason = str(error).splitlines()
        raise ChartError(f"Vega-Lite cannot draw it: {reason[min(1, len(reason) - 1)]}") from error


def _with_one_font(svg: str) -> str:
    """The house font once, for the whole picture, and not on each of hundreds of labels."""
    return svg.replace(f" {_FONT}", "").replace("<svg ", f"<svg {_FONT} ", 1)


def _with_stable_ids(svg: str) -> str:
    # Vega numbers clips and gradients through the life of the process
    numbers: dict[str, str] = {}

    def renumbered(match: re.Match[str]) -> str:
        return numbers.setdefault(match[0], f"id{len(numbers) + 1}")

    return _TAG.sub(lambda tag: _GENERATED_ID.sub(renumbered, tag[0]), svg)
