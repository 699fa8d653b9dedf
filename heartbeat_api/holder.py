"""The last good read of something, shared by any number of requests."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from anyio import to_thread

from heartbeat_api.database import UnavailableError

Value = TypeVar("Value")

_LIFETIME_SECONDS = 1.0
_OLDEST_SECONDS = 2.0


@dataclass(frozen=True)
class Reading(Generic[Value]):
    """What can be told now: the last good value, and why it is not fresh (None: it is)."""

    value: Value | None
    failure: str | None

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


class Holder(Generic[Value]):
    """Holds the last good value and reads at most once per second, beside the requests.

    A request waits for a read only when what is held is older than two seconds, or nothing is. A
    failed read keeps the last good value and is not tried again within the second.
    """

    def __init__(
        self, read: Callable[[], Value], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="holder")
        self._held: Reading[Value] = Reading(None, None)
        self._began = float("-inf")
        self._going_on: Future[None] | None = None

    def reading(self, patience_seconds: float | None = None) -> Reading[Value]:
        """The present reading; who has little patience may get an older one."""
        awaited = self._awaited()
        if awaited is not None:
            wait([awaited], patience_seconds)
        return self._held

    async def read(self, patience_seconds: float | None = None) -> Reading[Value]:
        """The present reading, without a thread unless it must be waited for."""
        awaited = self._awaited()
        if awaited is not None:
            await to_thread.run_sync(wait, [awaited], patience_seconds)
        return self._held

    def _awaited(self) -> Future[None] | None:
        """The read that a request must wait for; begins one when it is time."""
        with self._lock:
            age = self._clock() - self._began
            if age >= _LIFETIME_SECONDS and self._going_on is None:
                self._going_on = self._reader.submit(self._renew)
            return self._going_on if age >= _OLDEST_SECONDS else None

    def renewed(self) -> Reading[Value]:
        """A reading that began after this call: for the caller who has just written something."""
        self._reader.submit(self._renew).result()
        return self._held

    def close(self) -> None:
        """Read no more."""
        self._reader.shutdown()

    def _renew(self) -> None:
        began = self._clock()
        held = self._held
        try:
            held = Reading(self._read(), None)
        except UnavailableError as unavailable:
            held = Reading(held.value, str(unavailable))
        finally:
            with self._lock:
                self._held, self._began, self._going_on = held, began, None


class LastRendering(Generic[Value]):
    """What was made of the last reading, for all who get that reading; at most a second old."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reading: Reading[Value] | None = None
        self._text = ""

    def of(self, reading: Reading[Value], render: Callable[[], str]) -> str:
        """The text of that reading."""
        with self._lock:
            if self._reading is not reading:
                self._reading, self._text = reading, render()
            return self._text
