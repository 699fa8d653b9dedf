"""The session in which a cut reads: judged by us, used by the author's process.

That process logs in as the reader and locks the tables before it gives up what it has no need of.
Then our own session checks them, and takes the snapshot that both read. What the cut has read is
asked of the server, never of that process.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import Connection

from heartbeat.login import Login
from heartbeat.marts_session import (
    ReaderSession,
    begin_reading,
    exported_snapshot,
    open_reader,
    present_tables,
    read_snapshot,
    reader_settings,
    touched_tables,
)
from heartbeat.postgres_session import connect
from heartbeat.settings import Settings
from heartbeat.sql import platform_statements
from heartbeat.table_reference import TableRef

_SQL = platform_statements("cut_session")


@dataclass(frozen=True)
class CutReader:
    """How the author's process reads: where, with which settings, and which tables."""

    url: str
    settings: Mapping[str, str]
    opened: Sequence[TableRef]
    closed: Sequence[TableRef]
    """Those of which a reader may see some columns only."""

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> "CutReader":
        """What `as_json` gave."""
        opened, closed = ([TableRef(*each) for each in said[name]] for name in ("opened", "closed"))
        return cls(said["url"], said["settings"], opened, closed)

    def as_json(self) -> dict[str, Any]:
        """For the other process."""
        return asdict(self) | {
            "opened": [[each.schema, each.table] for each in self.opened],
            "closed": [[each.schema, each.table] for each in self.closed],
        }

    def begun(self) -> ReaderSession:
        """A session that has locked the tables; raises psycopg.Error and LockedOutError."""
        session = open_reader(self.url, self.settings)
        begin_reading(session, self.opened)
        return session

    def read(self, session: ReaderSession, snapshot: str) -> None:
        """Let it read that snapshot."""
        read_snapshot(session, snapshot, self.closed)


@dataclass(frozen=True)
class CutSession:
    """The session of a cut as the worker sees it, beside one of its own that checks."""

    checking: Connection[Any]
    reads: Collection[TableRef]
    reader: CutReader

    @classmethod
    def of(
        cls,
        checking: Connection[Any],
        reads: Collection[TableRef],
        settings: Settings,
        *,
        as_of: datetime,
    ) -> "CutSession":
        """A session that will read these tables as of that moment."""
        opened, closed = present_tables(checking, reads)
        url = settings.login_url(Login.READER)
        return cls(
            checking, reads, CutReader(url, reader_settings(settings, as_of), opened, closed)
        )

    def snapshot(self, backend_pid: int) -> str:
        """What it may read, now that it has locked the tables.

        Raises QueryError and SourceDriftError for what must not be computed from.
        """
        return exported_snapshot(self.checking, self.reads, self.reader.closed, backend_pid)


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
        return touched_tables(self.watcher, self.backend_pid)


def end_session(settings: Settings, backend_pid: int) -> None:
    """End the session of a process that was killed; its statement would else go on."""
    with connect(settings.login_url(Login.COMPUTE), autocommit=True) as connection:
        connection.execute(_SQL["end"], {"pid": backend_pid, "login": Login.READER.value})


def _transaction(watcher: Connection[Any], backend_pid: int) -> str | None:
    row = watcher.execute(_SQL["transaction"], {"pid": backend_pid}).fetchone()
    return row[0] if row else None
