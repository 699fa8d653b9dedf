"""Bring the schema `heartbeat` to the version of this code."""

from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config

from heartbeat.psycopg2_session import connect_psycopg2

# any fixed number: two processes that migrate at once take turns on it
_MIGRATION_LOCK = 4_827_151
_PATIENCE = {"lock_timeout": "10min"}
"""For one's turn, while another process migrates."""


def migrate(database_url: str) -> None:
    """Run the migrations that `database_url` lacks; processes that start together take turns."""
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg2://",
        creator=lambda: connect_psycopg2(database_url, _PATIENCE),
        poolclass=sqlalchemy.NullPool,
    )
    with engine.begin() as connection:
        connection.execute(
            sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(_MIGRATION_LOCK))
        )
        connection.exec_driver_sql("create schema if not exists heartbeat")
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()
