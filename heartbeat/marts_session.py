"""Reading landed rows as of one moment: what metrics and audit cuts compute in."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import psycopg
from psycopg import Connection, sql

from heartbeat.author_query import QueryError
from heartbeat.landing.lock_wait import LockWaitError, naming_lock_holders
from heartbeat.postgres_session import connect
from heartbeat.settings import Settings
from heartbeat.source_drift import SourceDriftError, drift_behind, refuse_open_drift
from heartbeat.sql import platform_statements
from heartbeat.table_reference import TableRef

_READER = "heartbeat_reader"
_LOCK_TIMEOUT = "30s"
_WORK_MEM = "64MB"
"""For each sort and hash of a statement: a history of a large table fits, and few run at a time."""

_T = TypeVar("_T")

_NEVER_LANDED = platform_statements("table_load")["never_landed"].encode()

_UNHELD = """
select n.nspname, c.relname
  from pg_catalog.pg_locks as l
  join pg_catalog.pg_class as c on c.oid = l.relation
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
 where l.pid = pg_backend_pid()
   and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
   and c.relkind in ('r', 'p', 'm')
   and n.nspname not in ('pg_catalog', 'information_schema', 'heartbeat')
 group by n.nspname, c.relname
having not bool_or(l.mode = 'RowShareLock')
"""


_TOUCHED = """
select n.nspname, c.relname
  from pg_catalog.pg_locks as l
  join pg_catalog.pg_class as c on c.oid = l.relation
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
 where l.pid = pg_backend_pid()
   and l.mode = 'AccessShareLock'
   and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
   and c.relkind in ('r', 'p', 'm')
   and n.nspname not in ('pg_catalog', 'information_schema')
"""


def reader_settings(settings: Settings, *, as_of: datetime) -> Mapping[str, str]:
    """What a session sets in which an author's code reads landed rows as of that moment."""
    return _settings(as_of, settings.timezone, settings.statement_timeout, settings.lock_timeout)


def _settings(
    as_of: datetime, timezone: str, statement_timeout: str, lock_timeout: str
) -> dict[str, str]:
    return {
        "heartbeat.as_of": as_of.isoformat(),
        "heartbeat.timezone": timezone,
        "statement_timeout": statement_timeout,
        "lock_timeout": lock_timeout,
        "work_mem": _WORK_MEM,
        # a policy of a landed table would else leave rows out and say nothing
        "row_security": "off",
        "role": _READER,
    }


@contextmanager
def reading_as_of(
    database_url: str,
    reads: Collection[TableRef],
    *,
    as_of: datetime,
    timezone: str,
    statement_timeout: str,
    lock_timeout: str = _LOCK_TIMEOUT,
) -> Iterator[Connection[Any]]:
    """A connection on which `heartbeat.as_of()` is that moment and nothing can be written.

    Its role can read landed tables and the client segments, nothing else. Its transaction holds
    `reads` and reads one snapshot of them, taken once no load writes them; a statement that runs
    longer than `statement_timeout` (as Postgres writes durations) fails. The session's time zone is
    UTC; `timezone` is the business time zone. Raises QueryError where a load or somebody else holds
    one of `reads` for longer than `lock_timeout` or has landed only a part of it so far, and
    SourceDriftError where what is read with it needs a column or a table that the source no longer
    has.
    """
    settings = _settings(as_of, timezone, statement_timeout, lock_timeout)
    with connect(database_url, autocommit=True, settings=settings) as connection:
        present = _present(connection, reads)
        connection.autocommit = False
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        if reads:
            with _own_role(connection, before=settings):
                _hold(connection, present)
                _refuse_never_landed(connection, reads)
                # rolled back like the look at the ledger: its locks are no reads of the author's
                with connection.transaction(force_rollback=True):
                    refuse_open_drift(connection, reads)
        try:
            yield connection
        except Exception as error:  # what reads may be an author's code, which may raise anything
            if drifted := drift_behind(connection, reads, error):
                told = "; ".join(each.message for each in drifted)
                raise SourceDriftError(told) from error
            raise


def read_as_of(
    database_url: str,
    reads: Collection[TableRef],
    read: Callable[[Connection[Any]], _T],
    *,
    as_of: datetime,
    timezone: str,
    statement_timeout: str,
    lock_timeout: str = _LOCK_TIMEOUT,
) -> _T:
    """What `read` gives on such a connection, of a state that one commit had.

    It is called again where it turns out to read more than `reads`, through a view or a function:
    then with those tables held as well.
    """
    held = set(reads)
    while True:
        with reading_as_of(
            database_url,
            held,
            as_of=as_of,
            timezone=timezone,
            statement_timeout=statement_timeout,
            lock_timeout=lock_timeout,
        ) as connection:
            found = read(connection)
            unheld = {TableRef(*row) for row in connection.execute(_UNHELD).fetchall()}
        if unheld <= held:
            return found
        held |= unheld


def _present(connection: Connection[Any], tables: Collection[TableRef]) -> list[TableRef]:
    """Those of the tables that are there, always in the same order."""
    ordered = sorted(tables)
    names = [sql.Identifier(each.schema, each.table).as_string(connection) for each in ordered]
    found = connection.execute(
        "select to_regclass(name) is not null from unnest(%s::text[]) as name", [names]
    )
    return [table for table, (there,) in zip(ordered, found, strict=True) if there]


@contextmanager
def _own_role(connection: Connection[Any], *, before: Mapping[str, str]) -> Iterator[None]:
    """What the reader may not do, without a limit of time; `before` are the settings from then on.

    An error leaves the transaction to whoever opened it.
    """
    # LOCK waits by lock_timeout, and the error then says who is in the way
    connection.execute("set local role none; set local statement_timeout = 0")
    yield
    for setting in ("statement_timeout", "role"):
        connection.execute(
            sql.SQL("set local {} = {}").format(sql.Identifier(setting), before[setting])
        )


def _hold(connection: Connection[Any], tables: Sequence[TableRef]) -> None:
    """Lock the tables before the transaction takes its snapshot, as pg_dump does.

    A snapshot that is older than a `truncate` reads the table as empty, and LOCK TABLE is among the
    few statements that take none. Its mode is not that of a query, so that `touched_tables` tells
    what was read from what is held; the reader may not take it.
    """
    for table in tables:
        name = (table.schema, table.table)
        lock = sql.SQL("lock table {} in row share mode").format(sql.Identifier(*name))
        try:
            with naming_lock_holders(connection, name), connection.transaction():
                connection.execute(lock)
        except LockWaitError as error:
            raise QueryError(str(error)) from error


def _refuse_never_landed(connection: Connection[Any], tables: Collection[TableRef]) -> None:
    """Raise QueryError for a table of the ledger whose first load has not ended well.

    It may hold a part of its rows already: a large one lands in ranges that are each committed.
    """
    asked = {"tables": [str(table) for table in tables]}
    # the snapshot stays that of the transaction; the lock on the ledger is no read of the author's
    with connection.transaction(force_rollback=True):
        unfinished = [TableRef(*row) for row in connection.execute(_NEVER_LANDED, asked)]
    if unfinished:
        names = ", ".join(map(str, unfinished))
        raise QueryError(f"{names}: its first load is under way (or broke off)")


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
