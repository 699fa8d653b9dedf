"""The large picture of a metric."""

import re
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from heartbeat.judgement.status import Band
from heartbeat.metrics.metric_rows import DayValue
from heartbeat_api.chart import chart_svg, legend
from heartbeat_api.sparkline import Lines, Sparkline


def picture(values: list[float], **more: object) -> Sparkline:
    points = tuple(
        DayValue(date(2026, 8, 22) + timedelta(days=n), Decimal(str(v)))
        for n, v in enumerate(values)
    )
    return Sparkline(points, **more)  # type: ignore[arg-type]


def labels(svg: str) -> list[tuple[str, float, str]]:
    found = re.findall(
        r'<text class="(last|alert|norm|band) end" x="100%" y="([\d.]+)%"[^>]*>([^<]*)', svg
    )
    return [(kind, float(y), text) for kind, y, text in found]


def test_no_value_draws_nothing() -> None:
    assert chart_svg(picture([]), "h") == ""


def test_lines_and_the_last_value_are_named_where_they_are() -> None:
    svg = chart_svg(
        picture([5.0, 46.0], lines=Lines((14.0,), (20.0,)), typical=Band(9, 4, 56)), "h"
    )
    named = labels(svg)
    assert [text for _, _, text in named] == [
        "46 h",
        "alert 20 h",
        "norm 14 h",
        "typical 5 h to 13 h",
    ]
    assert [y for _, y, _ in named] == sorted(y for _, y, _ in named)


def test_the_days_of_the_ends_are_told() -> None:
    svg = chart_svg(picture([float(n) for n in range(90)]), "h")
    assert ">22 Aug</text>" in svg
    assert ">19 Nov</text>" in svg


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=90),
    st.floats(-1e6, 1e6),
    st.floats(-1e6, 1e6),
)
def test_no_name_covers_another_or_leaves_the_picture(
    values: list[float], alert: float, norm: float
) -> None:
    svg = chart_svg(picture(values, lines=Lines((norm,), (alert,)), typical=Band(1, 2, 56)), "EUR")
    heights = [y for _, y, _ in labels(svg)]
    assert len(heights) == 4
    assert all(below - above > 5 for above, below in pairwise(heights))
    assert all(0 <= y <= 90 for y in heights)


def test_the_legend_says_the_lines_in_words() -> None:
    shown = picture([1.0], lines=Lines((14.0,), (20.0,)), typical=Band(9, 4, 56))
    assert legend(shown, "h") == "alert 20 h · norm 14 h · typical 5 h to 13 h"
    assert legend(picture([1.0]), "h") == ""
