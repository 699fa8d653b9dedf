"""One read-only snapshot of a source database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection, sql

from heartbeat.errors import SourceUnreachableError
from heartbeat.landing.catalog import Catalog, Table
from heartbeat.landing.destination import COPY_OPTIONS, SESSION_SETTINGS
from heartbeat.landing.reflection import Reflection, reflect
from heartbeat.source import SourceFile, connection_url

_STATEMENT_TIMEOUT = "30min"
_CONNECT_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class CopiedRows:
    """What one COPY wrote."""

    path: Path
    rows: int
    bytes: int


class SourceSession:
    """A connection inside one REPEATABLE READ READ ONLY transaction: all tables of one moment."""

    def __init__(self, connection: Connection[Any], file: SourceFile) -> None:
        self._connection = connection
        self._file = file
        self.polled_at = datetime.now(UTC)
        """Not later than the snapshot, by this machine's clock."""

    def reflection(self) -> Reflection:
        """What the source has in this snapshot, unusable tables among it."""
        return reflect(self._connection, self._file)

    def catalog(self) -> Catalog:
        """The source's tables in this snapshot; raises what keeps one of them from being landed."""
        return self.reflection().catalog()

    def copy_out(self, table: Table, path: Path, *, after: sql.Composable | None) -> CopiedRows:
        """Write the rows of a table to a COPY file whose first line names the landed columns.

        `after` is a condition on the rows to read; None reads all of them. A table that cannot be
        read raises psycopg's error and leaves the snapshot open for the others.
        """
        columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
        query = sql.SQL("select {} from {}").format(
            columns, sql.Identifier(table.schema_name, table.name)
        )
        if after is not None:
            query = sql.SQL("{} where {}").format(query, after)
        copy = sql.SQL("copy ({}) to stdout {}").format(query, sql.SQL(COPY_OPTIONS))
        header = "\t".join(column.landed_as for column in table.columns) + "\n"
        with (
            path.open("wb") as target,
            self._connection.transaction(),
            self._connection.cursor() as cursor,
        ):
            target.write(header.encode())
            with cursor.copy(copy) as rows:
                for chunk in rows:
                    target.write(chunk)
            return CopiedRows(path, cursor.rowcount, target.tell() - len(header))


@contextmanager
def source_session(source_name: str, file: SourceFile) -> Iterator[SourceSession]:
    """Open a snapshot of the source; raises SourceUnreachableError without the URL's password."""
    url = connection_url(source_name, file)
    options = " ".join(
        f"-c {name}={value.replace(' ', chr(92) + ' ')}"
        for name, value in {
            **SESSION_SETTINGS,
            "default_transaction_read_only": "on",
            "statement_timeout": _STATEMENT_TIMEOUT,
        }.items()
    )
    try:
        connection = psycopg.connect(
            url,
            application_name="heartbeat",
            connect_timeout=_CONNECT_TIMEOUT_SECONDS,
            options=options,
        )
    except psycopg.OperationalError as error:
        raise SourceUnreachableError(
            f"source {source_name}: cannot connect with {file.connection_env}: "
            f"{_without_secrets(error, url)}"
        ) from None
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    with connection, connection.transaction():
        yield SourceSession(connection, file)


def _without_secrets(error: Exception, url: str) -> str:
    message = " ".join(str(error).split())
    password = psycopg.conninfo.conninfo_to_dict(url).get("password")
    return message.replace(str(password), "***") if password else message
