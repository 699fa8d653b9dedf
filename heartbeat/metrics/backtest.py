"""What a line would have done: how often and how long history was beyond it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from heartbeat.errors import HeartbeatError
from heartbeat.judgement.status import badness, is_beyond
from heartbeat.metrics.metric import Direction
from heartbeat.metrics.metric_rows import DayValue


class BacktestError(HeartbeatError):
    """A line that cannot be measured."""


@dataclass(frozen=True)
class Stretch:
    """Consecutive days with a value, all beyond the line; `worst` is the value furthest beyond."""

    start: date
    end: date
    days: int
    worst: Decimal


@dataclass(frozen=True)
class LineBacktest:
    """One line against the history: `days` beyond it, in `stretches` from oldest to newest."""

    line: Decimal
    days: int
    share: float
    stretches: tuple[Stretch, ...]
    longest: Stretch | None


@dataclass(frozen=True)
class Backtest:
    """Lines against the days that have a value, from `start` to `end`; None where no line is."""

    start: date | None
    end: date | None
    days: int
    alert: LineBacktest | None
    norm: LineBacktest | None


def backtest(
    values: Sequence[DayValue],
    direction: Direction,
    lines: Mapping[str, Decimal | None],
    target_value: Decimal | None,
) -> Backtest:
    """Backtest the lines `alert` and `norm` on values in order of days.

    A day without a value neither counts nor ends a stretch. With `in_range` lines are distances
    from the target, as everywhere; raises BacktestError when there is none.
    """
    if direction is Direction.IN_RANGE and target_value is None:
        raise BacktestError("lines of an in_range metric are distances from its target: set one")
    found = {
        name: None if line is None else _line_backtest(values, direction, line, target_value)
        for name, line in lines.items()
    }
    return Backtest(
        start=values[0].d if values else None,
        end=values[-1].d if values else None,
        days=len(values),
        alert=found.get("alert"),
        norm=found.get("norm"),
    )


def _line_backtest(
    values: Sequence[DayValue], direction: Direction, line: Decimal, target: Decimal | None
) -> LineBacktest:
    runs: list[list[DayValue]] = []
    was_beyond = False
    for value in values:
        beyond = is_beyond(value.v, direction, line, target)
        if beyond and not was_beyond:
            runs.append([])
        if beyond:
            runs[-1].append(value)
        was_beyond = beyond
    stretches = tuple(_stretch(run, direction, target) for run in runs)
    days = sum(stretch.days for stretch in stretches)
    return LineBacktest(
        line=line,
        days=days,
        share=days / len(values) if values else 0.0,
        stretches=stretches,
        longest=max(stretches, key=lambda stretch: stretch.days, default=None),
    )


def _stretch(run: Sequence[DayValue], direction: Direction, target: Decimal | None) -> Stretch:
    worst = max((value.v for value in run), key=lambda v: badness(v, direction, target))
    return Stretch(run[0].d, run[-1].d, len(run), worst)
