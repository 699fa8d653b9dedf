"""Hears from the database that a number is new, so that no screen waits for its next read."""

import threading
from collections.abc import Callable

import psycopg

from heartbeat.postgres_session import connect

_LISTEN = "listen heartbeat_changed"
_LOOK_SECONDS = 0.1
_QUIET_SECONDS = 1.0


class ChangeListener:
    """Calls back when history has changed: at once, then at most once per second."""

    def __init__(self, database_url: str, when_changed: Callable[[], object]) -> None:
        self._database_url = database_url
        self._when_changed = when_changed
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="changes", daemon=True)

    def open(self) -> None:
        """Start to listen; the database need not be there yet."""
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._closed.set()
        self._thread.join()

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                self._hear()
            except psycopg.Error:
                # away: the reads of the requests say so, and this one comes back with it
                self._closed.wait(_QUIET_SECONDS)

    def _hear(self) -> None:
        with connect(self._database_url, autocommit=True, connect_timeout="2") as connection:
            connection.execute(_LISTEN)
            while not self._closed.is_set():
                if any(connection.notifies(timeout=_LOOK_SECONDS, stop_after=1)):
                    self._when_changed()
                    self._closed.wait(_QUIET_SECONDS)
