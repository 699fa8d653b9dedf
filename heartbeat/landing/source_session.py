"""One read-only snapshot of a source database."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import Connection, sql

from heartbeat.connection_string import without_password
from heartbeat.duration import seconds_of
from heartbeat.errors import HeartbeatError, SourceUnreachableError
from heartbeat.landing.catalog import Catalog, Table
from heartbeat.landing.landed_write import COPY_OPTIONS
from heartbeat.landing.lock_wait import naming_lock_holders
from heartbeat.landing.money import MoneyUnclearError, read_money_as_meant
from heartbeat.landing.reflection import Reflection, reflect
from heartbeat.landing.row_text import source_column, source_hash
from heartbeat.landing.source_rows import source_rows
from heartbeat.landing.table_state import TableName, TableState, held_tables, hold, table_states
from heartbeat.postgres_session import (
    Session,
    SilentServerError,
    set_session,
    with_parameters,
)
from heartbeat.settings import Settings
from heartbeat.source import SourceFile, connection_url
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("reflection")
_ROW_BYTES = 64
"""A low guess, for tables whose rows the source never counted."""
_LOST_STATES = {"40001", "57P01", "57P02", "57P03"}
_PATIENCE = {
    "lock_timeout": "30s",
    # a read that a policy would filter fails, where it would else be taken for the whole table
    "row_security": "off",
    "idle_in_transaction_session_timeout": "15min",
    # rows come in the order of last time, and one load takes one of the source's processors
    "synchronize_seqscans": "off",
    "max_parallel_workers_per_gather": "0",
}


class CopyData:
    """The result of a query as binary COPY data, in chunks, to be read once.

    A query that fails raises psycopg's error and leaves the snapshot open for others.
    """

    rows = 0
    """How many there were, once all is read."""

    def __init__(self, connection: Connection[Any], query: sql.Composable) -> None:
        self._connection = connection
        self._query = query

    def __iter__(self) -> Iterator[bytes | bytearray | memoryview]:
        copy = sql.SQL("copy ({}) to stdout {}").format(self._query, COPY_OPTIONS)
        with self._connection.transaction(), self._connection.cursor() as cursor:
            with cursor.copy(copy) as data:
                yield from data
            self.rows = cursor.rowcount


class TableData(CopyData):
    """The same of a table; raises LockWaitError where another session locks it for too long."""

    def __init__(
        self, connection: Connection[Any], query: sql.Composable, table: tuple[str, str]
    ) -> None:
        super().__init__(connection, query)
        self._table = table

    def __iter__(self) -> Iterator[bytes | bytearray | memoryview]:
        with naming_lock_holders(self._connection, self._table):
            yield from super().__iter__()


class SourceSession:
    """A connection inside one REPEATABLE READ READ ONLY transaction: all tables of one moment."""

    def __init__(
        self,
        connection: Connection[Any],
        file: SourceFile,
        begun_at: datetime,
        held: Collection[TableName],
    ) -> None:
        self._connection = connection
        self._file = file
        self._held = held_tables(connection, held)
        self.polled_at = begun_at
        """Not later than the snapshot, by this machine's clock; of a copy, what it has replayed."""
        self._states: dict[TableName, TableState] = {}
        self._unclear_money = read_money_as_meant(connection)
        if file.replayed_until:
            self.polled_at = min(self.polled_at, self._replayed_until(file.replayed_until))

    def reflection(self, recorded: Catalog | None = None) -> Reflection:
        """What the source has in this snapshot, unusable tables among it."""
        return reflect(self._connection, self._file, recorded)

    def catalog(self) -> Catalog:
        """The source's tables in this snapshot; raises what keeps one of them from being landed."""
        return self.reflection().catalog()

    def look_at(self, tables: Iterable[Table]) -> None:
        """Read what the tables are in this snapshot, in one query, before any is read."""
        names = {(table.schema_name, table.name) for table in tables}
        self._states |= table_states(self._connection, names)

    def state(self, table: Table) -> TableState:
        """What a table that was looked at is; raises HeartbeatError where it was not there."""
        state = self._states.get((table.schema_name, table.name))
        if state is None:
            raise HeartbeatError(f"{table.qualified_name} took its name while it was read")
        return state

    def copy_rows(self, table: Table, condition: sql.Composable | None = None) -> CopyData:
        """The rows of a table that meet the condition; all of them without one."""
        return self._copy(table, map(source_column, table.columns), condition)

    def copy_hashes(self, table: Table) -> CopyData:
        """The key and the hash of every row."""
        return self._copy(table, [*map(source_column, table.key_columns), source_hash(table)], None)

    def estimated_rows(self, table: Table) -> int:
        """How many rows the table has, as far as the source knows without counting."""
        names = {
            "table": sql.Identifier(table.schema_name, table.name).as_string(self._connection),
            "with_children": table.with_children,
        }
        with (
            naming_lock_holders(self._connection, (table.schema_name, table.name)),
            self._connection.transaction(),
        ):
            row = self._connection.execute(_STATEMENTS["size"], names).fetchone()
        assert row is not None
        size, rows = row
        return int(rows if rows >= 0 else (size or 0) // _ROW_BYTES)

    def first_row(self, query: sql.Composed) -> tuple[Any, ...] | None:
        """The first row of a query; None when it has no row."""
        with self._connection.transaction():
            return self._connection.execute(query).fetchone()

    def rewritten(self, tables: Collection[Table]) -> set[TableName]:
        """End the snapshot; those of the tables that are others than when it began.

        What was read was locked until this moment, so a change that is seen came before it was
        read, or just now: to read again is right in either case. What was held all the time needs
        no look, and another session may be waiting to change it.
        """
        names = {(table.schema_name, table.name) for table in tables} - self._held
        # the same connection leads to the same server, and a role may have only one
        self._connection.commit()
        _begin_transaction(self._connection, self._file)
        now = table_states(self._connection, names)
        return {name for name in names if self._states.get(name) != now.get(name)}

    def _replayed_until(self, query: str) -> datetime:
        row = self._connection.execute(f"select ({query})::timestamptz".encode()).fetchone()
        assert row is not None
        return row[0] or self.polled_at

    def _copy(
        self, table: Table, values: Iterable[sql.Composable], condition: sql.Composable | None
    ) -> CopyData:
        name = (table.schema_name, table.name)
        if name in self._unclear_money:
            raise MoneyUnclearError(table.qualified_name)
        query = sql.SQL("select {} from {}").format(sql.SQL(", ").join(values), source_rows(table))
        if condition is not None:
            query = sql.SQL("{} where {}").format(query, condition)
        return TableData(self._connection, query, name)


@contextmanager
def source_session(
    source_name: str, file: SourceFile, held: Iterable[TableName] = ()
) -> Iterator[SourceSession]:
    """Open a snapshot of the source in which the tables `held` stay what they are.

    Raises SourceUnreachableError without the URL's password.
    """
    url = connection_url(source_name, file)
    try:
        connection = Session.connect(with_parameters(url))
    except psycopg.OperationalError as error:
        raise SourceUnreachableError(
            f"source {source_name}: cannot connect with {file.connection_env}: "
            f"{without_password(str(error), url)}"
        ) from None
    connection.longest_silence = file.silence_timeout_seconds or seconds_of(
        Settings.load().landing_silence
    )
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    held = set(held)
    # a transaction that begins with the first statement, so that it can end before the connection
    with connection:
        hold(connection, held)
        begun_at = datetime.now(UTC)
        _begin_transaction(connection, file)
        try:
            session = SourceSession(connection, file, begun_at, held)
        except (psycopg.ProgrammingError, psycopg.DataError) as error:
            raise SourceUnreachableError(
                f"source {source_name}: replayed_until: {error.diag.message_primary}; "
                "it must be one query for one timestamptz"
            ) from None
        yield session


def _begin_transaction(connection: Connection[Any], file: SourceFile) -> None:
    """Make the settings of a session hold for the transaction."""
    settings = {**_PATIENCE, "statement_timeout": file.statement_timeout_ms}
    connection.execute(set_session(settings, local=True))


def is_lost(error: psycopg.Error) -> bool:
    """Whether the snapshot is gone through no fault of a table: another one may do.

    So it is when the server went away, and when a standby cancels a read that stands in the way of
    what it replays.
    """
    state = error.sqlstate
    if isinstance(error, SilentServerError):
        return False
    return isinstance(error, psycopg.OperationalError) and (
        state is None or state[:2] == "08" or state in _LOST_STATES
    )


def is_conflict(error: psycopg.Error) -> bool:
    """Whether a standby cancelled the read because it stood in the way of what it replays."""
    return error.sqlstate == "40001"
