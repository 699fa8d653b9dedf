"""Landed tables and columns that no longer are what their source has.

The database lets nothing be computed from them, so that a number keeps its last good value and says
why, instead of being counted on rows that nobody brings up to date.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection, errors

from heartbeat.author_query import QueryError
from heartbeat.sql import platform_statements
from heartbeat.table_reference import TableRef

_STATEMENTS = platform_statements("source_drift")
_NO_SOURCE = "no source file names it: bring it back, or mend what reads it"


class DriftKind(StrEnum):
    """What became of it in the source."""

    GONE = "gone"
    """The source has no table or column of that name any more."""
    RETYPED = "retyped"
    """The column is of a type in which its values may mean something else."""
    UNLANDED = "unlanded"
    """No source of the project lands the table any more."""


@dataclass(frozen=True)
class SourceDrift:
    """One table, or one column of it, that has drifted; `since` is when it was first seen."""

    table: TableRef
    column: str | None
    """By its name in marts; None for the whole table."""
    kind: DriftKind
    change: str
    """What happened, as the rest of a sentence: "is gone"."""
    message: str
    """For people: "webbank_core.loan.status is gone since 28 Nov 14:17; renamed to state?"."""
    since: datetime
    accepted: bool = False
    """Whether the catalog has been written without it since: then it is no news any more."""


@dataclass(frozen=True)
class DriftSeen:
    """When something is found to have drifted, and the business time zone that tells of it."""

    at: datetime
    zone: ZoneInfo

    def of(
        self, table: TableRef, column: str | None, kind: DriftKind, change: str, advice: str
    ) -> SourceDrift:
        """The drift of a table, or of a column of it."""
        name = f"{table}.{column}" if column else str(table)
        moment = f"{self.at.astimezone(self.zone):%-d %b %H:%M}"
        message = f"{name} {change} since {moment}; {advice}"
        return SourceDrift(table, column, kind, change, message, self.at)


class SourceDriftError(QueryError):
    """A query reads what its source no longer has."""


def read_drift(
    connection: Connection[Any], tables: Collection[TableRef]
) -> tuple[SourceDrift, ...]:
    """What has drifted of these tables, the oldest first."""
    asked = {"tables": [str(table) for table in tables]}
    return tuple(_drift(*row) for row in connection.execute(_sql("read"), asked))


def read_source_drift(connection: Connection[Any]) -> tuple[SourceDrift, ...]:
    """What any source has lost or retyped, the oldest first."""
    return tuple(_drift(*row) for row in connection.execute(_sql("all")))


def refuse_open_drift(connection: Connection[Any], tables: Collection[TableRef]) -> None:
    """Raise SourceDriftError where readers may read what has drifted of the tables all the same.

    Then nothing that reads such a table is computed, as nothing says which of its columns it reads.
    """
    asked = {"tables": [str(table) for table in tables]}
    open_ = [message for (message,) in connection.execute(_sql("still_readable"), asked).fetchall()]
    if open_:
        raise SourceDriftError(
            f"{'; '.join(open_)} (and a grant in marts, to public or to a role of "
            "heartbeat_reader, keeps it open to readers: revoke that)"
        )


def record_drift(
    connection: Connection[Any], table: TableRef, found: Sequence[SourceDrift]
) -> None:
    """Keep what has drifted of one table now, and forget what has come back.

    The readers are let in and kept out accordingly.
    """
    name = {"schema_name": table.schema, "table_name": table.table}
    rows = [name | _values(each) for each in found]
    columns = {"columns": [row["column_name"] for row in rows]}
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(_sql("ended"), name | columns)
        cursor.executemany(_sql("found"), rows)
        cursor.execute("call heartbeat.open_to_readers(%s, %s)", [table.schema, [table.table]])


def close_unlanded(connection: Connection[Any], seen: DriftSeen) -> None:
    """Let nothing be computed from tables that the ledger knows no source to land any more."""
    with connection.transaction():
        connection.execute(_sql("dropped"))
        for row in connection.execute(_sql("unlanded")).fetchall():
            table = TableRef(*row)
            drift = seen.of(table, None, DriftKind.UNLANDED, "is not landed any more", _NO_SOURCE)
            columns = [each for each in read_drift(connection, [table]) if each.column]
            record_drift(connection, table, [*columns, drift])


def drift_behind(
    connection: Connection[Any], tables: Collection[TableRef], error: BaseException
) -> tuple[SourceDrift, ...]:
    """What has drifted of the tables, where the database refused to read; empty for other errors.

    Ends the transaction of the connection, which may be older than the drift.
    """
    if not any(isinstance(each, errors.InsufficientPrivilege) for each in _causes(error)):
        return ()
    connection.rollback()
    return read_drift(connection, tables)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _values(drift: SourceDrift) -> dict[str, Any]:
    return {
        "column_name": drift.column or "",
        "kind": drift.kind.value,
        "change": drift.change,
        "message": drift.message,
        "since": drift.since,
        "accepted": drift.accepted,
    }


def _drift(
    schema: str,
    table: str,
    column: str,
    kind: str,
    change: str,
    message: str,
    since: datetime,
    accepted: bool,
) -> SourceDrift:
    return SourceDrift(
        TableRef(schema, table), column or None, DriftKind(kind), change, message, since, accepted
    )


def _sql(name: str) -> bytes:
    return _STATEMENTS[name].encode()
