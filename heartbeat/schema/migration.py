"""Bring the schema `heartbeat` to the version of this code."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import sqlalchemy
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from heartbeat.connection_string import without_password
from heartbeat.errors import HeartbeatError
from heartbeat.landing.lock_wait import Holder, told
from heartbeat.psycopg2_session import connect_psycopg2
from heartbeat.schema.version import (
    HAS_VERSION,
    KNOWN_VERSION,
    READ_VERSION,
    VERSIONS,
    refuse_newer,
)
from heartbeat.sql import platform_statements

MIGRATION_LOCK = 4_827_151
"""Any fixed number: processes that change the schema at once take turns on it."""

_TURN = {"lock_timeout": "10min"}
"""For one's turn, while another process migrates."""

_TABLE_SECONDS = 3
"""How long a migration waits for a table at a time: whoever wants to read it waits behind."""

_PATIENCE_SECONDS = 600.0
_PAUSE_SECONDS = 2.0

_logger = logging.getLogger(__name__)
_LOGINS = platform_statements("logins")
_HOLDERS = platform_statements("lock_wait")["holders_of_schema"]


@dataclass(frozen=True)
class _Mend:
    """What databases lack that an earlier state of a migration made, and later ones build on."""

    since: str
    missing: str
    """An expression that is null where it is missing."""
    file: Path


_MENDS = (
    _Mend(
        "0001",
        "to_regprocedure('heartbeat.source_as_of(text[])')",
        Path(__file__).parent / "mends" / "0001_functions.sql",
    ),
    _Mend(
        "0004",
        "to_regprocedure('heartbeat.tell_change()')",
        Path(__file__).parent / "mends" / "0004_tell_change.sql",
    ),
    # for an hour the number 0011 was that of the present 0009, made without 0008
    _Mend("0008", "to_regclass('heartbeat.source_drift')", VERSIONS / "0008_source_drift.sql"),
)

_CHANGED_UP_TO = "0011"
_MENDED = VERSIONS / "0015_mended.sql"


class MigrationError(HeartbeatError):
    """The schema could not be migrated; it is as it was."""


def migrate(database_url: str) -> None:
    """Run the migrations that `database_url` lacks; processes that start together take turns.

    All of them are one transaction. It asks for a table only for seconds at a time and starts over
    when it does not get it, so that nobody waits long behind it. Raises SchemaNewerError, and
    MigrationError after ten minutes or where the database refuses.
    The roles of the server come first, what earlier versions landed is handed over last.
    """
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg2://",
        creator=lambda: connect_psycopg2(database_url, _TURN),
        poolclass=sqlalchemy.NullPool,
    )
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not _tried(engine, database_url, last=time.monotonic() > deadline):
        time.sleep(_PAUSE_SECONDS)
    engine.dispose()


def _tried(engine: Engine, database_url: str, *, last: bool) -> bool:
    """Whether the schema is at this version now; else somebody held one of its tables."""
    try:
        with engine.begin() as connection:
            _migrate(connection)
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg2.errors.LockNotAvailable):
            reason = without_password(str(error.orig), database_url)
            raise MigrationError(f"the migration failed and changed nothing: {reason}") from error
        held = f"the migration waits for a table of schema heartbeat, held by {_holders(engine)}"
        if last:
            raise MigrationError(f"{held}; end that, and migrate again") from error
        _logger.warning("%s", held)
        return False
    return True


def _migrate(connection: Connection) -> None:
    connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
    connection.exec_driver_sql(f"set local lock_timeout = '{_TABLE_SECONDS}s'")
    found = _version(connection)
    refuse_newer(found)
    _execute(connection, _LOGINS["roles"])
    if found is None:
        connection.exec_driver_sql("create schema if not exists heartbeat")
    elif found <= _CHANGED_UP_TO:
        _mend(connection, found)
    if found != KNOWN_VERSION:
        command.upgrade(_alembic(connection), "head")
    _execute(connection, _LOGINS["readable"])
    _execute(connection, _LOGINS["database"])
    _execute(connection, _LOGINS["hand_over"])


def _mend(connection: Connection, found: str) -> None:
    """Make a database as one would be that the present migrations have made up to 0011."""
    for mend in _MENDS:
        if found >= mend.since and _is_null(connection, mend.missing):
            _run(connection, mend.file)
    command.upgrade(_alembic(connection), _CHANGED_UP_TO)
    _run(connection, _MENDED)


def _version(connection: Connection) -> str | None:
    if not connection.exec_driver_sql(HAS_VERSION).scalar():
        return None
    version: str | None = connection.exec_driver_sql(READ_VERSION).scalar()
    return version


def _is_null(connection: Connection, expression: str) -> bool:
    return connection.exec_driver_sql(f"select {expression}").scalar() is None


def _run(connection: Connection, file: Path) -> None:
    _execute(connection, file.read_text(encoding="utf-8"))


def _execute(connection: Connection, statements: str) -> None:
    # a mark of percent is one
    connection.exec_driver_sql(statements, execution_options={"no_parameters": True})


def _alembic(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _holders(engine: Engine) -> str:
    with engine.begin() as connection:
        found: list[Holder] = [
            (pid, application, since)
            for pid, application, since in connection.exec_driver_sql(_HOLDERS)
        ]
    return " and ".join(map(told, found)) or "a session that has ended since"
