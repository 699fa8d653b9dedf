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
_LOCK_TIMEOUT = "30s"

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
    asked = {
        "schemas": [schema for schema, _ in tables],
        "tables": [table for _, table in tables],
    }
    with connection.transaction():
        found = connection.execute(_STATEMENTS["states"].encode(), asked).fetchall()
    return {(schema, table): TableState(*state) for schema, table, *state in found}


def hold(connection: Connection[Any], tables: Iterable[TableName]) -> None:
    """Lock tables before the transaction takes its snapshot, so that they stay what they are.

    LOCK TABLE is among the few statements that take none. A table that is not there is left out;
    raises HeldTableError for one that another session locks for too long or that may not be locked.
    """
    connection.execute(sql.SQL("set local lock_timeout = {}").format(_LOCK_TIMEOUT))
    for table in sorted(tables):
        try:
            with connection.transaction():
                name = sql.Identifier(*table)
                connection.execute(sql.SQL("lock table {} in access share mode").format(name))
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            continue
        except psycopg.errors.LockNotAvailable as error:
            raise HeldTableError(table, str(lock_wait(connection, table))) from error
        except psycopg.errors.InsufficientPrivilege as error:
            raise HeldTableError(table, " ".join(str(error).split())) from error
