"""The marts database for a command that runs without the servers."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from heartbeat.database import prepare_databases
from heartbeat.settings import Settings


@contextmanager
def opened_marts() -> Iterator[Settings]:
    """The settings, with the database up and migrated; an embedded one is started if need be."""
    settings = Settings.load()
    embedded = settings.explicit_database_url is None
    with settings.embedded_postgres.running() if embedded else nullcontext():
        prepare_databases(settings)
        yield settings
