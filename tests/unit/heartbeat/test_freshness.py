from datetime import UTC, datetime, timedelta, tzinfo
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heartbeat.judgement.freshness import Freshness, freshness, source_age
from heartbeat.metrics.metric import Period

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
AMBER_HOURS = {
    Period.SNAPSHOT: 24,
    Period.DAY: 36,
    Period.WEEK: 72,
    Period.MONTH: 7 * 24,
    Period.FUNNEL: 7 * 24,
}
RED_HOURS = {
    Period.SNAPSHOT: 48,
    Period.DAY: 72,
    Period.WEEK: 144,
    Period.MONTH: 14 * 24,
    Period.FUNNEL: 14 * 24,
}
SECOND = timedelta(seconds=1)
BADNESS = [Freshness.FRESH, Freshness.AMBER, Freshness.RED]

ages = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400))


@pytest.mark.parametrize(("period", "past"), list(product(Period, (timedelta(0), SECOND))), ids=str)
def test_data_is_amber_past_the_first_limit_and_red_past_the_second(
    period: Period, past: timedelta
) -> None:
    at_amber = NOW - timedelta(hours=AMBER_HOURS[period]) - past
    at_red = NOW - timedelta(hours=RED_HOURS[period]) - past
    found = freshness(period, at_amber, NOW), freshness(period, at_red, NOW)
    expected = (Freshness.AMBER, Freshness.RED) if past else (Freshness.FRESH, Freshness.AMBER)
    assert found == expected


@pytest.mark.parametrize("period", Period)
def test_data_that_was_never_polled_is_of_unknown_freshness(period: Period) -> None:
    assert freshness(period, None, NOW) is Freshness.UNKNOWN


@pytest.mark.parametrize("period", Period)
def test_a_source_whose_clock_runs_a_little_ahead_is_fresh_and_of_age_zero(period: Period) -> None:
    ahead = NOW + timedelta(minutes=5)
    assert source_age(ahead, NOW) == timedelta(0)
    assert freshness(period, ahead, NOW) is Freshness.FRESH


@pytest.mark.parametrize("period", Period)
@pytest.mark.parametrize("ahead", [timedelta(minutes=5, seconds=1), timedelta(days=1)], ids=str)
def test_data_that_was_polled_in_the_future_is_of_unknown_freshness(
    period: Period, ahead: timedelta
) -> None:
    assert freshness(period, NOW + ahead, NOW) is Freshness.UNKNOWN


@given(st.sampled_from(Period), ages, ages)
def test_older_data_is_never_fresher(period: Period, one: timedelta, other: timedelta) -> None:
    younger, older = sorted((one, other))
    assert BADNESS.index(freshness(period, NOW - younger, NOW)) <= BADNESS.index(
        freshness(period, NOW - older, NOW)
    )


@given(ages, st.timezones())
def test_the_time_zone_of_a_reading_does_not_matter(age: timedelta, zone: tzinfo) -> None:
    polled = NOW - age
    assert source_age(polled.astimezone(zone), NOW) == age
