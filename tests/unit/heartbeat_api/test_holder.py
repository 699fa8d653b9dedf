"""One read a second for any number of requests, and the last good one while it cannot be read."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from heartbeat_api.database import UnavailableError
from heartbeat_api.holder import Holder, Reading


class Marts:
    """A database whose reads are counted and can be made to fail or to wait."""

    def __init__(self) -> None:
        self.reads = 0
        self.bug: Exception | None = None
        self.seconds = 0.0
        self.away = False
        self.gate = threading.Event()
        self.gate.set()
        self.done = threading.Semaphore(0)

    def read(self) -> str:
        try:
            assert self.gate.wait(10)
            self.reads += 1
            if self.bug:
                raise self.bug
            if self.away:
                raise UnavailableError("connection refused")
            return f"read {self.reads}"
        finally:
            self.done.release()

    def clock(self) -> float:
        return self.seconds


@pytest.fixture
def marts() -> Marts:
    return Marts()


@pytest.fixture
def holder(marts: Marts) -> Iterator[Holder[str]]:
    made = Holder(marts.read, clock=marts.clock)
    yield made
    made.close()


def test_all_readings_within_a_second_share_one_read(marts: Marts, holder: Holder[str]) -> None:
    assert {holder.reading().value for _ in range(50)} == {"read 1"}
    assert marts.reads == 1


def test_after_a_second_it_reads_again_beside_the_requests(
    marts: Marts, holder: Holder[str]
) -> None:
    holder.reading()
    marts.seconds = 1.0
    marts.gate.clear()
    assert {holder.reading().value for _ in range(50)} == {"read 1"}
    marts.gate.set()
    for _ in range(2):
        assert marts.done.acquire(timeout=10)
    marts.seconds = 1.9
    holder.close()
    assert holder.reading().value == "read 2"
    assert marts.reads == 2


def test_what_is_older_than_two_seconds_is_not_told(marts: Marts, holder: Holder[str]) -> None:
    holder.reading()
    marts.seconds = 2.0
    assert holder.reading().value == "read 2"


@pytest.mark.parametrize("held", ["read 1", None])
def test_a_read_that_takes_too_long_is_told_as_one_that_failed_until_it_is_there(
    marts: Marts, holder: Holder[str], monkeypatch: pytest.MonkeyPatch, held: str | None
) -> None:
    if held:
        holder.reading()
        marts.done.acquire()
    monkeypatch.setattr("heartbeat_api.holder._PATIENCE_SECONDS", 0.05)
    marts.seconds = 2.0
    marts.gate.clear()
    for told in (holder.reading(), asyncio.run(holder.read())):
        assert told == Reading(held, "the database has not answered for 0.05 s")
    marts.gate.set()
    marts.done.acquire()
    marts.seconds = 4.0
    assert holder.renewed().failure is None


def test_the_last_good_value_stays_with_the_reason_while_it_cannot_be_read(
    marts: Marts, holder: Holder[str]
) -> None:
    holder.reading()
    marts.seconds, marts.away = 2.0, True
    reading = holder.reading()
    assert (reading.value, reading.failure) == ("read 1", "connection refused")
    assert reading.required() == "read 1"
    with pytest.raises(UnavailableError, match="connection refused"):
        reading.fresh()


def test_a_failed_read_is_not_repeated_within_the_second(marts: Marts, holder: Holder[str]) -> None:
    marts.away = True
    assert {holder.reading().failure for _ in range(50)} == {"connection refused"}
    assert marts.reads == 1
    with pytest.raises(UnavailableError, match="connection refused"):
        holder.reading().required()


def test_the_reason_goes_when_it_can_be_read_again(marts: Marts, holder: Holder[str]) -> None:
    marts.away = True
    holder.reading()
    marts.seconds, marts.away = 2.0, False
    assert holder.reading().failure is None


def test_who_has_written_something_gets_a_read_that_began_after_it(
    marts: Marts, holder: Holder[str]
) -> None:
    holder.reading()
    assert holder.renewed().value == "read 2"
    assert holder.reading().value == "read 2"
    assert marts.reads == 2


def test_a_read_that_fails_unforeseen_keeps_the_last_good_value_and_says_so(
    marts: Marts, holder: Holder[str], caplog: pytest.LogCaptureFixture
) -> None:
    holder.reading()
    marts.seconds, marts.bug = 2.0, KeyError("v")
    reading = holder.reading()
    assert (reading.value, reading.failure) == ("read 1", "KeyError: 'v'")
    assert "in a way that nobody foresaw" in caplog.text
    marts.seconds, marts.bug = 4.0, None
    assert holder.reading().failure is None


def test_what_is_beforehand_costs_no_request_anything(marts: Marts) -> None:
    made: list[tuple[str, bool]] = []
    here = threading.current_thread()

    def page(reading: Reading[str]) -> str:
        made.append((str(reading.value), threading.current_thread() is here))
        return f"page of {reading.value}"

    holder = Holder(marts.read, beforehand=[lambda reading: reading.made(page)], clock=marts.clock)
    try:
        assert {holder.reading().made(page) for _ in range(50)} == {"page of read 1"}
        marts.seconds = 2.0
        assert holder.reading().made(page) == "page of read 2"
    finally:
        holder.close()
    assert made == [("read 1", False), ("read 2", False)]


def test_a_page_that_cannot_be_made_is_an_error_for_who_asks_and_reads_go_on(marts: Marts) -> None:
    def page(reading: Reading[str]) -> str:
        if reading.value == "read 1":
            raise ValueError("no template")
        return f"page of {reading.value}"

    holder = Holder(marts.read, beforehand=[lambda reading: reading.made(page)], clock=marts.clock)
    try:
        with pytest.raises(ValueError, match="no template"):
            holder.renewed().made(page)
        assert holder.renewed().made(page) == "page of read 2"
    finally:
        holder.close()


class Commits:
    """Tells of commits once, as a listening session does, and counts who looks."""

    def __init__(self) -> None:
        self.unheard = False
        self.away = False
        self.looks = 0
        self.gate = threading.Event()
        self.gate.set()
        self.looking = threading.Semaphore(0)

    def changed(self) -> bool:
        self.looks += 1
        self.looking.release()
        assert self.gate.wait(10)
        if self.away:
            raise UnavailableError("nobody listens")
        heard, self.unheard = self.unheard, False
        return heard


@pytest.fixture
def commits() -> Commits:
    return Commits()


@pytest.fixture
def current(marts: Marts, commits: Commits) -> Iterator[Holder[str]]:
    made = Holder(marts.read, changed=commits.changed, clock=marts.clock)
    yield made
    made.close()


def test_a_change_that_was_there_before_the_request_is_in_its_reading(
    marts: Marts, commits: Commits, current: Holder[str]
) -> None:
    assert {current.reading().value for _ in range(5)} == {"read 1"}
    commits.unheard = True
    assert {current.reading().value for _ in range(5)} == {"read 2"}
    assert asyncio.run(current.read()).value == "read 2"
    assert marts.reads == 2


def test_all_who_ask_during_a_look_share_the_next_one(
    commits: Commits, current: Holder[str]
) -> None:
    async def asked() -> set[str | None]:
        looking = asyncio.create_task(current.read())
        assert await asyncio.to_thread(commits.looking.acquire, timeout=10)
        rest = [asyncio.create_task(current.read()) for _ in range(8)]
        await asyncio.sleep(0)
        commits.unheard = True
        commits.gate.set()
        await looking
        return {(await each).value for each in rest}

    current.reading()
    assert commits.looking.acquire(timeout=10)
    commits.gate.clear()
    assert asyncio.run(asked()) == {"read 2"}
    assert commits.looks == 3


def test_a_change_whose_read_failed_is_read_as_soon_as_it_can_be(
    marts: Marts, commits: Commits, current: Holder[str]
) -> None:
    current.reading()
    commits.unheard, marts.away = True, True
    assert current.reading().failure == "connection refused"
    marts.away = False
    marts.seconds = 1.0
    assert current.reading().failure is None
    assert current.reading().value != "read 1"


def test_while_nobody_can_tell_of_changes_the_reading_says_why_it_is_not_fresh(
    marts: Marts, commits: Commits, current: Holder[str]
) -> None:
    current.reading()
    commits.away = True
    assert current.reading() == Reading("read 1", "nobody listens")
    commits.away = False
    marts.seconds = 1.0
    assert current.reading().failure is None


def test_a_look_that_takes_too_long_is_told_and_followed_by_a_read(
    marts: Marts, commits: Commits, current: Holder[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    current.reading()
    monkeypatch.setattr("heartbeat_api.holder._PATIENCE_SECONDS", 0.05)
    commits.gate.clear()
    late = current.reading()
    assert late == Reading("read 1", "the database has not answered for 0.05 s")
    monkeypatch.undo()
    commits.gate.set()
    marts.seconds = 1.0
    after = current.reading()
    assert after.failure is None
    assert after.value != "read 1"


def test_a_request_that_is_given_up_takes_nobody_along(
    commits: Commits, current: Holder[str]
) -> None:
    current.reading()
    commits.gate.clear()

    async def two() -> str | None:
        given_up, waits = (asyncio.create_task(current.read()) for _ in range(2))
        await asyncio.sleep(0)
        given_up.cancel()
        commits.gate.set()
        return (await waits).value

    assert asyncio.run(two()) == "read 1"
