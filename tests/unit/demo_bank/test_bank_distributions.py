"""The behaviour that the bank was calibrated to, as quantiles with tolerances."""

from datetime import UTC, datetime

import numpy as np
import pytest

from demo_bank.clients import ACTIVE, APPROVED, CREATED, REJECTED, SUBMITTED
from demo_bank.clock import (
    HOUR_WEIGHT,
    REVIEW_WEEKDAY_PER_MILLE,
    WEEKDAY_PER_MILLE,
    Floats,
    Ints,
    Moments,
    days_of,
    later,
    local,
    season,
    weekdays,
)
from demo_bank.payments import (
    CARD,
    EXECUTED,
    INSTANT_OUT,
    SEPA_IN,
    SEPA_OUT,
    SWIFT_IN,
    SWIFT_OUT,
)
from demo_bank.simulation import Bank

ANCHOR = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def bank() -> Bank:
    """Half the size of the real one: enough that chance moves no quantile out of its tolerance."""
    return Bank(anchor=ANCHOR, clients=3_000)


def reached(bank: Bank, state: int) -> Moments:
    steps = bank.clients.steps
    moments = np.full(bank.clients.created.size, np.datetime64("NaT", "ms"))
    chosen = steps.state == state
    moments[steps.client[chosen]] = steps.moment[chosen]
    return moments


def hours_between(begins: Moments, ends: Moments) -> Floats:
    both = ~np.isnat(begins) & ~np.isnat(ends)
    return (ends[both] - begins[both]).astype(np.int64) / 3_600_000


def per_mille(values: Ints, size: int) -> Floats:
    return np.bincount(values, minlength=size) / values.size * 1000


def hour_of(moments: Moments) -> Ints:
    return (moments.astype("M8[h]") - days_of(moments)).astype(np.int64)


def test_applications_come_by_weekday_and_hour_of_the_wall_clock(bank: Bank) -> None:
    applied = local(bank.clients.created[bank.clients.established :])
    ordinary = applied[season(days_of(applied)) == 1]
    assert per_mille(weekdays(ordinary), 7) == pytest.approx(WEEKDAY_PER_MILLE, abs=20)
    assert per_mille(hour_of(applied), 24) == pytest.approx(
        HOUR_WEIGHT / HOUR_WEIGHT.sum() * 1000, abs=10
    )


def test_people_decide_in_office_hours_with_dips_and_never_on_a_sunday(bank: Bank) -> None:
    decided = local(bank.clients.steps.moment[bank.clients.steps.state == APPROVED])
    by_weekday, by_hour = per_mille(weekdays(decided), 7), per_mille(hour_of(decided), 24)
    assert by_weekday == pytest.approx(REVIEW_WEEKDAY_PER_MILLE, abs=35)
    assert by_weekday[6] == 0
    assert by_hour[:9].sum() + by_hour[21:].sum() == 0
    assert by_hour[12] < 0.8 * by_hour[11]
    assert by_hour[17] < 0.8 * by_hour[16]


def test_work_items_are_lognormal_around_2_3_minutes(bank: Bank) -> None:
    seconds = bank.profiles.sessions(bank.anchor)["seconds"].to_numpy()
    assert np.median(seconds) / 60 == pytest.approx(2.3, rel=0.1)
    assert np.log(seconds).std() == pytest.approx(1.58, abs=0.08)


def test_the_way_to_an_approval_has_a_median_of_50_hours(bank: Bank) -> None:
    hours = hours_between(reached(bank, SUBMITTED), reached(bank, APPROVED))
    assert np.median(hours) == pytest.approx(50, rel=0.06)
    assert np.log(hours).std() == pytest.approx(0.83, abs=0.06)


def test_machines_decline_45_per_cent_in_two_minutes_and_62_in_an_hour(bank: Bank) -> None:
    hours = hours_between(reached(bank, SUBMITTED), reached(bank, REJECTED))
    assert np.mean(hours < 2 / 60) == pytest.approx(0.45, abs=0.03)
    assert np.mean(hours < 1) == pytest.approx(0.62, abs=0.03)
    assert np.quantile(hours, 0.95) > 48


def test_about_half_of_those_who_begin_become_active(bank: Bank) -> None:
    old_enough = bank.clients.created < bank.anchor - np.timedelta64(30, "D")
    old_enough[: bank.clients.established] = False
    active = ~np.isnat(reached(bank, ACTIVE)[old_enough])
    assert active.mean() == pytest.approx(0.86 * 0.6, abs=0.03)
    assert not np.isnat(reached(bank, CREATED)).any()


@pytest.mark.parametrize(
    ("kind", "lowest", "highest"),
    [
        pytest.param(SEPA_OUT, 1.3, 1.45, id="SEPA out"),
        pytest.param(SEPA_IN, 1.3, 1.45, id="SEPA in"),
        pytest.param(SWIFT_OUT, 1.3, 1.5, id="SWIFT out"),
        pytest.param(SWIFT_IN, 1.3, 1.5, id="SWIFT in"),
        pytest.param(CARD, 0.7, 0.8, id="cards"),
    ],
)
def test_amounts_are_lognormal(bank: Bank, kind: int, lowest: float, highest: float) -> None:
    amounts = np.log(bank.payments.eur[bank.payments.kind == kind])
    assert lowest <= amounts.std() <= highest
    # as far above the median as below it
    low, middle, high = np.quantile(amounts, [0.1, 0.5, 0.9])
    assert (high - middle) / (middle - low) == pytest.approx(1, abs=0.2)


