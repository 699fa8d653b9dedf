"""The databases on the marts server."""

from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from heartbeat.errors import HeartbeatError
from heartbeat.settings import Settings


class MartsUnusableError(HeartbeatError):
    """The marts server cannot be used."""


def prepare_databases(settings: Settings) -> None:
    """Make marts and Dagster's database where they are missing, and migrate marts.

    Raises MartsUnusableError with the server's reason, without the password.
    """
    from heartbeat.schema.migration import migrate  # SQLAlchemy and Alembic: half a second

    try:
        for url in (settings.database_url, settings.dagster_database_url):
            ensure_database(url)
        migrate(settings.database_url)
    except psycopg.OperationalError as error:
        raise MartsUnusableError(
            f"cannot use the database of HEARTBEAT_DATABASE_URL: {' '.join(str(error).split())}"
        ) from None


def ensure_database(url: str) -> None:
    """Make the database that a URL names, unless it is there."""
    parts = urlsplit(url)
    server = parts._replace(scheme="postgresql", path="/postgres").geturl()
    create = sql.SQL("create database {} encoding 'UTF8' template template0")
    with psycopg.connect(server, autocommit=True) as connection:
        try:
            connection.execute(create.format(sql.Identifier(parts.path.strip("/"))))
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            return
