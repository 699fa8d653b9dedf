"""The marts database for a command that runs without the servers."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from heartbeat.database import prepare_databases
from heartbeat.settings import Settings
from heartbeat.stack.process_lock import MARTS, UP, LockFolder


def new_run_id() -> str:
    """What the rows of one command's work are marked with."""
    return f"cli-{uuid.uuid4()}"


@contextmanager
def opened_marts() -> Iterator[Settings]:
    """The settings, with the database up and migrated; an embedded one is started if need be.

    Where HEARTBEAT_DATABASE_URL names no owner, `heartbeat migrate` has been run elsewhere.
    """
    with running_server() as settings:
        if settings.has_owner:
            prepare_databases(settings)
        yield settings


@contextmanager
def running_server() -> Iterator[Settings]:
    """The settings, with the server up and whatever its databases are.

    An embedded server that `heartbeat up` looks after is waited for, and not started beside it.
    """
    settings = Settings.load()
    if settings.explicit_database_url is not None:
        yield settings
        return
    locks = LockFolder(settings.home)
    guards = [locks.of(name).guard for name in (UP, MARTS)]
    with settings.embedded_postgres.running(
        is_kept_up=lambda: any(guard.is_held() for guard in guards)
    ):
        yield settings
