"""Whether a server is away, remembered so that not every request waits to find out."""

import time
from collections.abc import Callable

import psycopg

from heartbeat_api.session_pool import connect_alone

_REMEMBERED_SECONDS = 1.0


class Absence:
    """Of one server: once it did not answer, it is asked whether it is back before it is used.

    A pool of connections waits for one to come back; a connection that is refused says so at once.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._noticed: tuple[float, str] | None = None

    def notice(self, error: psycopg.OperationalError) -> None:
        """The server did not answer."""
        self._noticed = self._clock(), str(error)

    def check(self) -> None:
        """Raise psycopg.OperationalError while the server is away."""
        if self._noticed is None:
            return
        at, reason = self._noticed
        if self._clock() - at < _REMEMBERED_SECONDS:
            raise psycopg.OperationalError(reason)
        try:
            connect_alone(self._url).close()
        except psycopg.OperationalError as error:
            self.notice(error)
            raise
        self._noticed = None
