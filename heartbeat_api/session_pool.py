"""Sessions for requests: short transactions that say themselves what they depend on.

Nothing is set for longer than a transaction, and nothing is prepared: the next one may be carried
out by another session of the server, where a pooler such as PgBouncer stands between.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool

from heartbeat.postgres_session import Session, set_session, with_parameters

_PATIENCE_SECONDS = 2.0
_CONNECT_SECONDS = "2"
_CHECK_SECONDS = 2.0
_SETTINGS = {
    "statement_timeout": "5s",
    # another client of a pooler may have left the session in a role of its own
    "role": "none",
}


def _beginning(mode: str) -> bytes:
    settings = set_session(_SETTINGS, local=True).as_bytes(None)
    return b"begin transaction isolation level %b; " % mode.encode() + settings


_READING = _beginning("repeatable read, read only")
_WRITING = _beginning("read committed, read write")


class ApiSession(Session):
    """A session that requests wait for: a server that is frozen is away, too."""

    # longer than a statement may take, and much shorter than a load waits
    longest_silence = 6.0


class SessionPool:
    """A small pool that connects on demand and again after a restart of the server."""

    def __init__(self, url: str) -> None:
        self._pool = ConnectionPool(
            with_parameters(url, connect_timeout=_CONNECT_SECONDS),
            connection_class=ApiSession,
            kwargs={"autocommit": True, "prepare_threshold": None},
            min_size=0,
            max_size=4,
            open=False,
            timeout=_PATIENCE_SECONDS,
            reconnect_timeout=_PATIENCE_SECONDS,
            check=_check,
        )

    def open(self) -> None:
        """Start the pool; the server need not be there yet."""
        self._pool.open(wait=False)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    @contextmanager
    def session(self) -> Iterator[Connection[Any]]:
        """A session in autocommit; what begins in it ends with it. Raises psycopg.Error."""
        with self._pool.connection() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection[Any]]:
        """One transaction that may write; raises psycopg.Error."""
        with self.session() as connection:
            connection.execute(_WRITING)
            yield connection


def begin_reading(connection: Connection[Any]) -> None:
    """Begin a read-only transaction, consistent over its statements, in a session of a pool."""
    connection.execute(_READING)


def connect_alone(url: str) -> ApiSession:
    """A session outside any pool, in autocommit, for small questions; raises psycopg.Error."""
    parameters = with_parameters(url, connect_timeout=_CONNECT_SECONDS)
    session = ApiSession.connect(parameters, autocommit=True, prepare_threshold=None)
    session.longest_silence = _CHECK_SECONDS
    return session


def _check(session: ApiSession) -> None:
    """Whether a session still answers: a frozen server must not cost the wait for a whole read."""
    session.longest_silence = _CHECK_SECONDS
    ConnectionPool.check_connection(session)
    session.longest_silence = ApiSession.longest_silence
