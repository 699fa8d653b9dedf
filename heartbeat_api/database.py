"""The marts database as the API uses it: short, read-only but for operators, sometimes away."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import psycopg

from heartbeat.postgres_session import SilentServerError
from heartbeat.schema.version import SchemaVersionError, require_version
from heartbeat_api.absence import Absence
from heartbeat_api.session_pool import SessionPool, begin_reading
from heartbeat_api.standby import Position, Standby, read_position

Answer = TypeVar("Answer")


class UnavailableError(Exception):
    """What a request needs does not answer now, or has a schema `heartbeat` of another version."""


class BrokenReadError(UnavailableError):
    """A read broke off: its session was ended, or stood in the way of what the standby replays.

    Read once more, it has another session, of the primary where a standby broke it off.
    """


class Database:
    """Marts: one server, or a primary with a standby that is read where it is as new.

    Every read asks the primary first how far its log has come, so that a standby is never seen to
    be older than what anybody was told. Without a primary it is read as of what was asked last.
    """

    def __init__(self, url: str, standby_url: str | None = None) -> None:
        self._primary = SessionPool(url)
        self._standby = Standby(standby_url) if standby_url else None
        self._absence = Absence(url)
        self._position: Position | None = None

    @property
    def has_standby(self) -> bool:
        """Whether reads can go on without the primary."""
        return self._standby is not None

    def open(self) -> None:
        """Start the pools; the servers need not be there yet."""
        for pool in (self._primary, self._standby):
            if pool is not None:
                pool.open()

    def close(self) -> None:
        """Close every connection."""
        for pool in (self._primary, self._standby):
            if pool is not None:
                pool.close()

    @contextmanager
    def reading(self) -> Iterator[psycopg.Connection[Any]]:
        """One read-only transaction, consistent over its statements.

        Raises UnavailableError, whose message is the reason, when the read fails, or when the
        schema is of another version than this code.
        """
        with ExitStack() as opened:
            connection = self._replayed(opened)
            if connection is None:
                connection = opened.enter_context(self.reading_primary())
                yield connection
                return
            try:
                with _unavailable_version():
                    require_version(connection)
                yield connection
            except psycopg.Error as error:
                assert self._standby is not None
                self._standby.failed(error)
                raise BrokenReadError(reason_of(error)) from error

    @contextmanager
    def reading_primary(self) -> Iterator[psycopg.Connection[Any]]:
        """The same for what a standby does not know, such as who holds a lock."""
        with (
            _unavailable(),
            self._asked(),
            self._primary.session() as connection,
            _broken_off(connection),
        ):
            begin_reading(connection)
            with _unavailable_version():
                require_version(connection)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[psycopg.Connection[Any]]:
        """One transaction that may write; raises UnavailableError as `reading` does."""
        with (
            _unavailable(only_primary=self.has_standby),
            self._asked(),
            self._primary.writing() as connection,
        ):
            with _unavailable_version():
                require_version(connection)
            yield connection

    def _replayed(self, opened: ExitStack) -> psycopg.Connection[Any] | None:
        """A transaction of the standby; None: read the primary."""
        if self._standby is None:
            return None
        try:
            with self._asked(), self._primary.session() as connection:
                self._position = read_position(connection)
            alone = False
        except psycopg.Error:
            alone = True
        return self._standby.reading(opened, self._position, alone=alone)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """The primary is used; where reads go on without it, none waits long for it."""
        if self._standby is None:
            yield
            return
        self._absence.check()
        try:
            yield
        except psycopg.OperationalError as error:
            self._absence.notice(error)
            raise


def read_again(read: Callable[[], Answer]) -> Answer:
    """What `read` gives, once more where it broke off; raises UnavailableError."""
    try:
        return read()
    except BrokenReadError:
        return read()


@contextmanager
def _unavailable(*, only_primary: bool = False) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        reason = reason_of(error)
        if only_primary:
            reason = f"this needs the primary database, reads go on without it: {reason}"
        raise UnavailableError(reason) from error


@contextmanager
def _broken_off(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """A read whose session the server has ended can be made in another one."""
    try:
        yield
    except psycopg.OperationalError as error:
        if connection.closed and not isinstance(error, SilentServerError):
            raise BrokenReadError(reason_of(error)) from error
        raise


@contextmanager
def _unavailable_version() -> Iterator[None]:
    try:
        yield
    except SchemaVersionError as error:
        raise UnavailableError(str(error)) from error


def reason_of(error: psycopg.Error) -> str:
    """Why the database does not answer, on one line."""
    if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.InvalidSchemaName):
        return "the database has no schema heartbeat of this version yet"
    first_line = str(error).strip().partition("\n")[0]
    return f"the database does not answer: {first_line}"
