from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heartbeat.judgement.signal import Shown, Signal, State, fold, since
from heartbeat.judgement.status import Status

RED, AMBER, GREEN = Status
OK, NO_DATA, ERROR = Signal
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("last_good", "last_error", "shown"),
    [
        pytest.param(None, None, Shown(NO_DATA, AMBER), id="never computed"),
        pytest.param(None, "boom", Shown(ERROR, AMBER), id="only failures so far"),
        *(pytest.param(status, None, Shown(OK, status), id=f"{status} value") for status in Status),
        *(
            pytest.param(status, "boom", Shown(ERROR, status), id=f"{status} value, then a failure")
            for status in Status
        ),
        pytest.param(RED, "", Shown(ERROR, RED), id="an error without text"),
    ],
)
def test_a_compute_folds_into_signal_and_status(
    last_good: Status | None, last_error: str | None, shown: Shown
) -> None:
    assert fold(last_good, last_error) == shown


@pytest.mark.parametrize("error", [None, "boom"], ids=["ok", "failed"])
def test_an_error_never_makes_a_red_disappear(error: str | None) -> None:
    assert fold(RED, error).status is RED


def history(*states: tuple[Status, Signal]) -> list[State]:
    return [
        State(START + timedelta(days=day), status, signal)
        for day, (status, signal) in enumerate(states)
    ]


@pytest.mark.parametrize(
    ("states", "day"),
    [
        pytest.param([(RED, OK)], 0, id="one state"),
        pytest.param([(GREEN, OK), (RED, OK), (RED, OK)], 1, id="red for two days"),
        pytest.param([(RED, OK), (GREEN, OK), (RED, OK)], 2, id="red again"),
        pytest.param(
            [(RED, OK), (RED, ERROR), (RED, OK)], 0, id="a failure does not restart a red"
        ),
        pytest.param([(RED, OK), (RED, ERROR), (RED, ERROR)], 1, id="failing since the failure"),
        pytest.param([(RED, ERROR), (AMBER, ERROR)], 0, id="failing while the lines were edited"),
        pytest.param([(AMBER, NO_DATA), (AMBER, OK)], 1, id="no data is not amber"),
        pytest.param(
            [(AMBER, NO_DATA), (AMBER, ERROR), (AMBER, OK)], 2, id="failing first is not amber"
        ),
        pytest.param([(AMBER, NO_DATA), (AMBER, NO_DATA)], 0, id="no data since the start"),
        pytest.param([(AMBER, NO_DATA), (AMBER, ERROR)], 1, id="first compute failed"),
    ],
)
def test_since_is_the_start_of_the_present_state(
    states: list[tuple[Status, Signal]], day: int
) -> None:
    assert since(history(*states)) == START + timedelta(days=day)


def test_without_states_there_is_no_since() -> None:
    assert since([]) is None


states = st.lists(st.sampled_from(list(product(Status, Signal))), min_size=1, max_size=8).map(
    lambda pairs: history(*pairs)
)


@given(states)
def test_repeating_the_present_state_does_not_move_its_start(states: list[State]) -> None:
    last = states[-1]
    repeated = State(last.at + timedelta(days=1), last.status, last.signal)
    assert since([*states, repeated]) == since(states)


@given(states)
def test_since_is_the_time_of_a_state_with_the_present_signal(states: list[State]) -> None:
    signals = {state.at: state.signal for state in states}
    start = since(states)
    assert start is not None
    assert signals[start] is states[-1].signal
