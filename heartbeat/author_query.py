"""Run the queries of a project's files; what is wrong with one is told in its author's words."""

from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection, errors

from heartbeat.errors import HeartbeatError
from heartbeat.full_disk import DATABASE_FULL

_ADVICE: dict[type[psycopg.Error], str] = {
    errors.UndefinedTable: "no landed table has this name: mend it, or land the table first",
    errors.InvalidSchemaName: "no landed schema has this name: mend it, or land its source first",
    errors.InsufficientPrivilege: "a query can read landed tables and client segments, no more",
    errors.QueryCanceled: "it took longer than METRIC_STATEMENT_TIMEOUT allows",
    errors.DivisionByZero: "say what it is when there is nothing to divide by",
    errors.DiskFull: DATABASE_FULL,
    errors.ConfigurationLimitExceeded: (
        "it sorts or joins more than the server's temp_file_limit lets it write to disk: read "
        "fewer rows or columns"
    ),
    errors.AdminShutdown: "the next run computes it again",
    errors.OperationalError: "the database could not finish it; the next run tries again",
}


class QueryError(HeartbeatError):
    """A query of a file gave nothing usable; the message says where and why."""


def read_rows(
    connection: Connection[Any], sql: str, path: Path, first_line: int
) -> list[tuple[Any, ...]]:
    """All rows of a query that begins on that line of the file; QueryError names the line."""
    try:
        # prepared, as the server takes no second statement behind the first one then
        return connection.execute(sql.encode(), prepare=True).fetchall()
    except psycopg.Error as error:
        position = error.diag.statement_position
        before = sql[: int(position)] if position else ""
        line = first_line + before.count("\n")
        raise QueryError(f"{path.name}:{line}: {fault(error)}") from error


def fault(error: psycopg.Error) -> str:
    """What Postgres says, and what an author can do about it."""
    message = error.diag.message_primary or " ".join(str(error).split())
    hint = f" ({error.diag.message_hint})" if error.diag.message_hint else ""
    advice = next((text for kind, text in _ADVICE.items() if isinstance(error, kind)), None)
    return f"{message}{hint}" + (f"; {advice}" if advice else "")
