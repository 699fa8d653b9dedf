"""What the platform knows of itself beside its data: the run queue and the disks."""

import logging
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import class_row

from heartbeat.login import Login
from heartbeat.postgres_session import connect
from heartbeat.settings import Settings
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("platform_state")
_LOOK_SECONDS = 0.5
_LONGEST_SILENCE_SECONDS = 10.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunQueue:
    """How many runs wait in Dagster's queue, and since when the first of them does."""

    queued: int
    oldest_queued_at: datetime | None
    seen_at: datetime


@dataclass(frozen=True)
class DiskSpace:
    """The disk of one machine's state folder; `refresh_bytes` is the most that a refresh took."""

    machine: str
    free_bytes: int
    size_bytes: int
    seen_at: datetime
    refresh_bytes: int | None = None

    @property
    def is_short(self) -> bool:
        """Whether less is free than one refresh needed."""
        return self.refresh_bytes is not None and self.free_bytes < self.refresh_bytes


def disk_space(folder: Path) -> DiskSpace:
    """The disk of a folder now, also of one that is still to be made."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    usage = shutil.disk_usage(there)
    return DiskSpace(socket.gethostname(), usage.free, usage.total, datetime.now(UTC))


def store_queue(connection: Connection[Any], queue: RunQueue) -> None:
    """Store what was seen of the queue; what was seen later stays."""
    connection.execute(_STATEMENTS["see_queue"], asdict(queue))


def store_disk(connection: Connection[Any], disk: DiskSpace) -> None:
    """Store what was seen of this machine's disk."""
    connection.execute(_STATEMENTS["see_disk"], asdict(disk))


def read_disks(connection: Connection[Any]) -> tuple[DiskSpace, ...]:
    """The disk of every machine, that with the least room for a refresh first."""
    with connection.cursor(row_factory=class_row(DiskSpace)) as cursor:
        return tuple(cursor.execute(_STATEMENTS["disks"]).fetchall())


def read_stale_tables(connection: Connection[Any], before: datetime) -> int:
    """How many tables were not polled since that moment."""
    row = connection.execute(_STATEMENTS["stale_tables"], {"before": before}).fetchone()
    return int(row[0]) if row else 0


def read_database_size(connection: Connection[Any]) -> int:
    """The bytes of the marts database."""
    row = connection.execute(_STATEMENTS["database_size"]).fetchone()
    return int(row[0]) if row else 0


def forget_refresh_disk(connection: Connection[Any], before: datetime) -> int:
    """Forget what landings took before that moment; gives their number."""
    return connection.execute(_STATEMENTS["forget_disk"], {"before": before}).rowcount


@contextmanager
def recording_disk(settings: Settings, run_id: str) -> Iterator[None]:
    """Record what the landing inside takes of the disk of the state folder and of the database.

    It looks twice a second: the files of a landing, and the log that the embedded server writes,
    are gone again when it has ended. A landing is none the worse for what cannot be recorded.
    """
    before = disk_space(settings.home)
    database_before = _database_size(settings)
    watch = _LowestFree(settings.home, before.free_bytes)
    watch.start()
    try:
        yield
    finally:
        lowest = watch.stop()
        after = disk_space(settings.home)
        taken = {
            "run_id": run_id,
            "machine": after.machine,
            "began_at": before.seen_at,
            "ended_at": after.seen_at,
            "free_before": before.free_bytes,
            "free_lowest": min(lowest, after.free_bytes),
            "free_after": after.free_bytes,
            "database_before": database_before,
        }
        try:
            with _beside_the_landing(settings) as connection:
                store_disk(connection, after)
                size = read_database_size(connection)
                connection.execute(_STATEMENTS["take_disk"], taken | {"database_after": size})
        except psycopg.Error as error:
            _logger.warning("What the landing took of the disk is not recorded: %s", error)


def _database_size(settings: Settings) -> int:
    try:
        with _beside_the_landing(settings) as connection:
            return read_database_size(connection)
    except psycopg.Error:
        return 0  # the landing itself tells that the database is away


@contextmanager
def _beside_the_landing(settings: Settings) -> Iterator[Connection[Any]]:
    """A session that a landing may lose: it waits neither for a standby nor long for an answer."""
    url = settings.login_url(Login.INGEST)
    with connect(url, settings={"synchronous_commit": "local"}) as connection:
        connection.longest_silence = _LONGEST_SILENCE_SECONDS
        yield connection


class _LowestFree:
    """The least that was free while it looked."""

    def __init__(self, folder: Path, free_bytes: int) -> None:
        self._folder = folder
        self._lowest = free_bytes
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="disk", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._lowest

    def _look(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            self._lowest = min(self._lowest, disk_space(self._folder).free_bytes)
