"""Reading landed rows as of one moment: what metrics and audit cuts compute in.

Two sessions share one snapshot. The one that checks and takes it belongs to Heartbeat and runs
nothing of an author's; the one that reads has logged in as a role that can do nothing else, so that
no SQL finds more behind it (`set role none`, `reset role` and the like lead nowhere). It locks what
it reads itself: where one session held a table for the other, a write that waits for the first
would keep the second waiting behind it, and no deadlock would be seen.
"""

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Self, TypeVar

import psycopg
from psycopg import Connection, sql
from psycopg.abc import Params, Query
from psycopg.pq import TransactionStatus

from heartbeat.author_query import QueryError
from heartbeat.landing.lock_wait import lock_wait
from heartbeat.login import Login
from heartbeat.postgres_session import (
    Session,
    begin,
    connect,
    set_session,
    with_parameters,
)
from heartbeat.settings import Settings
from heartbeat.source_drift import SourceDriftError, drift_behind, refuse_open_drift
from heartbeat.sql import platform_statements
from heartbeat.table_reference import TableRef

_WORK_MEM = "64MB"
"""For each sort and hash of a statement: a history of a large table fits, and few run at a time."""

_GRACE_SECONDS = 5.0
"""What a statement may take to be cancelled once its time is over."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(us|ms|s|min|h|d)?", re.ASCII)
_UNIT_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}

_T = TypeVar("_T")

_STATEMENTS = platform_statements("reader")
_ENDING_LOOKS, _ENDING_LOOK_SECONDS = 50, 0.1

_NEVER_LANDED = platform_statements("table_load")["never_landed"].encode()

_TOUCHED = """
with locked as (
    select l.relation
      from pg_catalog.pg_locks as l
     where l.pid = coalesce(%(pid)s, pg_catalog.pg_backend_pid())
       and l.mode = 'AccessShareLock'
       and l.database = (
           select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()
       )
)
select n.nspname, c.relname
  from locked
  join pg_catalog.pg_class as c on c.oid = locked.relation
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'm')
   and n.nspname not in ('pg_catalog', 'information_schema')
   -- to plan a read locks the indexes too; to lock a table does not
   and (
       c.relkind = 'p'
       or not exists (select from pg_catalog.pg_index as i where i.indrelid = c.oid)
       or exists (
           select
             from pg_catalog.pg_index as i
             join locked as read on read.relation = i.indexrelid
            where i.indrelid = c.oid
       )
   )
