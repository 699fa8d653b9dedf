"""A wait for a lock that took too long, and who held it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import Connection, sql

from heartbeat.errors import HeartbeatError
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("lock_wait")

Holder = tuple[int | None, str | None, datetime | None]
"""Process id, application and start of the transaction, as far as we may see them."""


class LockWaitError(HeartbeatError):
    """Another session kept a table locked for longer than we wait."""

    def __init__(self, table: tuple[str, str], holders: Sequence[Holder]) -> None:
        held = " and ".join(map(told, holders)) or "a session that has ended since"
        super().__init__(
            f"waited too long for a lock on {'.'.join(table)}, which is held by {held}; "
            "end that transaction, or wait for it"
        )


def lock_wait(connection: Connection[Any], table: tuple[str, str]) -> LockWaitError:
    """The error of a wait that has just ended, with who holds a lock on the table now."""
    name = sql.Identifier(*table).as_string(connection)
    found = connection.execute(_STATEMENTS["holders"], {"table": name}).fetchall()
    return LockWaitError(table, _dated(connection, found))


def _dated(connection: Connection[Any], holders: Sequence[Holder]) -> Sequence[Holder]:
    """The holders with the start of their transactions, which marts tell of other logins too."""
    if all(since is not None for _, _, since in holders):
        return holders
    tells = connection.execute(_STATEMENTS["tells_open_transactions"].encode()).fetchone()
    if tells != (True,):
        return holders
    begun = dict(connection.execute(_STATEMENTS["open_transactions"].encode()).fetchall())
    return [(pid, name, since or begun.get(pid)) for pid, name, since in holders]


@contextmanager
def naming_lock_holders(connection: Connection[Any], table: tuple[str, str]) -> Iterator[None]:
    """Raise LockWaitError in the place of Postgres's error, which does not say who.

    No transaction of the connection may be left aborted by it.
    """
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise lock_wait(connection, table) from error


def told(holder: Holder) -> str:
    """Who it is, and since when: "process 4711 (heartbeat) since 2026-03-31 09:12:00 UTC"."""
    pid, application, since = holder
    if pid is None:
        return "a prepared transaction"
    begun = f" since {since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if since else ""
    return f"process {pid} ({application or 'another role'}){begun}"
