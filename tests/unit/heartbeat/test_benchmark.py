from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heartbeat.judgement.benchmark import Benchmark, benchmark
from heartbeat.metrics.metric import Season

TODAY = date(2026, 11, 20)


def past(*values: float) -> list[tuple[date, float]]:
    """Values of the days before today, the last one yesterday's."""
    return [
        (TODAY - timedelta(days=len(values) - position), value)
        for position, value in enumerate(values)
    ]


def test_mean_and_sample_standard_deviation_of_the_last_days() -> None:
    values = past(*[1.0] * 40, *[4.0, 6.0] * 15)
    found = benchmark(values, TODAY, 30)
    assert found is not None
    assert (found.mean, found.n, found.weekday_means) == (5.0, 30, None)
    assert found.stddev == pytest.approx((30 / 29) ** 0.5)


def test_today_and_what_is_after_it_do_not_count() -> None:
    values = past(*[5.0] * 20)
    ahead = [(TODAY, 1e6), (TODAY + timedelta(days=1), 1e6)]
    assert benchmark([*values, *ahead], TODAY, 30) == benchmark(values, TODAY, 30)


@pytest.mark.parametrize(("days", "known"), [(13, False), (14, True)])
def test_fewer_than_14_values_make_no_benchmark(days: int, known: bool) -> None:
    assert (benchmark(past(*[5.0] * days), TODAY, 30) is not None) is known


def test_a_day_without_a_value_is_not_made_up_for_by_an_older_one() -> None:
    values = [(d, v) for d, v in past(*[9.0] * 60) if d.day % 2]
    found = benchmark(values, TODAY, 30)
    assert found is not None
    assert found.n == sum(TODAY - timedelta(days=30) <= d for d, _ in values)


def test_a_value_beyond_a_double_does_not_count() -> None:
    values = past(*[5.0] * 14, float("inf"))
    assert benchmark(values, TODAY, 30) == Benchmark(5.0, 0.0, 14)


def test_a_weekly_season_keeps_a_mean_for_each_weekday_and_what_they_leave_unexplained() -> None:
    weekend = {5: 10.0, 6: 20.0}
    days = [TODAY - timedelta(days=ago) for ago in range(28, 0, -1)]
    values = [
        (d, weekend.get(d.weekday(), 100.0) + (1 if number % 14 < 7 else -1))
        for number, d in enumerate(days)
    ]
    found = benchmark(values, TODAY, 28, Season.WEEKDAY)
    assert found is not None
    assert found.weekday_means == (100.0,) * 5 + (10.0, 20.0)
    assert found.stddev == pytest.approx((28 / 21) ** 0.5)
    assert found.mean == pytest.approx(sum(v for _, v in values) / 28)


def test_a_weekday_without_a_value_has_no_mean() -> None:
    values = [(d, v) for d, v in past(*[5.0] * 30) if d.weekday() != 6]
    found = benchmark(values, TODAY, 30, Season.WEEKDAY)
    assert found is not None
    assert found.weekday_means == (5.0,) * 6 + (None,)


@given(st.lists(st.floats(-1e6, 1e6), min_size=14, max_size=60), st.floats(-1e6, 1e6))
def test_a_shifted_series_has_a_shifted_mean_and_the_same_deviation(
    values: list[float], shift: float
) -> None:
    for season in (None, Season.WEEKDAY):
        one = benchmark(past(*values), TODAY, 90, season)
        other = benchmark(past(*[value + shift for value in values]), TODAY, 90, season)
        assert one is not None
        assert other is not None
        assert other.mean == pytest.approx(one.mean + shift, abs=1e-6)
        assert other.stddev == pytest.approx(one.stddev, abs=1e-6)
