"""The marts database as the API uses it: short, read-only but for operators, sometimes away."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from heartbeat.postgres_session import Session, begin, with_parameters
from heartbeat.schema.version import SchemaVersionError, require_version

_PATIENCE_SECONDS = 2.0
_CONNECT_SECONDS = "2"
_SETTINGS = {
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "repeatable read",
    "statement_timeout": "5s",
}

_READ_WRITE = b"set transaction isolation level read committed, read write"


class UnavailableError(Exception):
    """What a request needs does not answer now, or has a schema `heartbeat` of another version."""


class ApiSession(Session):
    """A session that requests wait for: a server that is frozen is away, too."""

    # longer than a statement may take, and much shorter than a load waits
    longest_silence = 7.0


class Database:
    """A small pool that connects on demand and again after a restart of the server."""

    def __init__(self, url: str) -> None:
        self._pool = ConnectionPool(
            with_parameters(url, connect_timeout=_CONNECT_SECONDS),
            connection_class=ApiSession,
            kwargs={"autocommit": True},
            configure=_configure,
            min_size=0,
            max_size=4,
            open=False,
            timeout=_PATIENCE_SECONDS,
            reconnect_timeout=_PATIENCE_SECONDS,
            check=ConnectionPool.check_connection,
        )

    def open(self) -> None:
        """Start the pool; the server need not be there yet."""
        self._pool.open(wait=False)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    @contextmanager
    def reading(self) -> Iterator[psycopg.Connection[Any]]:
        """One read-only transaction, consistent over its statements.

        Raises UnavailableError, whose message is the reason, when the read fails, or when the
        schema is of another version than this code.
        """
        with self._transaction() as connection:
            require_version(connection)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[psycopg.Connection[Any]]:
        """One transaction that may write; raises UnavailableError as `reading` does."""
        with self._transaction() as connection:
            connection.execute(_READ_WRITE)
            require_version(connection)
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            with self._pool.connection() as connection:
                yield connection
        except psycopg.Error as error:
            raise UnavailableError(reason_of(error)) from error
        except SchemaVersionError as error:
            raise UnavailableError(str(error)) from error


def connect_listener(url: str) -> ApiSession:
    """A session of its own, in autocommit; raises psycopg.Error."""
    parameters = with_parameters(url, connect_timeout=_CONNECT_SECONDS)
    session = ApiSession.connect(parameters, autocommit=True)
    begin(session)
    return session


def _configure(session: Session) -> None:
    begin(session, _SETTINGS)
    session.autocommit = False


def reason_of(error: psycopg.Error) -> str:
    """Why the database does not answer, on one line."""
    if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.InvalidSchemaName):
        return "the database has no schema heartbeat of this version yet"
    first_line = str(error).strip().partition("\n")[0]
    return f"the database does not answer: {first_line}"