def test_a_fifth_of_the_amounts_are_multiples_of_a_hundred(bank: Bank) -> None:
    is_round = bank.payments.cents % 10_000 == 0
    assert is_round[bank.payments.kind == SEPA_OUT].mean() == pytest.approx(0.2, abs=0.01)
    assert is_round[bank.payments.kind == CARD].mean() < 0.01


def test_the_largest_tenth_of_the_clients_holds_about_half_of_the_weight(bank: Bank) -> None:
    weight = np.sort(bank.clients.weight[: bank.clients.established])[::-1]
    assert weight[: weight.size // 10].sum() / weight.sum() == pytest.approx(0.5, abs=0.06)
    # Pareto(1.15): so many are at least twice and five times as large as the smallest
    assert np.mean(weight >= 2) == pytest.approx(2**-1.15, abs=0.03)
    assert np.mean(weight >= 5) == pytest.approx(5**-1.15, abs=0.03)


@pytest.mark.parametrize(
    ("kind", "minutes"),
    [
        pytest.param(SEPA_OUT, 38, id="SEPA out"),
        pytest.param(SWIFT_OUT, 190, id="SWIFT"),
        pytest.param(INSTANT_OUT, 0.25, id="instant"),
    ],
)
def test_half_of_the_payments_are_processed_within(bank: Bank, kind: int, minutes: float) -> None:
    seconds = bank.payments.seconds[bank.payments.kind == kind]
    assert np.median(seconds) / 60 == pytest.approx(minutes, rel=0.06)


@pytest.mark.parametrize(
    ("kind", "share"),
    [pytest.param(SEPA_OUT, 0.05, id="SEPA"), pytest.param(SWIFT_OUT, 0.14, id="SWIFT")],
)
def test_compliance_holds_some_payments_and_releases_them_in_office_hours(
    bank: Bank, kind: int, share: float
) -> None:
    payments = bank.payments
    chosen = payments.kind == kind
    finished = local(later(payments.created, payments.seconds)[chosen])
    by_night = np.isin(hour_of(finished), [1, 2, 3, 4])
    slow = payments.seconds[chosen] > np.quantile(payments.seconds[chosen], 1 - share * 0.7)
    assert by_night[slow].mean() < 0.5 * by_night[~slow].mean()
    assert payments.outcome[chosen][slow].min() >= EXECUTED


def test_rates_walk_by_fat_tailed_days_of_their_own_size(bank: Bank) -> None:
    daily = np.log(bank.rates.rate[::24])
    returns = np.diff(daily, axis=0)
    assert returns.std(axis=0) == pytest.approx([0.0046, 0.0033, 0.0034, 0.0035], rel=0.3)
    # of 900 normal days less than one would be so far out; of Student's t(4) about seven are
    assert (np.abs(returns / returns.std(axis=0)) > 3.5).sum() >= 3
    hourly = np.diff(np.log(bank.rates.rate), axis=0)
    assert (hourly.std(axis=0) < returns.std(axis=0) / 2).all()


def test_business_follows_the_calendar(bank: Bank) -> None:
    days = days_of(local(bank.payments.created))
    every, counts = np.unique(days, return_counts=True)
    volume: Floats = counts[1:-1] / WEEKDAY_PER_MILLE[weekdays(every[1:-1])]
    factor = season(every[1:-1])
    ordinary = np.median(volume[factor == 1])
    assert np.median(volume[factor == 1.25]) / ordinary == pytest.approx(1.25, abs=0.12)
    assert np.median(volume[factor == 0.8]) / ordinary == pytest.approx(0.8, abs=0.08)
    assert np.median(volume[factor == 0.25]) / ordinary == pytest.approx(0.25, abs=0.06)
    age = (every[1:-1] - every[0]).astype(np.int64)
    growth = np.polyfit(age[factor == 1], np.log(volume[factor == 1]), 1)[0]
    assert growth == pytest.approx(0.0012, abs=0.0004)


def test_the_wall_clock_changes_twice_a_year() -> None:
    summer, winter = np.array(["2026-10-24T12:00", "2026-10-26T12:00"], dtype="M8[ms]")
    shown = local(np.array([summer, winter]))
    assert hour_of(shown).tolist() == [15, 14]


def test_scale_1_has_the_size_of_the_real_bank() -> None:
    bank = Bank(anchor=ANCHOR, clients=600)
    past = bank.payments.created < bank.anchor
    log, transfers = bank.business({}).log, bank.business({}).transfers
    sizes = [
        past.sum(),
        (log.moment < bank.anchor).sum(),
        (transfers.moment < bank.anchor).sum() * 2,
    ]
    assert np.array(sizes) * 10 == pytest.approx([420_000, 1_300_000, 1_500_000], rel=0.06)
