"""The session in which a cut reads: held and judged by us, used by the author's process.

The author's process gets a session of its own on the snapshot of ours, so that it reads exactly
what our transaction holds. What it has read is asked of the server, never of that process.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import Connection, sql
from psycopg.conninfo import make_conninfo

from heartbeat.marts_session import reader_settings
from heartbeat.postgres_session import connect
from heartbeat.settings import Settings
from heartbeat.sql import platform_statements
from heartbeat.table_reference import TableRef

_SQL = platform_statements("cut_session")


@dataclass(frozen=True)
class CutSession:
    """How the author's process reads: where, with which settings, and on which snapshot."""

    url: str
    settings: Mapping[str, str]
    snapshot: str

    @classmethod
    def of(cls, held: Connection[Any], settings: Settings, *, as_of: datetime) -> "CutSession":
        """A session beside the one that holds the tables, on its snapshot."""
        row = held.execute("select pg_catalog.pg_export_snapshot()").fetchone()
        assert row is not None
        return cls(_address(held), reader_settings(settings, as_of=as_of), row[0])

    def opened(self) -> Connection[Any]:
        """Begin to read; raises psycopg.OperationalError."""
        connection = connect(self.url, autocommit=True, settings=self.settings)
        connection.autocommit = False
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute(
            sql.SQL("set transaction snapshot {}").format(sql.Literal(self.snapshot))
        )
        return connection

    def as_json(self) -> dict[str, Any]:
        """For the other process."""
        return asdict(self)


@dataclass(frozen=True)
class Reading:
    """The transaction in which an author's code reads, as our own session sees it."""

    watcher: Connection[Any]
    backend_pid: int
    transaction: str
    """Which of its transactions: each statement after a commit or a rollback is in another one."""

    @classmethod
    def of(cls, watcher: Connection[Any], backend_pid: int) -> "Reading":
        """What that session reads from now on; raises psycopg.OperationalError if it is gone."""
        transaction = _transaction(watcher, backend_pid)
        if transaction is None:
            raise psycopg.OperationalError("the session of the cut has gone")
        return cls(watcher, backend_pid, transaction)

    def goes_on(self) -> bool:
        """Whether it is in the same transaction still."""
        return _transaction(self.watcher, self.backend_pid) == self.transaction

    def touched(self) -> frozenset[TableRef]:
        """The tables that it has read so far, the server's own left out."""
        asked = {"pid": self.backend_pid}
        rows = self.watcher.execute(_SQL["touched"], asked).fetchall()
        return frozenset(TableRef(*row) for row in rows)


def end_session(settings: Settings, backend_pid: int) -> None:
    """End the session of a process that was killed; its statement would else go on."""
    with connect(settings.database_url, autocommit=True) as connection:
        connection.execute("select pg_catalog.pg_terminate_backend(%s)", [backend_pid])


def _address(held: Connection[Any]) -> str:
    """Where that session is, without what the environment adds to it: the other has none of it."""
    return make_conninfo(**held.info.get_parameters(), password=held.info.password)


def _transaction(watcher: Connection[Any], backend_pid: int) -> str | None:
    row = watcher.execute(_SQL["transaction"], {"pid": backend_pid}).fetchone()
    return row[0] if row else None
