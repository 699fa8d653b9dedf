import math
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from heartbeat.judgement.status import Band, Judgement, Status, judge, severity_step
from heartbeat.metrics.metric import Direction

HIGHER, LOWER, IN_RANGE = Direction
RED, AMBER, GREEN = Status
BADNESS = {GREEN: 0, AMBER: 1, RED: 2}
FLIPPED = {HIGHER: LOWER, LOWER: HIGHER, IN_RANGE: IN_RANGE}

numbers = st.decimals(min_value=-(10**9), max_value=10**9, places=3)
lines = st.none() | numbers
one_sided = st.sampled_from([HIGHER, LOWER])
bands = st.builds(
    Band,
    mean=st.floats(-1e9, 1e9),
    stddev=st.just(0.0) | st.floats(1e-3, 1e9),
    n=st.integers(0, 90),
)


def number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def judge_lower(value: str, norm: str | None, alert: str | None) -> Judgement:
    return judge(Decimal(value), LOWER, number(norm), number(alert), None, None, unit="d")


@pytest.mark.parametrize(
    ("direction", "value", "norm", "alert", "target", "status"),
    [
        pytest.param(LOWER, "124", "7", "30", "0", RED, id="overdue days beyond the alert"),
        pytest.param(LOWER, "30", "7", "30", "0", AMBER, id="at the alert line is not beyond it"),
        pytest.param(LOWER, "7", "7", "30", "0", GREEN, id="at the norm line is not beyond it"),
        pytest.param(LOWER, "0", "0", "0.005", None, GREEN, id="a balanced ledger"),
        pytest.param(LOWER, "0.01", "0", "0.005", None, RED, id="one cent off"),
        pytest.param(LOWER, "0.005", "0", "0.005", None, AMBER, id="lines compare exactly"),
        pytest.param(HIGHER, "44.9", "55", "45", "65", RED, id="approval below the alert"),
        pytest.param(HIGHER, "50", "55", "45", "65", AMBER, id="approval below the norm"),
        pytest.param(HIGHER, "60", "55", "45", "65", GREEN, id="a missed target is green"),
        pytest.param(HIGHER, "-7", "-5", "-10", None, AMBER, id="negative lines"),
        pytest.param(HIGHER, "-11", "-5", "-10", None, RED, id="beyond a negative alert"),
        pytest.param(IN_RANGE, "109", "10", "25", "100", GREEN, id="inside the range"),
        pytest.param(IN_RANGE, "89", "10", "25", "100", AMBER, id="below the range"),
        pytest.param(IN_RANGE, "126", "10", "25", "100", RED, id="far above the range"),
        pytest.param(IN_RANGE, "74", "10", "25", "100", RED, id="far below the range"),
        pytest.param(IN_RANGE, "100", "10", "25", None, AMBER, id="a range without its target"),
        pytest.param(IN_RANGE, "5", None, None, None, GREEN, id="a range without lines"),
        pytest.param(LOWER, "9", None, "30", None, GREEN, id="alert only, good side"),
        pytest.param(LOWER, "31", None, "30", None, RED, id="alert only, bad side"),
        pytest.param(LOWER, "8", "7", None, None, AMBER, id="norm only, bad side"),
        pytest.param(LOWER, "8", None, None, None, GREEN, id="no lines"),
    ],
)
def test_lines_decide_the_status(
    direction: Direction,
    value: str,
    norm: str | None,
    alert: str | None,
    target: str | None,
    status: Status,
) -> None:
    found = judge(Decimal(value), direction, number(norm), number(alert), number(target), None)
    assert found.status is status


BAND = Band(mean=100.0, stddev=10.0, n=60)
BAD_SIDES = {HIGHER: (-1,), LOWER: (1,), IN_RANGE: (-1, 1)}
Z_STATUS = {0.0: GREEN, 0.99: GREEN, 1.0: AMBER, 1.99: AMBER, 2.0: RED, 7.5: RED}


@pytest.mark.parametrize(
    ("direction", "side", "z"), list(product(Direction, (-1, 1), Z_STATUS)), ids=str
)
def test_the_band_decides_on_the_bad_side_only(direction: Direction, side: int, z: float) -> None:
    value = Decimal(str(100 + side * z * 10))
    expected = Z_STATUS[z] if side in BAD_SIDES[direction] else GREEN
    assert judge(value, direction, None, None, None, BAND).status is expected


