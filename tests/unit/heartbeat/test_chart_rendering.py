"""A picture is the same wherever it is drawn: on any machine, in any zone, with any fonts."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import altair as alt
import pandas as pd
import pytest

from heartbeat.audit.chart_rendering import RenderedChart, render
from heartbeat.audit.chart_theme import CHART_WIDTH, title
from tests.acceptance.bare_machine import only_dejavu_serif

VILNIUS = ZoneInfo("Europe/Vilnius")
_ELSEWHERE = """
import sys
from pathlib import Path
from tests.unit.heartbeat.test_chart_rendering import VILNIUS, days, names
from heartbeat.audit.chart_rendering import render
for name, chart in (("days", days()), ("names", names("Žąsis", "Дания"))):
    drawn = render(chart, VILNIUS)
    (Path(sys.argv[1]) / f"{name}.svg").write_text(drawn.svg, encoding="utf-8")
    (Path(sys.argv[1]) / f"{name}.png").write_bytes(drawn.png)
"""


def days() -> alt.TopLevelMixin:
    """Three days of the business, and three moments around its midnight."""
    rows = [
        {"d": f"2026-11-{day}", "at": f"2026-11-{day}T23:30:00+00:00", "n": day}
        for day in (20, 21, 22)
    ]
    chart = alt.Chart(pd.DataFrame(rows)).encode(
        x=alt.X("yearmonthdate(d):T", title=None).axis(format="%d %b", tickCount="day")
    )
    return alt.layer(
        chart.mark_bar().encode(y="n:Q"),
        chart.mark_text(dy=-9).encode(y="n:Q", text=alt.Text("at:T", format="%d %b %H:%M")),
    ).properties(width=CHART_WIDTH, title=title({"headline": "3 days, 88,888 payments"}, "a day"))


def names(*of_bars: str) -> alt.TopLevelMixin:
    rows = pd.DataFrame({"name": of_bars, "n": [1] * len(of_bars)})
    bars = alt.Chart(rows, mark="bar", width=CHART_WIDTH)
    return bars.encode(y=alt.Y("name:N", title=None), x="n:Q")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """The files that another machine draws, west of Greenwich and with one font of its own."""
    folder = tmp_path_factory.mktemp("elsewhere")
    environment = {**only_dejavu_serif(folder), "TZ": "America/Los_Angeles", "PYTHONPATH": "."}
    repository = Path(__file__).parents[3]
    subprocess.run(
        [sys.executable, "-c", _ELSEWHERE, folder], env=environment, cwd=repository, check=True
    )
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.stem != "fonts"}


def texts(drawn: RenderedChart) -> list[str]:
    return re.findall(r">([^<>]+)</text>", drawn.svg)


@pytest.mark.parametrize("name", ["days", "names"])
def test_another_machine_draws_the_same(elsewhere: Mapping[str, bytes], name: str) -> None:
    drawn = render({"days": days(), "names": names("Žąsis", "Дания")}[name], VILNIUS)
    assert drawn.svg.encode() == elsewhere[f"{name}.svg"]
    assert drawn.png == elsewhere[f"{name}.png"]


def test_a_date_is_that_date_and_a_moment_is_told_in_business_time() -> None:
    told = texts(render(days(), VILNIUS))
    on_axis = [each for each in told if re.fullmatch(r"\d\d Nov", each)]
    assert on_axis[:3] == ["20 Nov", "21 Nov", "22 Nov"]
    moments = [each for each in told if ":" in each]
    assert moments == ["21 Nov 01:30", "22 Nov 01:30", "23 Nov 01:30"]


def test_a_date_that_is_a_name_stays_as_it_is() -> None:
    assert "2026-11-20" in texts(render(names("2026-11-20", "2026-11-21"), VILNIUS))


def test_figures_are_of_one_width() -> None:
    """Else a label on the page, whose figures stand below each other, is wider than measured."""
    ones, eights = (render(names(8 * figure), VILNIUS).svg for figure in "18")
    start = re.compile(r'transform="translate\((\d+),')
    assert start.findall(ones)[0] == start.findall(eights)[0]


def _has_font_for(language: str) -> bool:
    if not shutil.which("fc-list"):
        return False
    listed = subprocess.run(["fc-list", f":lang={language}"], capture_output=True, check=True)
    return bool(listed.stdout)


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [("ja", "漢", "字"), ("und-zsye", "😀", "🚀")],
    ids=["CJK", "emoji"],
)
def test_a_letter_that_inter_does_not_have_comes_from_a_font_of_the_machine(
    language: str, one: str, other: str
) -> None:
    """Two letters that no font has are drawn as one and the same box."""
    if not _has_font_for(language):
        pytest.skip(f"this machine has no font for {language}")
    assert render(names(one), VILNIUS).png != render(names(other), VILNIUS).png