"""


class LockedOutError(Exception):
    """Another session held a table for longer than this one waits."""

    def __init__(self, table: TableRef) -> None:
        super().__init__(f"{table} is held by another session")
        self.table = table


class ReaderSession(Session):
    """A session that runs what authors wrote."""

    each_statement: sql.Composed | None = None
    """What is set anew before every statement, so that none lifts a limit for the next one."""


class _ReaderCursor(psycopg.Cursor[Any]):
    """Begins each statement with the limits of its session."""

    def execute(
        self,
        query: Query,
        params: Params | None = None,
        *,
        prepare: bool | None = None,
        binary: bool | None = None,
    ) -> Self:
        limits = getattr(self.connection, "each_statement", None)
        if limits is not None:
            psycopg.Cursor(self.connection).execute(limits)
        return super().execute(  # type: ignore[misc]  # a query of any kind
            query,  # type: ignore[arg-type]
            params,
            prepare=prepare,
            binary=binary,
        )


@contextmanager
def reading_as_of(
    settings: Settings, reads: Collection[TableRef], *, as_of: datetime
) -> Iterator[Connection[Any]]:
    """A connection on which `heartbeat.as_of()` is that moment and nothing can be written.

    Its login can read landed tables and the client segments, nothing else. Its transaction reads
    one snapshot of `reads`, taken once no load writes them; a statement that runs longer than the
    settings' `statement_timeout` fails. The session's time zone is UTC; the settings' `timezone`
    is the business time zone. Raises QueryError where a load or somebody else holds one of `reads`
    for longer than `lock_timeout` or has landed only a part of it so far, and SourceDriftError
    where what is read with it needs a column or a table that the source no longer has.
    """
    with (
        checking_session(settings, reads) as checking,
        _reader(settings, checking, as_of) as session,
    ):
        _share_snapshot(checking, session, reads)
        yield session


def read_as_of(
    settings: Settings,
    reads: Collection[TableRef],
    read: Callable[[Connection[Any]], _T],
    *,
    as_of: datetime,
) -> _T:
    """What `read` gives on such a connection, of a state that one commit had.

    It is called again where it turns out to read more than `reads`, through a view or a function:
    then with those tables held as well.
    """
    held = set(reads)
    while True:
        with reading_as_of(settings, held, as_of=as_of) as connection:
            found = read(connection)
            unheld = {each for each in touched_tables(connection) if each.schema != "heartbeat"}
        if unheld <= held:
            return found
        held |= unheld


@contextmanager
def checking_session(settings: Settings, reads: Collection[TableRef]) -> Iterator[Connection[Any]]:
    """A session that runs nothing of an author's, for who reads `reads` in another one.

    Raises SourceDriftError in the place of an error inside that comes of what a source has lost.
    """
    limits = {"lock_timeout": settings.lock_timeout}
    url = settings.login_url(Login.COMPUTE)
    with connect(url, autocommit=True, settings=limits) as connection:
        try:
            yield connection
        except Exception as error:  # what reads may be an author's code, which may raise anything
            if drifted := drift_behind(connection, reads, error):
                told = "; ".join(each.message for each in drifted)
                raise SourceDriftError(told) from error
            raise


@contextmanager
def _reader(
    settings: Settings, checking: Connection[Any], as_of: datetime
) -> Iterator[ReaderSession]:
    """A session of the author's; nothing that it did is ever committed."""
    session = open_reader(settings.login_url(Login.READER), reader_settings(settings, as_of))
    if seconds := _seconds(settings.statement_timeout):
        session.longest_silence = seconds + _GRACE_SECONDS
    backend = session.info.backend_pid
    try:
        yield session
    finally:
        given_up = session.closed or session.info.transaction_status == TransactionStatus.ACTIVE
        # neither a NOTIFY nor a LISTEN of an author's takes effect
        with suppress(psycopg.Error):
            if not given_up:
                session.rollback()
        session.close()
        if given_up:
            _terminate(checking, backend)


def reader_settings(settings: Settings, as_of: datetime) -> Mapping[str, str]:
    """What a session sets in which an author's code reads landed rows as of that moment."""
    return {
        "heartbeat.as_of": as_of.isoformat(),
        "heartbeat.timezone": settings.timezone,
        "statement_timeout": settings.statement_timeout,
        "lock_timeout": settings.lock_timeout,
        "work_mem": _WORK_MEM,
        # a policy of a landed table would else leave rows out and say nothing
        "row_security": "off",
    }


def open_reader(url: str, limits: Mapping[str, str]) -> ReaderSession:
    """A session for an author's code, which has read nothing yet; `limits` hold for each statement.

    `begin_reading` and `read_snapshot` come before the code.
    """
    session = ReaderSession.connect(with_parameters(url), autocommit=True)
    begin(session, limits)
    session.autocommit = False
    session.read_only = True
    session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    session.each_statement = set_session(limits)
    return session


def begin_reading(session: Connection[Any], tables: Sequence[TableRef]) -> None:
    """Lock the tables before the transaction takes its snapshot, as pg_dump does.

    A snapshot that is older than a `truncate` reads the table as empty, and LOCK TABLE is among the
    few statements that take none. Raises LockedOutError.
    """
    # begins a transaction, which a lock would else be the whole of, and takes no snapshot
    session.execute("set local statement_timeout = 0")
    for table in tables:
        lock = sql.SQL("lock table {} in access share mode").format(sql.Identifier(*_named(table)))
        try:
            with session.transaction():
                session.execute(lock)
        except psycopg.errors.LockNotAvailable as error:
            raise LockedOutError(table) from error


def exported_snapshot(
    checking: Connection[Any],
    reads: Collection[TableRef],
    closed: Sequence[TableRef],
    reader_pid: int,
) -> str:
    """A snapshot for the session of a reader that has locked what it may, once `reads` are checked.

    Raises QueryError and SourceDriftError for what must not be computed from.
    """
    checking.autocommit = False
    checking.read_only = True
    checking.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    # of these a reader may see some columns only: that locks no table
    with telling_holders(checking):
        begin_reading(checking, closed)
    _refuse_never_landed(checking, reads, reader_pid)
    refuse_open_drift(checking, reads)
    row = checking.execute("select pg_catalog.pg_export_snapshot()").fetchone()
    assert row is not None
    return str(row[0])


