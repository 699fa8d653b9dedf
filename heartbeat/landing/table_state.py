"""Whether tables still are what they were when a snapshot began, or when they were last read.

A snapshot sees rows as of its moment, but the file of a table as it is when it is read: a table
that was truncated in between looks empty, one that was rewritten too. And from one load to the
next a name may pass to another table or column, which no cursor tells.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import psycopg
from psycopg import Connection, sql

from heartbeat.errors import HeartbeatError
from heartbeat.landing.lock_wait import lock_wait
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("table_state")
_KNOWS_TRANSACTION_TIMEOUT = 17_00_00
_WAITS = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.QueryCanceled,
)

TableName = tuple[str, str]
"""Schema and table in the source."""


@dataclass(frozen=True)
class TableState:
    """What a table is in the source; each text is another one once what it tells of is another."""

    rows: str
    """Of what holds the rows: the files of the table and of its parts."""
    columns: Mapping[str, str]
    """Of what gives the values of each column their meaning, by its name in the source."""

    @classmethod
    def of(cls, kept: Mapping[str, Any] | None) -> Self | None:
        """The state that a ledger keeps; None where it does not know."""
        return cls(kept["rows"], kept["columns"]) if kept else None

    def kept(self) -> Mapping[str, Any]:
        """What a ledger keeps."""
        return {"rows": self.rows, "columns": dict(self.columns)}

    def continues(self, earlier: Self, columns: Iterable[str]) -> bool:
        """Whether rows read earlier are of this table, with the same meaning in the columns.

        Of a column that was not there earlier there is nothing that could mean something else.
        """
        return self.rows == earlier.rows and all(
            earlier.columns.get(name, self.columns[name]) == self.columns[name] for name in columns
        )


class HeldTableError(HeartbeatError):
    """A table that must not be rewritten while it is read cannot be locked."""

    def __init__(self, table: TableName, reason: str) -> None:
        super().__init__(
            f"{'.'.join(table)} was truncated or rewritten while it was read, and cannot be locked "
            f"for the next try: {reason}"
        )
        self.table = table


def table_states(
    connection: Connection[Any], tables: Collection[TableName]
) -> Mapping[TableName, TableState]:
    """The state of each table that is there, in one query."""
    with connection.transaction():
        found = connection.execute(_STATEMENTS["states"].encode(), _asked(tables)).fetchall()
    return {(schema, table): TableState(*state) for schema, table, *state in found}


def hold(connection: Connection[Any], tables: Iterable[TableName]) -> None:
    """Lock tables before the transaction takes its snapshot, so that they stay what they are.

    LOCK TABLE is among the few statements that take none, and SET is another. A table that is not
    there is left out; raises HeldTableError for one that cannot be locked, whatever keeps it.
    """
    # what the role or the database says of these would end the wait for a reason of its own
    for setting, value in _lock_wait_settings(connection).items():
        connection.execute(sql.SQL("set local {} = {}").format(sql.Identifier(setting), value))
    for table in sorted(tables):
        try:
            with connection.transaction():
                name = sql.Identifier(*table)
                connection.execute(sql.SQL("lock table {} in access share mode").format(name))
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            continue
        except psycopg.Error as error:
            if connection.closed:
                raise
            raise HeldTableError(table, _reason(connection, table, error)) from error


def _lock_wait_settings(connection: Connection[Any]) -> Mapping[str, str]:
    settings = {"lock_timeout": "30s", "statement_timeout": "0"}
    if connection.info.server_version < _KNOWS_TRANSACTION_TIMEOUT:
        return settings
    return settings | {"transaction_timeout": "0"}


def held_tables(connection: Connection[Any], tables: Collection[TableName]) -> set[TableName]:
    """Those of the tables that this session has locked with all their parts.

    A part may come between the lock of a table and the snapshot.
    """
    if not tables:
        return set()
    return {*connection.execute(_STATEMENTS["held"], _asked(tables)).fetchall()}


def _asked(tables: Collection[TableName]) -> Mapping[str, list[str]]:
    return {
        "schemas": [schema for schema, _ in tables],
        "tables": [table for _, table in tables],
    }


def _reason(connection: Connection[Any], table: TableName, error: psycopg.Error) -> str:
    if isinstance(error, _WAITS):
        return str(lock_wait(connection, table))
    return " ".join(str(error).split())
