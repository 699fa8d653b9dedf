"""Hears from the database that a number is new, so that nobody is told an old one."""

import logging
import threading
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import Notify

from heartbeat.postgres_session import begin
from heartbeat.shared_session import shares_sessions
from heartbeat.sql import platform_statements
from heartbeat_api.database import UnavailableError, reason_of
from heartbeat_api.session_pool import connect_alone

_LISTEN = "listen heartbeat_changed"
_COMMITTED = platform_statements("standby")["committed"].encode()
_LOOK_SECONDS = 0.1
_QUIET_SECONDS = 1.0

_logger = logging.getLogger(__name__)


class Changes:
    """Tells whether anything was committed since the last time that it was asked.

    Postgres hands a listening session what was notified before it answers the session's next
    statement, so that a change whose commit anybody has seen is never missed. Through a pooler that
    shares sessions nobody can listen: there it is asked whether any transaction has ended. Where a
    standby is read, reads go on `without_primary`, and each one reads anew.
    """

    def __init__(self, database_url: str, *, without_primary: bool = False) -> None:
        self._database_url = database_url
        self._without_primary = without_primary
        self._connection: psycopg.Connection[Any] | None = None
        self._listens = True
        self._heard: list[Notify] = []
        self._committed: str | None = None

    def since_last_asked(self) -> bool:
        """Also true when that is not known, as after a lost connection; UnavailableError."""
        try:
            return self._connected() or self._has_changed()
        except psycopg.Error:
            self.close()  # one that was lost between two questions says nothing of the next
        try:
            return self._connected()
        except psycopg.OperationalError as error:
            if self._without_primary:
                return True
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
        self._connection, self._listens = _listening(self._database_url)
        self._connection.add_notify_handler(self._heard.append)
        return True

    def _has_changed(self) -> bool:
        return self._has_heard() if self._listens else self._has_committed()

    def _has_heard(self) -> bool:
        assert self._connection is not None
        self._connection.execute("select 1")
        heard = bool(self._heard)
        self._heard.clear()
        return heard

    def _has_committed(self) -> bool:
        assert self._connection is not None
        before, row = self._committed, self._connection.execute(_COMMITTED).fetchone()
        self._committed = row[0] if row else None
        return self._committed != before


class ChangeListener:
    """Calls back when history has changed: at once, then at most once per second.

    Also when the database is there, at first or again.
    """

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
        connection, listens = _listening(self._database_url)
        with connection:
            self._when_changed()
            if listens:
                self._wait_for_notices(connection)
            else:
                self._ask_every_second(connection)

    def _wait_for_notices(self, connection: psycopg.Connection[Any]) -> None:
        while not self._closed.is_set():
            if any(connection.notifies(timeout=_LOOK_SECONDS, stop_after=1)):
                self._when_changed()
                self._closed.wait(_QUIET_SECONDS)

    def _ask_every_second(self, connection: psycopg.Connection[Any]) -> None:
        _logger.warning(
            "HEARTBEAT_DATABASE_URL leads through a pooler that shares sessions, through which "
            "nobody can listen: the API asks for changes instead"
        )
        known = None
        while not self._closed.wait(_QUIET_SECONDS):
            now = connection.execute(_COMMITTED).fetchone()
            if now != known:
                known = now
                self._when_changed()


def _listening(database_url: str) -> tuple[psycopg.Connection[Any], bool]:
    """A connection, and whether it listens; through a pooler that shares sessions none can."""
    connection = connect_alone(database_url)
    try:
        if shares_sessions(connection, database_url):
            return connection, False
        begin(connection)
        connection.execute(_LISTEN)
    except BaseException:
        connection.close()
        raise
    return connection, True
