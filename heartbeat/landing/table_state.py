"""Whether tables still are what they were when a snapshot began.

A snapshot sees rows as of its moment, but the file of a table as it is when it is read: a table
that was truncated in between looks empty, one that was rewritten too.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import psycopg
from psycopg import Connection, sql

from heartbeat.errors import HeartbeatError
from heartbeat.landing.lock_wait import lock_wait
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("table_state")
_LOCK_TIMEOUT = "30s"

TableName = tuple[str, str]
"""Schema and table in the source."""


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
) -> Mapping[TableName, str]:
    """A text for each table that is there, which is another one once the table is another one."""
    asked = {
        "schemas": [schema for schema, _ in tables],
        "tables": [table for _, table in tables],
    }
    with connection.transaction():
        found = connection.execute(_STATEMENTS["states"].encode(), asked).fetchall()
    return {(schema, table): state for schema, table, state in found}


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