def centred(direction: Direction, badness: int) -> Decimal:
    """A value so far on the bad side of typical 100."""
    return Decimal(100 - badness if direction is HIGHER else 100 + badness)


def line_at(direction: Direction, badness: float) -> Decimal:
    """The line that values worse than that badness have crossed."""
    if direction is IN_RANGE:
        return Decimal(str(badness))
    return Decimal(str(100 - badness if direction is HIGHER else 100 + badness))


@pytest.mark.parametrize(
    ("direction", "alert", "norm", "band"),
    list(
        product(
            Direction, (None, False, True), (None, False, True), (None, "short", GREEN, AMBER, RED)
        )
    ),
    ids=str,
)
def test_every_state_of_lines_and_band(
    direction: Direction, alert: bool | None, norm: bool | None, band: Status | str | None
) -> None:
    """None is no line and no band, True a line that is crossed, a status what the band says."""
    badness = {GREEN: 5, AMBER: 15, RED: 30}[band] if isinstance(band, Status) else 50
    drawn = {None: None, False: badness + 1, True: badness - 1}
    alert_at, norm_at = drawn[alert], drawn[norm]
    found = judge(
        centred(direction, badness),
        direction,
        None if norm_at is None else line_at(direction, norm_at),
        None if alert_at is None else line_at(direction, alert_at + 0.5),
        Decimal(100) if direction is IN_RANGE else None,
        None if band is None else Band(100.0, 10.0, 13 if band == "short" else 14),
    )
    by_band = band if isinstance(band, Status) else GREEN
    if alert:
        assert found.status is RED
    elif norm:
        assert found.status is AMBER
    elif norm is False:
        assert found.status is (GREEN if by_band is GREEN else AMBER)
    else:
        assert found.status is by_band


def test_a_crossed_alert_is_red_even_inside_the_band() -> None:
    assert judge(Decimal(101), LOWER, None, Decimal(100), None, BAND).status is RED


def test_within_a_norm_the_band_warns_and_no_more() -> None:
    at_norm = judge(Decimal(150), LOWER, Decimal(150), Decimal(200), None, BAND)
    beyond_norm = judge(Decimal(151), LOWER, Decimal(150), Decimal(200), None, BAND)
    without_norm = judge(Decimal(150), LOWER, None, Decimal(200), None, BAND)
    assert (at_norm.status, beyond_norm.status, without_norm.status) == (AMBER, AMBER, RED)
    assert at_norm.reason == "150 is 5 σ above typical 100"
    assert beyond_norm.reason == "151 is above norm 150"
    assert at_norm.severity <= beyond_norm.severity


@given(numbers, numbers, one_sided, numbers, lines, st.none() | bands)
def test_with_a_norm_a_better_value_is_never_more_severe(
    one: Decimal,
    other: Decimal,
    direction: Direction,
    norm: Decimal,
    step: Decimal | None,
    band: Band | None,
) -> None:
    away = None if step is None else abs(step)
    worse_side = -1 if direction is HIGHER else 1
    alert = None if away is None else norm + worse_side * away
    low, high = sorted((one, other))
    better, worse = (high, low) if direction is HIGHER else (low, high)
    assert_no_worse(
        judge(better, direction, norm, alert, None, band),
        judge(worse, direction, norm, alert, None, band),
    )


@pytest.mark.parametrize(
    "band",
    [
        pytest.param(None, id="no band"),
        pytest.param(Band(100.0, 0.0, 60), id="flat series"),
        pytest.param(Band(100.0, 1.0, 13), id="13 days"),
    ],
)
def test_a_series_that_is_flat_or_shorter_than_14_days_makes_no_band(band: Band | None) -> None:
    assert judge(Decimal(10_000), LOWER, None, None, None, band).status is GREEN


def test_14_days_make_a_band() -> None:
    assert judge(Decimal(200), LOWER, None, None, None, Band(100.0, 1.0, 14)).status is RED


def test_a_metric_may_set_its_own_distances_from_typical() -> None:
    found = [
        judge(Decimal(value), LOWER, None, None, None, BAND, amber_z=3, red_z=4).status
        for value in (129, 130, 139, 140)
    ]
    assert found == [GREEN, AMBER, AMBER, RED]


