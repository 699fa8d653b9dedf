"""The last good read of all metrics, shared by any number of walls."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from heartbeat.metric_rows import MetricProse, read_prose
from heartbeat.metric_view import MetricView, read_metrics
from heartbeat_api.database import Database, DatabaseUnavailableError

_LIFETIME_SECONDS = 1.0


@dataclass(frozen=True)
class Snapshot:
    """All metrics in the order of the wall, and their prose by metric_id, as of one moment."""

    as_of: datetime
    metrics: tuple[MetricView, ...]
    prose: Mapping[str, MetricProse]

    def metric(self, name: str) -> MetricView | None:
        """The metric of that metric_id or code, or None."""
        return next((view for view in self.metrics if name in (view.metric_id, view.code)), None)


@dataclass(frozen=True)
class Reading:
    """What can be shown now: the last good snapshot, and why it is not fresh (None: it is)."""

    snapshot: Snapshot | None
    failure: str | None

    def required(self) -> Snapshot:
        """The snapshot; raises DatabaseUnavailableError when none was ever read."""
        if self.snapshot is None:
            raise DatabaseUnavailableError(self.failure)
        return self.snapshot


class SnapshotHolder:
    """Holds the last good snapshot and reads at most once per second.

    While one caller reads, the others get what is held; only without anything held do they wait.
    A failed read keeps the last good snapshot and is not tried again within the second.
    """

    def __init__(
        self, read: Callable[[], Snapshot], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._held = Reading(None, None)
        self._expires = float("-inf")

    def reading(self) -> Reading:
        """The present reading."""
        if not self._lock.acquire(blocking=self._held.snapshot is None):
            return self._held
        try:
            return self._renew() if self._clock() >= self._expires else self._held
        finally:
            self._lock.release()

    def renewed(self) -> Reading:
        """A reading that began after this call: for the caller who has just written something."""
        with self._lock:
            return self._renew()

    def _renew(self) -> Reading:
        self._held = self._refreshed()
        self._expires = self._clock() + _LIFETIME_SECONDS
        return self._held

    def _refreshed(self) -> Reading:
        try:
            return Reading(self._read(), None)
        except DatabaseUnavailableError as unavailable:
            return Reading(self._held.snapshot, str(unavailable))


def read_snapshot(database: Database, zone: ZoneInfo) -> Snapshot:
    """Read all metrics in one transaction; raises DatabaseUnavailableError."""
    now = datetime.now(UTC)
    with database.reading() as connection:
        return Snapshot(now, read_metrics(connection, now=now, zone=zone), read_prose(connection))
