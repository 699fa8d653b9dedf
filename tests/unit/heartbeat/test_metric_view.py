"""A metric assembled from its rows."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heartbeat.judgement.freshness import Freshness
from heartbeat.judgement.signal import Shown, Signal, State
from heartbeat.judgement.status import SEVERITY_STEP, Band, Status, severity_step
from heartbeat.metrics.metric_rows import DayState, DayValue, MetricRow, ObservedState
from heartbeat.metrics.metric_view import (
    MetricView,
    in_wall_order,
    metric_view,
    present_since,
    stored_states,
)

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")

ROW = MetricRow(
    metric_id="outgoing_stuck_payments",
    code="STUK",
    name="Outgoing payments open for more than 24 h",
    short_name="Stuck payments",
    unit="h",
    period="snapshot",
    direction="lower_is_better",
    kind="threshold",
    norm_value=Decimal(20),
    alert_value=Decimal(60),
    target_value=Decimal(5),
    target_due_date=date(2026, 12, 31),
    verification_state="verified",
    owner="payments",
    reads=["core.payment"],
    cuts=["money_at_risk"],
    amber_z=1.0,
    red_z=2.0,
    registered_at=NOW - timedelta(days=100),
    benchmark_mean=None,
    benchmark_stddev=None,
    benchmark_n=None,
    benchmark_weekday_means=None,
    last_good=Decimal(99),
    last_good_day=NOW.date(),
    severity_step=None,
    computed_at=NOW - timedelta(minutes=15),
    source_as_of=NOW - timedelta(minutes=41),
    error=None,
    definition={},
    definition_hash="a",
    definition_changed_at=NOW - timedelta(days=100),
    signed_at=NOW - timedelta(days=50),
    signed_by="dana@bank.example",
    signed_definition={},
    signed_hash="a",
)


def view(row: MetricRow = ROW, *states: State) -> MetricView:
    return metric_view(row, sparkline=[], states=states, now=NOW)


def state(hours_ago: float, status: Status, signal: Signal = Signal.OK) -> State:
    return State(NOW - timedelta(hours=hours_ago), status, signal)


def test_the_status_is_judged_with_the_present_lines() -> None:
    assert view().status is Status.RED
    assert view(replace(ROW, alert_value=Decimal(100))).status is Status.AMBER
    assert view(replace(ROW, norm_value=None, alert_value=None)).status is Status.GREEN


def test_the_reason_names_value_and_line_in_the_unit() -> None:
    assert view().reason == "99 h is above alert 60 h"


def test_a_failed_compute_keeps_the_red_of_the_last_good_value() -> None:
    shown = view(replace(ROW, error="division by zero"))
    assert (shown.status, shown.signal, shown.error) == (
        Status.RED,
        Signal.ERROR,
        "division by zero",
    )
    assert (shown.value, shown.computed_at) == (Decimal(99), ROW.computed_at)


NEVER = replace(ROW, last_good=None, computed_at=None, source_as_of=None)


@pytest.mark.parametrize(
    ("error", "signal", "reason"),
    [
        pytest.param(None, Signal.NO_DATA, "no data yet", id="never computed"),
        pytest.param("boom", Signal.ERROR, "no value yet: the compute failed", id="always failed"),
    ],
)
def test_a_metric_without_a_value_is_amber_with_its_signal(
    error: str | None, signal: Signal, reason: str
) -> None:
    shown = view(replace(NEVER, error=error))
    assert (shown.status, shown.signal, shown.reason) == (Status.AMBER, signal, reason)
    assert (shown.value, shown.value_text, shown.delta_text) == (None, None, None)
    assert (shown.since, shown.freshness) == (ROW.registered_at, Freshness.UNKNOWN)


BENCHMARKED = replace(ROW, benchmark_mean=20.0, benchmark_stddev=4.0, benchmark_n=56)


def test_a_rolling_stat_has_its_typical_band_and_its_distance_from_it() -> None:
    shown = view(replace(BENCHMARKED, kind="rolling_stat"))
    assert shown.typical == Band(20.0, 4.0, 56)
    assert shown.delta_text == "5× typical 20 h"


def test_a_threshold_metric_has_no_typical_band_even_with_a_benchmark() -> None:
    assert (view(BENCHMARKED).typical, view(BENCHMARKED).delta_text) == (None, None)


def test_a_band_alone_can_make_a_metric_red() -> None:
    unlined = replace(BENCHMARKED, kind="rolling_stat", norm_value=None, alert_value=None)
    assert view(unlined).status is Status.RED
    assert view(replace(unlined, red_z=30.0, amber_z=25.0)).status is Status.GREEN


def test_a_weekly_season_gives_each_weekday_its_own_typical_value() -> None:
    wednesday = NOW.date()
    means = [1.0, 2.0, 30.0, 4.0, None, 6.0, 7.0]
    seasonal = replace(BENCHMARKED, kind="rolling_stat", benchmark_weekday_means=means)
    friday = replace(seasonal, last_good_day=wednesday + timedelta(days=2))
    assert view(seasonal).typical == Band(30.0, 4.0, 56)
    assert view(friday).typical is None


def test_freshness_is_that_of_the_moment_of_reading() -> None:
    late = NOW + timedelta(hours=30)
    assert view().freshness is Freshness.FRESH
    assert metric_view(ROW, sparkline=[], states=(), now=late).freshness is Freshness.AMBER


def test_days_begin_at_midnight_of_the_business_time_zone() -> None:
    days = [DayState(date(2026, 5, 4), "green"), DayState(date(2026, 5, 6), "red")]
    assert stored_states(days, [], BERLIN) == (
        State(datetime(2026, 5, 3, 22, tzinfo=UTC), Status.GREEN, Signal.OK),
        State(datetime(2026, 5, 5, 22, tzinfo=UTC), Status.RED, Signal.OK),
    )


def test_from_the_first_observation_on_the_days_count_no_more() -> None:
    days = [DayState(date(2026, 5, 4), "green"), DayState(date(2026, 5, 6), "red")]
    seen = datetime(2026, 5, 5, 9, 17, tzinfo=UTC)
    observed = [ObservedState(seen, "red", failed=False)]
    assert [state.at for state in stored_states(days, observed, BERLIN)] == [
        datetime(2026, 5, 3, 22, tzinfo=UTC),
        seen,
    ]


def test_a_failed_observation_carries_the_status_before_it() -> None:
    observed = [
        ObservedState(NOW - timedelta(hours=2), "red", failed=False),
        ObservedState(NOW - timedelta(hours=1), None, failed=True),
    ]
    last = stored_states([], observed, BERLIN)[-1]
    assert (last.status, last.signal) == (Status.RED, Signal.ERROR)


RED_NOW = Shown(Signal.OK, Status.RED)


@pytest.mark.parametrize(
    ("states", "hours"),
    [
        pytest.param([state(90, Status.GREEN), state(30, Status.RED)], 30, id="stored"),
        pytest.param(
            [state(30, Status.RED), state(9, Status.RED, Signal.ERROR), state(8, Status.RED)],
            30,
            id="a failure in between does not restart it",
        ),
        pytest.param([state(30, Status.GREEN)], 1, id="a line was moved since"),
        pytest.param([state(0.5, Status.GREEN)], 0.5, id="the line was moved after the last state"),
        pytest.param([], 1, id="nothing is stored"),
    ],
)
def test_the_present_state_began_when_it_was_stored_or_with_the_value_judged_now(
    states: list[State], hours: float
) -> None:
    judged_at = NOW - timedelta(hours=1)
    assert present_since(states, RED_NOW, judged_at) == NOW - timedelta(hours=hours)


@pytest.mark.parametrize(
    ("states", "at_least"),
    [
        pytest.param([state(90, Status.RED)], True, id="history begins with it"),
        pytest.param(
            [state(90, Status.RED), state(9, Status.RED, Signal.ERROR), state(8, Status.RED)],
            True,
            id="and a failure in between",
        ),
        pytest.param([state(90, Status.GREEN), state(30, Status.RED)], False, id="it began since"),
        pytest.param([state(30, Status.GREEN)], False, id="a line was moved since"),
    ],
)
def test_a_state_with_which_history_begins_is_at_least_that_old(
    states: list[State], at_least: bool
) -> None:
    crossed = replace(ROW, last_good=Decimal(99), last_good_day=NOW.date(), alert_value=Decimal(30))
    shown = metric_view(crossed, sparkline=(), states=states, now=NOW)
    assert (shown.status, shown.since_at_least) == (Status.RED, at_least)


def test_the_wall_is_ordered_by_tier_severity_step_age_and_code() -> None:
    def metric(code: str, value: int, hours: float = 5, error: str | None = None) -> MetricView:
        row = replace(ROW, code=code, last_good=Decimal(value), error=error)
        signal = Signal.ERROR if error else Signal.OK
        status = Status.RED if value > 60 else Status.AMBER if value > 20 else Status.GREEN
        return view(row, state(hours, status, signal))

    ordered = [
        metric("WRST", 999),
        metric("FAIL", 990, 4, error="boom"),
        metric("OLDR", 100, 50),
        metric("NEWR", 104, 5),
        metric("NEWS", 100, 5),
        metric("AMBR", 59),
        metric("AMBS", 22),
        metric("ERRO", 5, error="boom"),
        metric("AAOK", 19, 1),
        metric("BBOK", 1, 99),
    ]
    shuffled = random.Random(7).sample(ordered, len(ordered))
    assert [shown.code for shown in in_wall_order(shuffled)] == [shown.code for shown in ordered]


def test_the_sparkline_keeps_its_days() -> None:
    days = [DayValue(date(2026, 5, 19), Decimal(4)), DayValue(date(2026, 5, 20), Decimal(99))]
    assert metric_view(ROW, sparkline=days, states=(), now=NOW).sparkline == tuple(days)


jitters = st.lists(st.floats(0, SEVERITY_STEP / 2, exclude_max=True), min_size=2, max_size=12)


@given(st.floats(1, 8), st.floats(1, 8), jitters, jitters)
def test_jitter_below_half_a_severity_step_never_reorders(
    one: float, other: float, one_jitter: list[float], other_jitter: list[float]
) -> None:
    """Each compute stores the step that the next one starts from."""
    orders = set()
    one_step: float | None = None
    other_step: float | None = None
    for up, down in zip(one_jitter, other_jitter, strict=False):
        one_step = severity_step(one + up, one_step)
        other_step = severity_step(other + down, other_step)
        orders.add(one_step > other_step)
    assert len(orders) == 1


def test_the_step_of_the_wall_moves_with_a_whole_step_only() -> None:
    seen = [severity_step(severity, 2.5) for severity in (2.01, 2.99, 3.0, 2.0)]
    assert seen == [2.5, 2.5, 3.0, 2.0]


@pytest.mark.parametrize("status_value", [5, 30, 99])
@pytest.mark.parametrize("age", [timedelta(hours=1), timedelta(hours=30), timedelta(days=9), None])
def test_freshness_and_status_never_change_each_other(
    status_value: int, age: timedelta | None
) -> None:
    polled = None if age is None else NOW - age
    aged = view(replace(ROW, last_good=Decimal(status_value), source_as_of=polled))
    plain = view(replace(ROW, last_good=Decimal(status_value)))
    other = view(replace(ROW, last_good=Decimal(1), source_as_of=polled))
    assert (aged.status, aged.severity, aged.reason) == (
        plain.status,
        plain.severity,
        plain.reason,
    )
    assert aged.freshness is other.freshness
