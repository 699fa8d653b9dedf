"""Bring the schema `heartbeat` to the version of this code."""

from functools import partial
from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config

from heartbeat.errors import HeartbeatError
from heartbeat.psycopg2_session import connect_psycopg2
from heartbeat.sql import platform_statements

# any fixed number: two processes that migrate at once take turns on it
_MIGRATION_LOCK = 4_827_151
_LOGINS = platform_statements("logins")
_PATIENCE = {"lock_timeout": "10min"}
"""For one's turn, while another process migrates."""


class MigrationError(HeartbeatError):
    """The database does not take a migration."""


def migrate(database_url: str) -> None:
    """Run the migrations that `database_url` lacks; processes that start together take turns.

    The roles of the server come first, what earlier versions landed is handed over last.
    """
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg2://",
        creator=lambda: connect_psycopg2(database_url, _PATIENCE),
        poolclass=sqlalchemy.NullPool,
    )
    try:
        _upgrade(engine)
    except sqlalchemy.exc.DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        told = f"the schema heartbeat could not be brought up to date: {reason}"
        raise MigrationError(told) from error
    finally:
        engine.dispose()


def _upgrade(engine: sqlalchemy.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(_MIGRATION_LOCK))
        )
        # a mark of percent is one
        run = partial(connection.exec_driver_sql, execution_options={"no_parameters": True})
        run(_LOGINS["roles"])
        run("create schema if not exists heartbeat")
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        run(_LOGINS["database"])
        run(_LOGINS["hand_over"])
