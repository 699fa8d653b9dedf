"""Hears from the database that a number is new, so that nobody is told an old one."""

import threading
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import Notify

from heartbeat_api.database import UnavailableError, connect_listener, reason_of

_LISTEN = "listen heartbeat_changed"
_LOOK_SECONDS = 0.1
_QUIET_SECONDS = 1.0


class Changes:
    """Tells whether anything was committed since the last time that it was asked.

    Postgres hands a listening session what was notified before it answers the session's next
    statement, so that a change whose commit anybody has seen is never missed.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._connection: psycopg.Connection[Any] | None = None
        self._heard: list[Notify] = []

    def since_last_asked(self) -> bool:
        """Also true when that is not known, as after a lost connection; UnavailableError."""
        try:
            return self._connected() or self._has_heard()
        except psycopg.Error:
            self.close()  # one that was lost between two questions says nothing of the next
        try:
            return self._connected()
        except psycopg.OperationalError as error:
            raise UnavailableError(reason_of(error)) from error
        except psycopg.Error:
            return True  # nobody may listen here, as on a standby: then every question reads anew

    def close(self) -> None:
        """Listen no more until asked again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> bool:
        """Whether it had to connect."""
        if self._connection is not None:
            return False
        self._connection = _listening(self._database_url)
        self._connection.add_notify_handler(self._heard.append)
        return True

    def _has_heard(self) -> bool:
        assert self._connection is not None
        self._connection.execute("select 1")
        heard = bool(self._heard)
        self._heard.clear()
        return heard


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
        with _listening(self._database_url) as connection:
            while not self._closed.is_set():
                if any(connection.notifies(timeout=_LOOK_SECONDS, stop_after=1)):
                    self._when_changed()
                    self._closed.wait(_QUIET_SECONDS)


def _listening(database_url: str) -> psycopg.Connection[Any]:
    connection = connect_listener(database_url)
    try:
        connection.execute(_LISTEN)
    except psycopg.Error:
        connection.close()
        raise
    return connection
