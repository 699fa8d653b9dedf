"""A process begins its work only on a schema of its own version."""

import sys
import time

import psycopg

from heartbeat.connection_string import without_password
from heartbeat.errors import HeartbeatError
from heartbeat.postgres_session import connect
from heartbeat.schema.version import SchemaOlderError, read_version, refuse_other

_PATIENCE_SECONDS = 600.0
_PAUSE_SECONDS = 1.0


class SchemaWaitError(HeartbeatError):
    """Nobody migrated the schema for as long as a process waits."""


def wait_for_schema(
    database_url: str, name: str, patience_seconds: float = _PATIENCE_SECONDS
) -> None:
    """Wait until the database answers and has been migrated, and say on stderr why.

    Raises SchemaNewerError at once, and SchemaWaitError after `patience_seconds`.
    """
    deadline = time.monotonic() + patience_seconds
    told = None
    while reason := _reason_to_wait(database_url):
        if time.monotonic() > deadline:
            raise SchemaWaitError(f"{name} has waited for {patience_seconds:g} s: {reason}")
        if reason != told:
            print(f"{name} waits: {reason}", file=sys.stderr, flush=True)  # noqa: T201
            told = reason
        time.sleep(_PAUSE_SECONDS)


def _reason_to_wait(database_url: str) -> str | None:
    try:
        with connect(database_url, autocommit=True) as connection:
            refuse_other(read_version(connection))
    except SchemaOlderError as older:
        return str(older)
    except psycopg.OperationalError as error:
        reason = without_password(str(error), database_url)
        return f"the database does not answer: {reason}"
    return None
