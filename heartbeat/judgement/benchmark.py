"""What is typical of a metric: mean and standard deviation of its last complete days."""

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from heartbeat.judgement.status import MIN_BAND_DAYS
from heartbeat.metrics.metric import Season

_DAYS_OF_WEEK = 7


@dataclass(frozen=True)
class Benchmark:
    """Mean and sample standard deviation of `n` daily values, in the metric's unit.

    With a weekly season `weekday_means` holds the mean of each weekday, Monday first, None for one
    without a value; the standard deviation is then that of what the weekday does not explain.
    """

    mean: float
    stddev: float
    n: int
    weekday_means: tuple[float | None, ...] | None = None


def benchmark(
    values: Sequence[tuple[date, float]],
    today: date,
    days: int,
    season: Season | None = None,
) -> Benchmark | None:
    """The benchmark of the `days` complete days before `today`; None from fewer than 14 values.

    `values` are those of days that have one: a day without data, or whose compute failed, is not
    among them and does not count, nor is one beyond the range of a double. Today is not complete,
    and what is after it is no past.
    """
    first = today - timedelta(days=days)
    window = [(d, v) for d, v in values if first <= d < today and math.isfinite(v)]
    if len(window) < MIN_BAND_DAYS:
        return None
    numbers = [v for _, v in window]
    mean = statistics.fmean(numbers)
    if season is None:
        return Benchmark(mean, statistics.stdev(numbers, mean), len(numbers))
    return _of_weekdays(window, mean)


def _of_weekdays(window: Sequence[tuple[date, float]], mean: float) -> Benchmark:
    by_weekday: defaultdict[int, list[float]] = defaultdict(list)
    for d, v in window:
        by_weekday[d.weekday()].append(v)
    means = {weekday: statistics.fmean(numbers) for weekday, numbers in by_weekday.items()}
    residuals = [v - means[d.weekday()] for d, v in window]
    variance = sum(each * each for each in residuals) / (len(window) - len(means))
    weekday_means = tuple(means.get(weekday) for weekday in range(_DAYS_OF_WEEK))
    return Benchmark(mean, math.sqrt(variance), len(window), weekday_means)