def read_snapshot(session: ReaderSession, snapshot: str, closed: Sequence[TableRef]) -> None:
    """Let a session that has locked its tables read that snapshot from now on."""
    session.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(snapshot)))
    for table in closed:
        with suppress(psycopg.errors.InsufficientPrivilege), session.transaction():
            session.execute(
                sql.SQL("select from {} limit 0").format(sql.Identifier(*_named(table)))
            )
    session.cursor_factory = _ReaderCursor


@contextmanager
def telling_holders(checking: Connection[Any]) -> Iterator[None]:
    """Raise QueryError that says who holds the table, in the place of LockedOutError."""
    try:
        yield
    except LockedOutError as error:
        raise QueryError(str(lock_wait(checking, _named(error.table)))) from error


def _share_snapshot(
    checking: Connection[Any], session: ReaderSession, reads: Collection[TableRef]
) -> None:
    """Lock the tables, then take the snapshot that both sessions see, and check what is read."""
    opened, closed = present_tables(checking, reads)
    patience, session.longest_silence = session.longest_silence, Session.longest_silence
    with telling_holders(checking):
        begin_reading(session, opened)
    snapshot = exported_snapshot(checking, reads, closed, session.info.backend_pid)
    read_snapshot(session, snapshot, closed)
    session.longest_silence = patience


def _seconds(duration: str) -> float:
    """A duration as Postgres writes it, in seconds; 0 is no limit."""
    written = _DURATION.fullmatch(duration.strip())
    return float(written[1]) * _UNIT_SECONDS[written[2] or "ms"] if written else 0.0


def _terminate(connection: Connection[Any], backend: int) -> None:
    """End a session that its client has given up, before the tables that it reads are let go.

    Raises QueryError for one that goes on all the same: some functions of Postgres, `translate`
    among them, hear nothing until they have ended.
    """
    connection.rollback()
    connection.autocommit = True
    asked = {"pid": backend, "login": Login.READER.value}
    connection.execute(_STATEMENTS["end_reader"].encode(), asked)
    for _ in range(_ENDING_LOOKS):
        if connection.execute(_STATEMENTS["reader_lives"].encode(), asked).fetchone() != (True,):
            return
        time.sleep(_ENDING_LOOK_SECONDS)
    raise QueryError(
        f"process {backend} of the marts server goes on with the query and cannot be ended from "
        "here; it keeps a processor busy and its tables locked until it has ended, or until the "
        "server is restarted"
    )


def present_tables(
    connection: Connection[Any], tables: Collection[TableRef]
) -> tuple[list[TableRef], list[TableRef]]:
    """Those of the tables that are there, always in the same order.

    Apart from them those that have a column which no reader may see.
    """
    ordered = sorted(tables)
    names = [sql.Identifier(*_named(each)).as_string(connection) for each in ordered]
    found = connection.execute(
        "select to_regclass(name) is not null, "
        "has_table_privilege('heartbeat_reader', to_regclass(name), 'select') "
        "from unnest(%s::text[]) as name",
        [names],
    ).fetchall()
    open_: list[TableRef] = []
    closed: list[TableRef] = []
    for table, (is_there, is_open) in zip(ordered, found, strict=True):
        if is_there:
            (open_ if is_open else closed).append(table)
    return open_, closed


def _named(table: TableRef) -> tuple[str, str]:
    return table.schema, table.table


def _refuse_never_landed(
    connection: Connection[Any], tables: Collection[TableRef], reader: int
) -> None:
    """Raise QueryError for a table of the ledger whose first load has not ended well.

    It may hold a part of its rows already: a large one lands in ranges that are each committed.
    """
    asked = {"tables": [str(table) for table in tables], "reader": reader}
    unfinished = [TableRef(*row) for row in connection.execute(_NEVER_LANDED, asked)]
    if unfinished:
        names = ", ".join(map(str, unfinished))
        raise QueryError(f"{names}: its first load is under way (or broke off)")


def touched_tables(
    connection: Connection[Any], backend_pid: int | None = None
) -> frozenset[TableRef]:
    """The tables that the present transaction has read so far, the server's own left out.

    Of the connection itself, or of the session with that process id.

    Every statement holds a lock on each table that it plans to read, and on its indexes, until the
    transaction ends. A table without an index counts as read once it is locked.
    """
    found = connection.execute(_TOUCHED, {"pid": backend_pid}).fetchall()
    return frozenset(TableRef(*row) for row in found)


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
