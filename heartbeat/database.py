"""The databases on the marts server."""

from typing import Any

import psycopg
from psycopg import Connection, sql

from heartbeat.connection_string import database_name, of_database, without_password
from heartbeat.errors import HeartbeatError
from heartbeat.postgres_session import NEWER_SETTINGS, connect
from heartbeat.settings import Settings
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("databases")


class MartsUnusableError(HeartbeatError):
    """The marts server cannot be used."""


def prepare_databases(settings: Settings) -> None:
    """Make marts and Dagster's database where they are missing, and migrate marts.

    Raises MartsUnusableError with the server's reason, without the password.
    """
    from heartbeat.schema.migration import migrate  # SQLAlchemy and Alembic: half a second

    try:
        for name in (settings.database_name, settings.dagster_database_name):
            ensure_database(of_database(settings.database_url, name))
        with connect(settings.database_url) as connection:
            _refuse_other_encodings(connection, settings)
            _set_for_dagster(connection, settings)
        migrate(settings.database_url)
    except psycopg.OperationalError as error:
        raise MartsUnusableError(
            "cannot use the database of HEARTBEAT_DATABASE_URL: "
            f"{without_password(str(error), settings.database_url)}"
        ) from None


def ensure_database(connection_string: str) -> None:
    """Make the database that a connection string names, unless it is there.

    One that is there needs no right to connect to another one.
    """
    name = database_name(connection_string)
    assert name is not None
    try:
        connect(connection_string).close()
    except psycopg.OperationalError:
        create = sql.SQL("create database {} encoding 'UTF8' template template0")
        server = of_database(connection_string, "postgres")
        with connect(server, autocommit=True) as connection:
            try:
                connection.execute(create.format(sql.Identifier(name)))
            except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                return


def _refuse_other_encodings(connection: Connection[Any], settings: Settings) -> None:
    """Another encoding has no place for some letters, or does not know what it holds."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise MartsUnusableError(
            f"the database {settings.database_name} has the encoding {encoding}; "
            "make another one with `create database ... encoding 'UTF8' template template0`"
        )


def _set_for_dagster(connection: Connection[Any], settings: Settings) -> None:
    """Say for Dagster's database what Dagster's URL cannot, since older servers do not know it."""
    name = settings.dagster_database_name
    alter = sql.SQL("alter role current_user in database {} set {} = {}")
    asked = {"settings": list(NEWER_SETTINGS), "database": name}
    connection.execute(_STATEMENTS["take_turns"].encode())
    for setting, value in connection.execute(_STATEMENTS["unsaid"].encode(), asked).fetchall():
        connection.execute(
            alter.format(sql.Identifier(name), sql.Identifier(setting), sql.Literal(value))
        )