@pytest.mark.parametrize(
    ("direction", "value", "target", "hit"),
    [
        pytest.param(LOWER, 29, 30, True, id="lower, better"),
        pytest.param(LOWER, 30, 30, True, id="lower, met"),
        pytest.param(LOWER, 31, 30, False, id="lower, missed"),
        pytest.param(HIGHER, 31, 30, True, id="higher, better"),
        pytest.param(HIGHER, 29, 30, False, id="higher, missed"),
        pytest.param(IN_RANGE, 30, 30, True, id="in range, met"),
        pytest.param(IN_RANGE, 31, 30, False, id="in range, missed"),
        pytest.param(LOWER, 29, None, False, id="no target"),
    ],
)
def test_a_green_value_at_or_better_than_its_target_hits_it(
    direction: Direction, value: int, target: int | None, hit: bool
) -> None:
    wanted = None if target is None else Decimal(target)
    assert judge(Decimal(value), direction, None, None, wanted, None).target_hit is hit


@given(numbers, one_sided, lines, lines, lines, st.none() | bands, lines)
def test_the_target_never_changes_the_status_of_a_one_sided_metric(
    value: Decimal,
    direction: Direction,
    norm: Decimal | None,
    alert: Decimal | None,
    target: Decimal | None,
    band: Band | None,
    other_target: Decimal | None,
) -> None:
    one = judge(value, direction, norm, alert, target, band)
    other = judge(value, direction, norm, alert, other_target, band)
    assert (one.status, one.severity) == (other.status, other.severity)


@given(numbers, st.sampled_from(Direction), lines, lines, lines, st.none() | bands)
def test_only_green_hits_a_target(
    value: Decimal,
    direction: Direction,
    norm: Decimal | None,
    alert: Decimal | None,
    target: Decimal | None,
    band: Band | None,
) -> None:
    found = judge(value, direction, norm, alert, target, band)
    assert found.status is GREEN or not found.target_hit


def negated(value: Decimal | None) -> Decimal | None:
    return None if value is None else -value


@given(numbers, st.sampled_from(Direction), lines, lines, lines, st.none() | bands)
def test_negating_data_and_lines_and_flipping_the_direction_gives_the_same_judgement(
    value: Decimal,
    direction: Direction,
    norm: Decimal | None,
    alert: Decimal | None,
    target: Decimal | None,
    band: Band | None,
) -> None:
    mirrored_band = band and Band(-band.mean, band.stddev, band.n)
    distances = direction is IN_RANGE
    one = judge(value, direction, norm, alert, target, band)
    other = judge(
        -value,
        FLIPPED[direction],
        norm if distances else negated(norm),
        alert if distances else negated(alert),
        negated(target),
        mirrored_band,
    )
    assert (one.status, one.severity, one.target_hit) == (
        other.status,
        other.severity,
        other.target_hit,
    )


def assert_no_worse(better: Judgement, worse: Judgement) -> None:
    assert BADNESS[better.status] <= BADNESS[worse.status]
    assert better.severity <= worse.severity


@given(numbers, numbers, one_sided, lines, lines)
def test_a_better_value_never_has_a_worse_status_by_its_lines(
    one: Decimal,
    other: Decimal,
    direction: Direction,
    norm: Decimal | None,
    alert: Decimal | None,
) -> None:
    low, high = sorted((one, other))
    better, worse = (high, low) if direction is HIGHER else (low, high)
    assert_no_worse(
        judge(better, direction, norm, alert, None, None),
        judge(worse, direction, norm, alert, None, None),
    )


@given(numbers, numbers, one_sided, lines, lines, st.none() | lines, st.none() | bands)
def test_a_better_value_never_has_a_worse_status(
    one: Decimal,
    other: Decimal,
    direction: Direction,
    norm: Decimal | None,
    alert: Decimal | None,
    target: Decimal | None,
    band: Band | None,
) -> None:
    low, high = sorted((one, other))
    better, worse = (high, low) if direction is HIGHER else (low, high)
    statuses = [
        BADNESS[judge(value, direction, norm, alert, target, band).status]
        for value in (better, worse)
    ]
    assert statuses == sorted(statuses)


