"""Which version of the schema `heartbeat` this code knows, and which one a database has."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection

from heartbeat.errors import HeartbeatError

VERSIONS = Path(__file__).parent / "versions"
"""The migrations: NNNN_name.py, with the statements in NNNN_name.sql."""

KNOWN_VERSION = max(path.name[:4] for path in VERSIONS.glob("[0-9]*.sql"))
"""The version that this code reads and writes."""

_FIRST_WITH_LOGINS = "0012"

HAS_VERSION = "select to_regclass('heartbeat.schema_version') is not null"
READ_VERSION = "select max(version_num) from heartbeat.schema_version"


class SchemaVersionError(HeartbeatError):
    """The schema is of another version than this code."""


class SchemaNewerError(SchemaVersionError):
    """A newer version of Heartbeat has migrated the schema; this one can do nothing with it."""


class SchemaOlderError(SchemaVersionError):
    """The schema waits for its migration."""


def refuse_newer(found: str | None) -> None:
    """Raise SchemaNewerError for a version that this code does not know."""
    if found is not None and found > KNOWN_VERSION:
        raise SchemaNewerError(
            f"the schema is at {found}, this version of Heartbeat knows {KNOWN_VERSION}; "
            "install the newer version"
        )


def refuse_other(found: str | None) -> None:
    """Raise SchemaNewerError or SchemaOlderError for any version but that of this code."""
    refuse_newer(found)
    if found is None:
        raise SchemaOlderError("the database has no schema heartbeat yet; run `heartbeat migrate`")
    if found != KNOWN_VERSION:
        raise SchemaOlderError(
            f"the schema is at {found}, this version of Heartbeat needs {KNOWN_VERSION}; "
            "run `heartbeat migrate`"
        )


def read_version(connection: Connection[Any]) -> str | None:
    """The version that a database has; None where no migration has run."""
    with _before_logins():
        there = connection.execute(HAS_VERSION.encode()).fetchone()
        if not there or not there[0]:
            return None
        row = connection.execute(READ_VERSION.encode()).fetchone()
    return row[0] if row else None


def require_version(connection: Connection[Any]) -> None:
    """Raise SchemaVersionError unless the database has the version of this code.

    One statement, in the caller's transaction: what the transaction reads after it is of that
    version. Raises psycopg.errors.UndefinedTable where no migration has run.
    """
    with _before_logins():
        row = connection.execute(READ_VERSION.encode()).fetchone()
    refuse_other(row[0] if row else None)


@contextmanager
def _before_logins() -> Iterator[None]:
    """A schema that lets none of the logins in is of a version that knew none of them."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise SchemaOlderError(
            f"the schema is older than {_FIRST_WITH_LOGINS}, this version of Heartbeat needs "
            f"{KNOWN_VERSION}; run `heartbeat migrate`"
        ) from error
