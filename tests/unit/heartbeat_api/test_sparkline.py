"""The drawing of 90 days."""

import re
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heartbeat.judgement.status import Band
from heartbeat.metrics.metric import Direction
from heartbeat.metrics.metric_rows import DayValue
from heartbeat_api.sparkline import Lines, Sparkline, metric_lines, sparkline_svg
from tests.unit.heartbeat_api.views import ok

FIRST = date(2026, 2, 20)


def days(values: Sequence[float], missing: Sequence[int] = ()) -> tuple[DayValue, ...]:
    return tuple(
        DayValue(FIRST + timedelta(days=day), Decimal(str(value)))
        for day, value in enumerate(values)
        if day not in missing
    )


def drawn(sparkline: Sparkline) -> ElementTree.Element:
    return ElementTree.fromstring(sparkline_svg(sparkline))


def heights(root: ElementTree.Element, kind: str) -> list[float]:
    return [
        float(path.attrib["d"].removeprefix("M0 ").partition("H")[0])
        for path in root.iter("path")
        if path.attrib["class"] == kind
    ]


def curve(root: ElementTree.Element) -> str:
    return next(path.attrib["d"] for path in root.iter("path") if path.attrib["class"] == "line")


def test_no_value_draws_nothing() -> None:
    assert sparkline_svg(Sparkline(())) == ""


def test_the_last_of_90_days_stands_at_the_right_end_and_the_first_at_the_left() -> None:
    places = [
        float(x) for x in re.findall(r"[ML]([\d.]+) ", curve(drawn(Sparkline(days(range(90))))))
    ]
    assert (places[0], places[-1]) == (4.0, 392.0)
    assert places == sorted(places)


def test_a_young_metric_uses_only_the_right_of_the_picture() -> None:
    places = re.findall(r"[ML]([\d.]+) ", curve(drawn(Sparkline(days([1, 2, 3])))))
    assert min(map(float, places)) > 380


def test_a_day_without_a_value_is_a_gap() -> None:
    whole, gap = (curve(drawn(Sparkline(days(range(9), missing)))) for missing in ((), (4,)))
    assert (whole.count("M"), gap.count("M")) == (1, 2)


def test_the_alert_line_lies_above_the_norm_line_when_it_is_higher() -> None:
    root = drawn(Sparkline(days([10, 20]), lines=Lines(norm=(14,), alert=(30,))))
    assert heights(root, "alert")[0] < heights(root, "norm")[0]


def test_a_range_has_its_lines_on_both_sides_of_the_target() -> None:
    view = ok(
        direction=Direction.IN_RANGE,
        target_value=Decimal(100),
        norm_value=Decimal(10),
        alert_value=Decimal(25),
    )
    assert metric_lines(view) == Lines(norm=(110, 90), alert=(125, 75))


def test_a_range_that_lost_its_target_has_no_lines() -> None:
    assert metric_lines(ok(direction=Direction.IN_RANGE)) == Lines()


def test_a_label_is_text_whatever_the_unit_says() -> None:
    label = "alert 30 <script>"
    root = drawn(Sparkline(days([10, 20]), lines=Lines(alert=(30,)), alert_label=label))
    assert [text.text for text in root.iter("text")] == [label]


@pytest.mark.parametrize(
    ("values", "side"),
    [
        pytest.param([1.0] * 80 + [9.0] * 10, "start", id="left where the curve keeps low"),
        pytest.param([4.6] * 40 + [9.0] * 50, "end", id="right where the curve runs there"),
    ],
)
def test_the_label_keeps_off_the_curve(values: Sequence[float], side: str) -> None:
    root = drawn(Sparkline(days(values), lines=Lines(norm=(1,), alert=(4,)), alert_label="alert 4"))
    assert [text.attrib["class"] for text in root.iter("text")] == [side]


@given(
    values=st.lists(
        st.floats(min_value=-1e12, max_value=1e12, allow_nan=False), min_size=1, max_size=90
    ),
    mean=st.floats(min_value=-1e12, max_value=1e12),
    stddev=st.floats(min_value=0, max_value=1e12),
    alert=st.floats(min_value=-1e12, max_value=1e12),
)
def test_everything_is_drawn_inside_the_picture(
    values: list[float], mean: float, stddev: float, alert: float
) -> None:
    typical = Band(mean, stddev, 90)
    root = drawn(Sparkline(days(values), typical, Lines(alert=(alert,)), "alert"))
    ys = [float(y) for y in re.findall(r"[ML][\d.]+ ([-\d.]+)", curve(root))]
    assert all(0 <= y <= 100 for y in (*ys, *heights(root, "alert")))
    band = next(root.iter("rect")).attrib
    assert float(band["y"]) >= 0
    assert float(band["y"]) + float(band["height"]) <= 100
