"""Reading landed rows as of one moment: what metrics and audit cuts compute in."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg
from psycopg import Connection, sql

from heartbeat.postgres_session import connect
from heartbeat.table_reference import TableRef

_READER = "heartbeat_reader"
_WORK_MEM = "64MB"
"""For each sort and hash of a statement: a history of a large table fits, and few run at a time."""

_TOUCHED = """
select n.nspname, c.relname
  from pg_catalog.pg_locks as l
  join pg_catalog.pg_class as c on c.oid = l.relation
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
 where l.pid = pg_backend_pid()
   and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
   and c.relkind in ('r', 'p', 'm')
   and n.nspname not in ('pg_catalog', 'information_schema')
"""


@contextmanager
def reading_as_of(
    database_url: str, *, as_of: datetime, timezone: str, statement_timeout: str
) -> Iterator[Connection[Any]]:
    """A connection on which `heartbeat.as_of()` is that moment and nothing can be written.

    Its role can read landed tables and the client segments, nothing else. Every transaction reads
    one snapshot of the database; a statement that runs longer than `statement_timeout` (as Postgres
    writes durations) fails. The session's time zone is UTC; `timezone` is the business time zone.
    """
    settings = {
        "heartbeat.as_of": as_of.isoformat(),
        "heartbeat.timezone": timezone,
        "statement_timeout": statement_timeout,
        # the limit of a statement is that of its waits, too
        "lock_timeout": "0",
        "work_mem": _WORK_MEM,
        # a policy of a landed table would else leave rows out and say nothing
        "row_security": "off",
        "role": _READER,
    }
    with connect(database_url, settings=settings) as connection:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        yield connection


def touched_tables(connection: Connection[Any]) -> frozenset[TableRef]:
    """The tables that the present transaction has read so far, the server's own left out.

    Every statement holds a lock on each table that it plans to read until the transaction ends.
    """
    return frozenset(TableRef(*row) for row in connection.execute(_TOUCHED).fetchall())


def empty_tables(connection: Connection[Any], tables: Sequence[TableRef]) -> frozenset[TableRef]:
    """Those of the tables that have no row."""
    return frozenset(table for table in tables if not _has_a_row(connection, table))


def _has_a_row(connection: Connection[Any], table: TableRef) -> bool:
    name = sql.Identifier(table.schema, table.table)
    row = connection.execute(sql.SQL("select exists (select from {})").format(name)).fetchone()
    return bool(row and row[0])


def source_as_of(connection: Connection[Any], reads: Sequence[TableRef]) -> datetime | None:
    """The oldest poll among the tables; None as soon as one of them was never landed."""
    names = [str(table) for table in reads]
    row = connection.execute("select heartbeat.source_as_of(%s)", [names]).fetchone()
    return row[0] if row else None
