"""The same sessions for libraries that bring psycopg2 along: dlt and SQLAlchemy."""

from collections.abc import Mapping

import psycopg2
from psycopg2 import extensions

from heartbeat.postgres_session import set_session, with_parameters


def connect_psycopg2(
    connection_string: str, settings: Mapping[str, str] = {}
) -> extensions.connection:
    """Open a session as `postgres_session.connect` does; raises psycopg2.OperationalError."""
    connection = psycopg2.connect(with_parameters(connection_string))
    begin_psycopg2(connection, settings)
    return connection


def begin_psycopg2(connection: extensions.connection, settings: Mapping[str, str] = {}) -> None:
    """Make the settings hold, after a reset of the connection too."""
    with connection.cursor() as cursor:
        cursor.execute(set_session(settings).as_string())
    connection.commit()
