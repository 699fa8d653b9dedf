"""The databases on the marts server, made and brought up to date by their owner."""

from typing import Any

import psycopg
from psycopg import Connection, sql

from heartbeat.connection_string import database_name, of_database, without_password
from heartbeat.errors import HeartbeatError
from heartbeat.login import Login
from heartbeat.login_passwords import refuse_logins_of_another, set_passwords
from heartbeat.owner_rights import missing_rights, unset_limits
from heartbeat.postgres_session import NEWER_SETTINGS, connect
from heartbeat.settings import Settings
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("databases")
_LOGINS = platform_statements("logins")


class MartsUnusableError(HeartbeatError):
    """The marts server cannot be used."""


def prepare_databases(settings: Settings) -> tuple[str, ...]:
    """Make marts, Dagster's database and the logins where they are missing, and migrate marts.

    Gives what could not be limited, in a line each. Raises MartsUnusableError with the server's
    reason, without the password, or with all that the owner of the databases may not do.
    """
    from heartbeat.schema.migration import migrate  # SQLAlchemy and Alembic: half a second

    try:
        ensure_database(settings.database_url)
        with connect(settings.database_url, autocommit=True) as connection:
            _refuse_other_encodings(connection, settings)
            _refuse_missing_rights(connection, settings)
            refuse_logins_of_another(connection, settings)
            connection.execute(_LOGINS["roles"].encode())
            _prepare_dagster(connection, settings)
            migrate(settings.database_url)
            set_passwords(connection, settings)
            return unset_limits(connection, settings)
    except psycopg.Error as error:
        of_whom = "HEARTBEAT_DATABASE_URL"
        if settings.explicit_database_url is None:
            of_whom = f"the embedded Postgres in {settings.embedded_postgres.folder}"
        raise MartsUnusableError(
            f"cannot use the database of {of_whom}: "
            f"{without_password(str(error), settings.database_url)}"
        ) from None


def ensure_database(connection_string: str) -> None:
    """Make the database that a connection string names, unless it is there.

    One that is there needs no right to connect to another one. Raises MartsUnusableError where
    the user may not make it.
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
            except psycopg.errors.InsufficientPrivilege:
                raise MartsUnusableError(
                    f"{connection.info.user}, the user of HEARTBEAT_DATABASE_URL, may not create "
                    f"the database {name}; an administrator of the server runs "
                    f"docs/operations/grants.sql with -v owner={connection.info.user} "
                    f"-v database={name}"
                ) from None


def _refuse_other_encodings(connection: Connection[Any], settings: Settings) -> None:
    """Another encoding has no place for some letters, or does not know what it holds."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise MartsUnusableError(
            f"the database {settings.database_name} has the encoding {encoding}; "
            "make another one with `create database ... encoding 'UTF8' template template0`"
        )


def _refuse_missing_rights(connection: Connection[Any], settings: Settings) -> None:
    missing = missing_rights(connection, settings)
    if missing:
        owner = connection.info.user
        statements = "".join(f"\n  {each}" for each in missing)
        raise MartsUnusableError(
            f"{owner}, the user of HEARTBEAT_DATABASE_URL, may not do all that `heartbeat migrate` "
            "does. An administrator of the server can run docs/operations/grants.sql once, or "
            f"these statements:{statements}"
        )


def _prepare_dagster(connection: Connection[Any], settings: Settings) -> None:
    """Dagster's database, in its login's hands, and closed to everybody else."""
    name = settings.dagster_database_name
    known = connection.execute(_LOGINS["dagster_database"].encode(), {"database": name}).fetchone()
    identifier = sql.Identifier(name)
    if known is None:
        create = sql.SQL("create database {} encoding 'UTF8' template template0 owner {}")
        connection.execute(create.format(identifier, sql.Identifier(Login.DAGSTER)))
        known = (Login.DAGSTER.value, True, True)
    owner, _, is_open = known
    if owner != Login.DAGSTER:
        give = sql.SQL("alter database {} owner to {}")
        connection.execute(give.format(identifier, sql.Identifier(Login.DAGSTER)))
    with connect(of_database(settings.database_url, name)) as inside:
        inside.execute(_LOGINS["dagster_tables"].encode())
    if is_open:
        connection.execute(sql.SQL("revoke all on database {} from public").format(identifier))
    _set_for_dagster(connection, settings)


def _set_for_dagster(connection: Connection[Any], settings: Settings) -> None:
    """Say for Dagster's database what Dagster's URL cannot, since older servers do not know it."""
    name = settings.dagster_database_name
    alter = sql.SQL("alter role {} in database {} set {} = {}")
    asked = {"settings": list(NEWER_SETTINGS), "database": name, "role": Login.DAGSTER.value}
    with connection.transaction():
        connection.execute(_STATEMENTS["take_turns"].encode())
        unsaid = connection.execute(_STATEMENTS["unsaid"].encode(), asked).fetchall()
        if unsaid:
            # a role may say so of itself, where the owner may not alter it
            connection.execute(sql.SQL("set local role {}").format(sql.Identifier(Login.DAGSTER)))
        for setting, value in unsaid:
            connection.execute(
                alter.format(
                    sql.Identifier(Login.DAGSTER),
                    sql.Identifier(name),
                    sql.Identifier(setting),
                    sql.Literal(value),
                )
            )