@given(
    st.decimals(min_value=0, max_value=10**6, places=3),
    st.decimals(min_value=0, max_value=10**6, places=3),
    st.tuples(st.sampled_from([-1, 1]), st.sampled_from([-1, 1])),
    st.decimals(min_value=0, max_value=10**6, places=3),
    st.decimals(min_value=0, max_value=10**6, places=3),
    numbers,
)
def test_a_value_nearer_to_the_centre_of_its_range_never_has_a_worse_status(
    one: Decimal,
    other: Decimal,
    sides: tuple[int, int],
    norm: Decimal,
    alert: Decimal,
    centre: Decimal,
) -> None:
    assume(norm <= alert)
    near, far = sorted((one, other))
    assert_no_worse(
        judge(centre + sides[0] * near, IN_RANGE, norm, alert, centre, None),
        judge(centre + sides[1] * far, IN_RANGE, norm, alert, centre, None),
    )


SEVERITY_RANGE = {GREEN: (0.0, 0.0), AMBER: (1.0, 2.0), RED: (2.0, 10.0)}


@given(numbers, st.sampled_from(Direction), lines, lines, lines, st.none() | bands)
def test_severity_lies_in_the_range_of_its_status(
    value: Decimal,
    direction: Direction,
    norm: Decimal | None,
    alert: Decimal | None,
    target: Decimal | None,
    band: Band | None,
) -> None:
    found = judge(value, direction, norm, alert, target, band)
    low, high = SEVERITY_RANGE[found.status]
    assert low <= found.severity <= high


@pytest.mark.parametrize(
    ("value", "norm", "alert", "severity"),
    [
        pytest.param("0", "10", "20", 0.0, id="green"),
        pytest.param("15", "10", "20", 1.5, id="half way to the alert"),
        pytest.param("20", "10", "20", 2.0, id="at the alert"),
        pytest.param("30", "10", "20", 3.0, id="one step beyond"),
        pytest.param("90", "10", "20", 5.0, id="seven steps beyond"),
        pytest.param("1e999", "10", "20", 10.0, id="beyond all measure"),
        pytest.param("60", None, "20", 2 + math.log2(3), id="steps of the alert itself"),
        pytest.param("3", None, "0", 4.0, id="an alert of zero has steps of one"),
        pytest.param("20", "10", None, 1.5, id="no alert, twice the norm"),
        pytest.param("1e999", "10", None, 2.0, id="no alert, beyond all measure"),
    ],
)
def test_severity_counts_steps_beyond_the_line(
    value: str, norm: str | None, alert: str | None, severity: float
) -> None:
    assert judge_lower(value, norm, alert).severity == pytest.approx(severity)


@pytest.mark.parametrize(
    ("severity", "step"), [(0.0, 0.0), (1.24, 1.0), (1.25, 1.5), (1.74, 1.5), (2.25, 2.5)]
)
def test_severity_is_shown_in_steps_of_one_half(severity: float, step: float) -> None:
    assert severity_step(severity) == step


@pytest.mark.parametrize(
    ("judgement", "reason"),
    [
        pytest.param(judge_lower("120", "7", "30"), "120 d is above alert 30 d", id="alert"),
        pytest.param(judge_lower("8", "7", "30"), "8 d is above norm 7 d", id="norm"),
        pytest.param(
            judge_lower("30.04", "7", "30"),
            "30 d is just above alert 30 d",
            id="too near to tell",
        ),
        pytest.param(
            judge(Decimal(40), HIGHER, Decimal(55), Decimal(45), None, None, unit="%"),
            "40 % is below alert 45 %",
            id="higher is better",
        ),
        pytest.param(
            judge(Decimal(80), IN_RANGE, Decimal(10), Decimal(25), Decimal(100), None, unit="%"),
            "80 % is 20 % away from the target of 100 %, above the norm of 10 %",
            id="in range",
        ),
        pytest.param(
            judge(Decimal(70), HIGHER, None, None, None, BAND, unit="%"),
            "70 % is 3 σ below typical 100 %",
            id="band",
        ),
        pytest.param(
            judge(Decimal(100), IN_RANGE, Decimal(10), None, None, None),
            "the range has no target to be measured from",
            id="range without target",
        ),
        pytest.param(
            judge(Decimal(70), HIGHER, Decimal(55), None, Decimal(65), None, unit="%"),
            "70 % meets the target of 65 %",
            id="target",
        ),
        pytest.param(judge_lower("3", "7", "30"), "3 d crosses no line", id="green"),
    ],
)
def test_the_reason_is_one_sentence_for_people(judgement: Judgement, reason: str) -> None:
    assert judgement.reason == reason
