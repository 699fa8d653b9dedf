"""Whether a metric speaks at all: a value, no data yet, or a compute that failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import takewhile

from heartbeat.judgement.status import Status


class Signal(StrEnum):
    """The outcome of the last compute; independent of the status of the last good value."""

    OK = "ok"
    NO_DATA = "no_data"
    ERROR = "error"


@dataclass(frozen=True)
class Shown:
    """What the wall shows of a metric's last compute."""

    signal: Signal
    status: Status


@dataclass(frozen=True)
class State:
    """What was shown from the moment `at` on."""

    at: datetime
    status: Status
    signal: Signal


def fold(last_good: Status | None, last_error: str | None) -> Shown:
    """The signal and the status to show.

    `last_good` is the status of the last value that was computed, None when there was none ever;
    `last_error` is the error of the last compute, None when it succeeded. A failure keeps the
    status of the last good value, so that an error never makes a red disappear; without any value
    the status is amber.
    """
    status = last_good or Status.AMBER
    if last_error is not None:
        return Shown(Signal.ERROR, status)
    return Shown(Signal.OK if last_good else Signal.NO_DATA, status)


def since(states: Sequence[State]) -> datetime | None:
    """Start of the present state; None without states, which must be in order of time.

    A metric that computes is in its present state since its status last changed: failures in
    between, which keep the status, do not restart it, so that one failed compute never turns
    "red 87 d" into a new red. A metric that has no data or fails is in that state since its
    signal last changed.
    """
    return _start(states).at if states else None


def is_older_than_known(states: Sequence[State]) -> bool:
    """Whether the present state is the first that is known: then it may have begun earlier."""
    return bool(states) and _start(states) is states[0]


def _start(states: Sequence[State]) -> State:
    present = states[-1]
    same = _same_status if present.signal is Signal.OK else _same_signal
    run = list(takewhile(lambda state: same(state, present), reversed(states)))
    while run[-1].signal is not present.signal:
        run.pop()
    return run[-1]


def _same_status(state: State, present: State) -> bool:
    return state.status is present.status and state.signal is not Signal.NO_DATA


def _same_signal(state: State, present: State) -> bool:
    return state.signal is present.signal
