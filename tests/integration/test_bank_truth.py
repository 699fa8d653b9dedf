"""Every metric of the landed bank against its hand count, with the incidents on and off."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from demo_bank.truth import true_values
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.judgement.status import Status
from heartbeat.lint.linter import lint
from heartbeat.marts_session import reading_as_of
from heartbeat.metrics.compute import Outcome
from heartbeat.metrics.metric import Metric
from heartbeat.metrics.metric_file import load_metrics
from tests.integration.demo_platform import ANCHOR, REPOSITORY, DemoPlatform, demo_platform

METRICS = {metric.metric_id: metric for metric in load_metrics(REPOSITORY / "metrics").metrics}
FLOWS = [m for m, metric in METRICS.items() if metric.period != "snapshot"]
SNAPSHOTS = [m for m, metric in METRICS.items() if metric.period == "snapshot"]
DAYS_BEFORE = 30
# rates, medians and quotients; everything else is a count or a sum and must be equal
MEASURED = {
    "application_approval_rate",
    "onboarding_time_p50_h_30d",
    "onboarding_conversion_funnel",
    "onboarding_review_oldest_age_h",
    "top10_revenue_share_30d",
    "outgoing_approval_rate_24h",
    "outgoing_sepa_credit_processing_time_p50_min_24h",
    "outgoing_other_processing_time_p50_min_7d",
    "payment_reject_rate_7d",
    "revenue_per_active_client_30d",
    "balance_outflow_pct_7d",
    "aml_retrospective_decision_p90_h_7d",
    "fx_rate_staleness_h",
    "payee_verification_no_match_rate_24h",
    "card_activation_rate_30d",
}
UNKNOWN_WITHOUT_DATA = MEASURED - {"onboarding_review_oldest_age_h"} | {"client_balances_eur"}


@pytest.fixture(scope="module")
def troubled(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[DemoPlatform]:
    """The bank at the default scale with every incident, landed; its metrics are registered."""
    with demo_platform(postgres, migrated_template, name="troubled_marts") as platform:
        platform.registers()
        platform.lands()
        yield platform


@pytest.fixture(scope="module")
def outcomes(troubled: DemoPlatform) -> Mapping[str, Outcome]:
    return troubled.computes()


@pytest.fixture(scope="module")
def counted(troubled: DemoPlatform) -> dict[str, Any]:
    return true_values(troubled.bank, troubled.bank.default_incidents())


@pytest.fixture(scope="module")
def quiet(
    postgres: EmbeddedPostgres, migrated_template: str
) -> Iterator[tuple[Mapping[str, Outcome], dict[str, Any]]]:
    """What the metrics and the hand count say of the same bank without any incident."""
    with demo_platform(postgres, migrated_template, name="quiet_marts", incidents={}) as platform:
        platform.registers()
        platform.lands()
        yield platform.computes(), true_values(platform.bank, {})


def assert_equal(metric_id: str, outcome: Outcome, true: Mapping[str, Any]) -> None:
    assert outcome.error is None
    history = dict(outcome.history or ())
    today = ANCHOR.date()
    days = [today - timedelta(days=ago) for ago in range(1, DAYS_BEFORE + 1)]
    told = {"value": outcome.value, **{str(day): history.get(day) for day in days}}
    expected = {"value": true["value"], **true["history"]}
    assert len(expected) == 1 + DAYS_BEFORE
    if metric_id in MEASURED:
        assert told == pytest.approx(_decimals(expected), rel=Decimal("1e-9"), abs=Decimal("1e-9"))
    else:
        assert told == _decimals(expected)


def _decimals(numbers: Mapping[str, Any]) -> dict[str, Decimal]:
    return {key: Decimal(repr(number)) for key, number in numbers.items()}


@pytest.mark.parametrize("metric_id", METRICS)
def test_with_every_incident_a_metric_is_what_a_hand_count_gives(
    outcomes: Mapping[str, Outcome], counted: dict[str, Any], metric_id: str
) -> None:
    assert_equal(metric_id, outcomes[metric_id], counted[metric_id])


@pytest.mark.parametrize("metric_id", METRICS)
def test_without_incidents_a_metric_is_what_a_hand_count_gives(
    quiet: tuple[Mapping[str, Outcome], dict[str, Any]], metric_id: str
) -> None:
    computed, counted = quiet
    assert_equal(metric_id, computed[metric_id], counted[metric_id])


def test_without_incidents_no_tile_is_red(
    quiet: tuple[Mapping[str, Outcome], dict[str, Any]],
) -> None:
    computed, _ = quiet
    assert {m for m, outcome in computed.items() if outcome.status is None} == set()
    assert [m for m, outcome in computed.items() if outcome.status == Status.RED] == []


def test_the_linter_has_nothing_to_say(troubled: DemoPlatform) -> None:
    """All rules, those on plans and seconds among them, on what is landed."""
    found = lint(troubled.project, troubled.settings, as_of=ANCHOR)
    assert [str(each) for each in found] == []


def test_every_metric_has_89_past_days(outcomes: Mapping[str, Outcome]) -> None:
    today = ANCHOR.date()
    expected = [today - timedelta(days=ago) for ago in range(89, 0, -1)]
    assert {
        m: [d for d, _ in outcome.history or ()] for m, outcome in outcomes.items()
    } == dict.fromkeys(METRICS, expected)


def value_at(platform: DemoPlatform, metric: Metric, moment: datetime) -> Decimal:
    with reading_as_of(platform.settings, metric.reads, as_of=moment) as marts:
        row = marts.execute(metric.value_sql).fetchone()
        assert row is not None
        return Decimal(row[0])


@pytest.mark.parametrize("metric_id", FLOWS)
def test_a_past_day_of_a_flow_is_the_value_at_its_end(
    troubled: DemoPlatform, outcomes: Mapping[str, Outcome], metric_id: str
) -> None:
    history = dict(outcomes[metric_id].history or ())
    for day in (date(2026, 10, 3), date(2026, 11, 17)):
        end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        value = value_at(troubled, METRICS[metric_id], end)
        assert history[day] == pytest.approx(value, rel=Decimal("1e-12"))


@pytest.mark.parametrize("metric_id", SNAPSHOTS)
def test_no_moment_of_a_past_day_is_worse_than_its_history(
    troubled: DemoPlatform, outcomes: Mapping[str, Outcome], metric_id: str
) -> None:
    metric = METRICS[metric_id]
    day = datetime(2026, 11, 17, tzinfo=UTC)
    worst = dict(outcomes[metric_id].history or ())[day.date()]
    # rates of the hour and of the day's end differ a little
    tolerance = Decimal("1.02") if metric.unit == "EUR" else Decimal("1.000000001")
    for hour in range(1, 24, 3):
        value = value_at(troubled, metric, day + timedelta(hours=hour))
        if metric.direction == "higher_is_better":
            assert value >= worst / tolerance
        else:
            assert value <= worst * tolerance


def without_data(metric_id: str) -> Any:
    return None if metric_id in UNKNOWN_WITHOUT_DATA else 0


@pytest.mark.parametrize("metric_id", METRICS)
def test_without_data_a_count_is_zero_and_a_rate_is_unknown(
    troubled: DemoPlatform, metric_id: str
) -> None:
    with reading_as_of(
        troubled.settings, METRICS[metric_id].reads, as_of=ANCHOR - timedelta(days=3_650)
    ) as marts:
        rows = marts.execute(METRICS[metric_id].value_sql).fetchall()
    assert rows == [(without_data(metric_id),)]


@pytest.mark.parametrize("zone", ["Europe/Vilnius", "America/New_York"])
@pytest.mark.parametrize("metric_id", METRICS)
def test_in_another_business_time_zone_history_has_the_same_days_of_that_zone(
    troubled: DemoPlatform, metric_id: str, zone: str
) -> None:
    zoned = troubled.settings.model_copy(update={"timezone": zone})
    with reading_as_of(zoned, METRICS[metric_id].reads, as_of=ANCHOR) as marts:
        days = [d for d, _ in marts.execute(METRICS[metric_id].history_sql or "").fetchall()]
    assert (days[0], days[-1], len(days)) == (date(2026, 8, 23), date(2026, 11, 19), 89)


INCIDENTS_ON_THE_WALL = {
    "collateral_overdue_days_max": 124,
    "collateral_overdue_eur": 180_000,
    "ledger_imbalance_eur": Decimal("0.01"),
}


@pytest.mark.parametrize("metric_id", INCIDENTS_ON_THE_WALL)
def test_i1_and_i9_show_their_exact_number_in_red(
    outcomes: Mapping[str, Outcome], metric_id: str
) -> None:
    outcome = outcomes[metric_id]
    assert (outcome.value, outcome.status) == (INCIDENTS_ON_THE_WALL[metric_id], Status.RED)


def test_i2_the_silence_of_the_fx_pairs_shows_its_worst_moment_of_each_day(
    troubled: DemoPlatform, outcomes: Mapping[str, Outcome]
) -> None:
    days = dict(outcomes["fx_rate_staleness_h"].history or ())
    shown = [round(days[date(2026, 11, day)], 2) for day in (15, 16, 17, 18)]
    assert shown == [1, Decimal("13.98"), Decimal("30.00"), 1]
    at_midnight = value_at(
        troubled, METRICS["fx_rate_staleness_h"], datetime(2026, 11, 18, tzinfo=UTC)
    )
    assert round(at_midnight, 2) == Decimal("0.98")


def test_i3_the_backlog_climbs_to_red_day_by_day(outcomes: Mapping[str, Outcome]) -> None:
    outcome = outcomes["aml_retrospective_backlog"]
    last = [number for _, number in (outcome.history or ())[-4:]]
    assert last == sorted(last)
    assert outcome.status == Status.RED


def test_i4_slow_sepa_payments_lift_the_median_threefold(
    outcomes: Mapping[str, Outcome], quiet: tuple[Mapping[str, Outcome], dict[str, Any]]
) -> None:
    metric_id = "outgoing_sepa_credit_processing_time_p50_min_24h"
    slowed, ordinary = outcomes[metric_id], quiet[0][metric_id]
    assert ordinary.value == pytest.approx(Decimal(45), abs=8)
    assert slowed.value == pytest.approx(Decimal(127), abs=15)
    assert (ordinary.status, slowed.status) == (Status.GREEN, Status.AMBER)


def test_i5_rejected_swift_payments_lower_the_approval_rate(
    outcomes: Mapping[str, Outcome], quiet: tuple[Mapping[str, Outcome], dict[str, Any]]
) -> None:
    metric_id = "outgoing_approval_rate_24h"
    fallen, ordinary = outcomes[metric_id], quiet[0][metric_id]
    assert fallen.value is not None
    assert ordinary.value is not None
    assert ordinary.value - fallen.value > 2
    assert (ordinary.status, fallen.status) == (Status.GREEN, Status.AMBER)


def test_i7_the_silent_client_is_counted_and_its_revenue_is_missing(
    outcomes: Mapping[str, Outcome], quiet: tuple[Mapping[str, Outcome], dict[str, Any]]
) -> None:
    def both(metric_id: str) -> tuple[Decimal, Decimal]:
        silent, ordinary = outcomes[metric_id].value, quiet[0][metric_id].value
        assert silent is not None
        assert ordinary is not None
        return silent, ordinary

    assert both("top_tier_dormant_clients") == (Decimal(1), Decimal(0))
    silent, ordinary = both("revenue_eur_30d")
    assert silent < ordinary


def test_nine_schemas_are_landed(troubled: DemoPlatform) -> None:
    with psycopg.connect(troubled.settings.database_url) as marts:
        landed = marts.execute("select distinct schema_name from heartbeat.table_load").fetchall()
    assert {name for (name,) in landed} == {
        "webbank_core",
        "webbank_dict",
        "aml_aml",
        "pdvs_core",
        "vss_vss",
        "vss_dict",
        "card_management_card",
        "card_management_dict",
        "currency_rate_rate",
    }
