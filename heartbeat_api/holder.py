"""The last good read of something, shared by any number of requests."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from heartbeat_api.database import UnavailableError

Value = TypeVar("Value")
Made = TypeVar("Made")

_logger = logging.getLogger(__name__)

_LIFETIME_SECONDS = 1.0
_OLDEST_SECONDS = 2.0
_PATIENCE_SECONDS = 5.0
_PATIENCE_WHILE_AWAY_SECONDS = 1.0


@dataclass(frozen=True)
class Reading(Generic[Value]):
    """What can be told now: the last good value, and why it is not fresh (None: it is)."""

    value: Value | None
    failure: str | None
    _made: dict[object, Any] = field(default_factory=dict, compare=False, repr=False)

    def required(self) -> Value:
        """The value; raises UnavailableError when there never was one."""
        if self.value is None:
            raise UnavailableError(self.failure)
        return self.value

    def fresh(self) -> Value:
        """The value; raises UnavailableError when the last read failed."""
        if self.failure is not None:
            raise UnavailableError(self.failure)
        return self.required()

    def made(self, make: Callable[..., Made], *of: Hashable) -> Made:
        """What `make` makes of this reading and `of` some more, the same for all who ask."""
        key = (make, *of)
        if key not in self._made:
            self._made[key] = make(self, *of)
        return cast(Made, self._made[key])


class Holder(Generic[Value]):
    """Holds the last good value and reads at most once per second, beside the requests.

    A request waits for a read only when what is held is older than two seconds, or nothing is. A
    failed read keeps the last good value and is not tried again within the second. `beforehand` is
    called with each reading before any request gets it, to make what requests will ask for.

    With `changed`, which says whether anything has changed since it was last called, no request
    gets a reading from before a change that was there when it asked: it waits for a look that
    begins after it, which all who ask meanwhile share, and for a read where the look found one.

    A request waits five seconds at most, and after a read that failed one: a server that is frozen
    must not keep it as long as a wall waits for an answer. It is then told the last good value, and
    that it is not fresh.
    """

    def __init__(
        self,
        read: Callable[[], Value],
        *,
        beforehand: Sequence[Callable[[Reading[Value]], object]] = (),
        changed: Callable[[], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._beforehand = beforehand
        self._changed = changed
        self._clock = clock
        self._lock = threading.Lock()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="holder")
        self._looker = ThreadPoolExecutor(1, thread_name_prefix="looks")
        self._held: Reading[Value] = Reading(None, None)
        self._began = float("-inf")
        self._going_on: Future[None] | None = None
        self._next_look: Future[None] | None = None
        self._behind = False
        """Whether a change was seen that no good read has followed yet."""

    def reading(self, patience_seconds: float | None = None) -> Reading[Value]:
        """The present reading; who has little patience may get an older one."""
        _, late = wait(self._awaited(), self._patience(patience_seconds))
        return self._told(late, patience_seconds)

    async def read(self, patience_seconds: float | None = None) -> Reading[Value]:
        """The present reading, without a thread of its own."""
        # a request that is given up must not take along what others wait for: no wait_for here
        awaited = self._awaited()
        if wrapped := [asyncio.wrap_future(each) for each in awaited]:
            await asyncio.wait(wrapped, timeout=self._patience(patience_seconds))
        return self._told(awaited, patience_seconds)

    def _patience(self, seconds: float | None) -> float:
        away = self._held.value is not None and self._held.failure is not None
        longest = _PATIENCE_WHILE_AWAY_SECONDS if away else _PATIENCE_SECONDS
        return longest if seconds is None else min(longest, seconds)

    def _told(
        self, awaited: Iterable[Future[None]], patience_seconds: float | None
    ) -> Reading[Value]:
        with self._lock:
            late = any(not each.done() for each in awaited)
            if late and patience_seconds is None and self._held.failure is None:
                failure = f"the database has not answered for {_PATIENCE_SECONDS:g} s"
                self._held = Reading(self._held.value, failure)
                self._behind = True
            return self._held

    def _awaited(self) -> list[Future[None]]:
        """What a request must wait for; begins a read when it is time, and a look if need be."""
        with self._lock:
            age = self._clock() - self._began
            if age >= _LIFETIME_SECONDS and self._going_on is None:
                self._going_on = self._reader.submit(self._renew)
            going_on = [self._going_on] if self._going_on and age >= _OLDEST_SECONDS else []
            return [*going_on, *self._look_due(age)]

    def _look_due(self, age: float) -> list[Future[None]]:
        if self._changed is None or (self._held.failure and age < _LIFETIME_SECONDS):
            return []
        if self._next_look is None:
            self._next_look = self._looker.submit(self._look, self._changed)
        return [self._next_look]

    def _look(self, changed: Callable[[], bool]) -> None:
        with self._lock:
            self._next_look = None  # who asks from here on needs a look of their own
        try:
            self._behind = changed() or self._behind
        except UnavailableError as unavailable:
            self._behind = True
            with self._lock:
                self._held = Reading(self._held.value, str(unavailable))
                self._began = self._clock()
            return
        if self._behind:
            self._behind = self.renewed().failure is not None

    def renewed(self) -> Reading[Value]:
        """A reading that began after this call: for the caller who has just written something."""
        self._reader.submit(self._renew).result()
        return self._held

    def close(self) -> None:
        """Read no more."""
        self._looker.shutdown()
        self._reader.shutdown()

    def _renew(self) -> None:
        began = self._clock()
        held = self._next_reading()
        for make in self._beforehand:
            try:
                make(held)
            except Exception:  # who asks for it makes it again, and hears why it cannot be made
                _logger.exception("Nothing could be made beforehand of a reading")
        with self._lock:
            self._held, self._began, self._going_on = held, began, None

    def _next_reading(self) -> Reading[Value]:
        try:
            return Reading(self._read(), None)
        except UnavailableError as unavailable:
            return Reading(self._held.value, str(unavailable))
        except Exception as error:
            _logger.exception("A read failed in a way that nobody foresaw")
            return Reading(self._held.value, f"{type(error).__name__}: {error}")
