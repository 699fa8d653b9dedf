from datetime import date, timedelta
from decimal import Decimal

import pytest

from heartbeat.metrics.backtest import BacktestError, Stretch, backtest
from heartbeat.metrics.metric import Direction
from heartbeat.metrics.metric_rows import DayValue

FIRST = date(2026, 11, 1)
LOWER, HIGHER, IN_RANGE = (
    Direction.LOWER_IS_BETTER,
    Direction.HIGHER_IS_BETTER,
    Direction.IN_RANGE,
)


def days(*values: int | None) -> list[DayValue]:
    """Values of consecutive days; None is a day without one."""
    return [
        DayValue(FIRST + timedelta(days=number), Decimal(value))
        for number, value in enumerate(values)
        if value is not None
    ]


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def test_days_stretches_and_the_longest() -> None:
    found = backtest(
        days(5, 21, 20, 25, 30, 22, 3, 40), LOWER, {"alert": Decimal(20), "norm": None}, None
    )
    assert (found.start, found.end, found.days, found.norm) == (day(0), day(7), 8, None)
    assert found.alert is not None
    assert (found.alert.days, found.alert.share) == (5, 5 / 8)
    assert found.alert.stretches == (
        Stretch(day(1), day(1), 1, Decimal(21)),
        Stretch(day(3), day(5), 3, Decimal(30)),
        Stretch(day(7), day(7), 1, Decimal(40)),
    )
    assert found.alert.longest == found.alert.stretches[1]


def test_a_value_at_the_line_has_not_crossed_it() -> None:
    found = backtest(days(20, 20), LOWER, {"alert": Decimal(20)}, None)
    assert found.alert is not None
    assert (found.alert.days, found.alert.stretches, found.alert.longest) == (0, (), None)


def test_a_day_without_a_value_neither_counts_nor_ends_a_stretch() -> None:
    found = backtest(days(30, None, 31, 1), LOWER, {"alert": Decimal(20)}, None)
    assert found.alert is not None
    assert found.alert.stretches == (Stretch(day(0), day(2), 2, Decimal(31)),)


@pytest.mark.parametrize(
    ("direction", "target", "line", "beyond", "worst"),
    [
        (LOWER, None, 20, [2, 3], 40),
        (HIGHER, None, 20, [0], 10),
        (IN_RANGE, 20, 12, [3], 40),
    ],
)
def test_each_direction_has_its_bad_side(
    direction: Direction, target: int | None, line: int, beyond: list[int], worst: int
) -> None:
    found = backtest(
        days(10, 20, 30, 40),
        direction,
        {"alert": Decimal(line)},
        None if target is None else Decimal(target),
    )
    assert found.alert is not None
    (stretch,) = found.alert.stretches
    assert (stretch.start, stretch.end) == (day(beyond[0]), day(beyond[-1]))
    assert stretch.worst == worst


def test_a_range_without_its_target_cannot_be_measured() -> None:
    with pytest.raises(BacktestError, match="distances from its target"):
        backtest(days(1), IN_RANGE, {"alert": Decimal(1)}, None)


def test_without_history_nothing_was_crossed() -> None:
    found = backtest([], LOWER, {"alert": Decimal(1)}, None)
    assert (found.start, found.days) == (None, 0)
    assert found.alert is not None
    assert (found.alert.share, found.alert.longest) == (0.0, None)
