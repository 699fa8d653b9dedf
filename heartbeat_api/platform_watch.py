"""Looks at what no refresh can tell while none runs: the queue, the disk, the screens."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from heartbeat.displays import read_displays
from heartbeat.judgement.freshness import LIMITS
from heartbeat.metrics.metric import Period
from heartbeat.platform_state import (
    DiskSpace,
    RunQueue,
    disk_space,
    read_database_size,
    read_stale_tables,
    store_disk,
    store_queue,
)
from heartbeat.refresh.dagster_client import DagsterClient, DagsterError
from heartbeat.refresh.job import JobState, state_of
from heartbeat_api.database import Database, UnavailableError

_LOOK_SECONDS = 30.0
_BELIEVED_FOR = timedelta(minutes=2)
_STALE_AFTER = LIMITS[Period.SNAPSHOT].amber

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MartsSeen:
    """What marts says beside what the walls read."""

    screens: int
    dark_screens: int
    stale_tables: int
    database_bytes: int
    seen_at: datetime


@dataclass(frozen=True)
class Seen:
    """What was seen last, each with the moment; None: never, or not any more."""

    queue: RunQueue | None = None
    disk: DiskSpace | None = None
    marts: MartsSeen | None = None

    def at(self, now: datetime) -> "Seen":
        """What of it can still be believed."""
        old = now - _BELIEVED_FOR
        return Seen(
            self.queue if self.queue and self.queue.seen_at > old else None,
            self.disk if self.disk and self.disk.seen_at > old else None,
            self.marts if self.marts and self.marts.seen_at > old else None,
        )


class PlatformWatch:
    """Looks every 30 seconds, keeps what it saw, and stores what the platform's metrics read."""

    def __init__(self, database: Database, dagster: DagsterClient, home: Path) -> None:
        self._database = database
        self._dagster = dagster
        self._home = home
        self._seen = Seen()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="platform", daemon=True)

    def open(self) -> None:
        """Start to look; neither database nor Dagster need be there yet."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closed.set()
        self._dagster.close()
        self._thread.join()

    @property
    def seen(self) -> Seen:
        """What can be believed now."""
        return self._seen.at(datetime.now(UTC))

    def _watch(self) -> None:
        while not self._closed.is_set():
            for look in (self._look_at_queue, self._look_at_disk, self._look_at_marts):
                self._try(look)
            self._closed.wait(_LOOK_SECONDS)

    def _try(self, look: Callable[[], None]) -> None:
        try:
            look()
        except (DagsterError, UnavailableError, OSError) as error:
            _logger.debug("The platform could not be looked at: %s", error)
        except Exception:
            # a client that was closed under a look is no fault
            if not self._closed.is_set():
                _logger.exception("The platform could not be looked at")

    def _look_at_queue(self) -> None:
        now = datetime.now(UTC)
        active = self._dagster.active_runs()
        waiting = [run.created_at for run in active if state_of(run) is JobState.QUEUED]
        queue = RunQueue(len(waiting), min(waiting, default=None), now)
        self._seen = replace(self._seen, queue=queue)
        with self._database.writing() as connection:
            store_queue(connection, queue)

    def _look_at_disk(self) -> None:
        disk = disk_space(self._home)
        self._seen = replace(self._seen, disk=disk)
        with self._database.writing() as connection:
            store_disk(connection, disk)

    def _look_at_marts(self) -> None:
        now = datetime.now(UTC)
        with self._database.reading() as connection:
            displays = read_displays(connection, now)
            marts = MartsSeen(
                screens=len(displays),
                dark_screens=sum(each.dark_since is not None for each in displays),
                stale_tables=read_stale_tables(connection, now - _STALE_AFTER),
                database_bytes=read_database_size(connection),
                seen_at=now,
            )
        self._seen = replace(self._seen, marts=marts)
