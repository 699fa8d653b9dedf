"""All metrics at one moment, and what the pages say beside them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from heartbeat.audit.audit_view import AuditRegistry, read_audit_registry
from heartbeat.judgement.signal import Signal
from heartbeat.landing.landing_state import (
    LandingState,
    LeftAttempts,
    read_landing_state,
    read_left_attempts,
)
from heartbeat.metrics.metric_rows import MetricProse, read_last_compute, read_prose
from heartbeat.metrics.metric_view import MetricView, oldest_poll, read_metrics
from heartbeat.metrics.platform_metrics import is_platform_metric
from heartbeat.metrics.watchlists import Watchlists, read_watchlists
from heartbeat.platform_state import DiskSpace, read_disks
from heartbeat_api.database import Database, UnavailableError

_NO_CUTS = AuditRegistry(())
_NOTHING_LANDS = LandingState()


@dataclass(frozen=True)
class Snapshot:
    """All metrics in the order of the wall, and their prose by metric_id, as of one moment.

    `watchlists` has metric_ids by name; `last_compute` is when most metrics were computed last,
    well or not; `landing` tells which tables did not land; `disks` are those of the state folders.
    """

    as_of: datetime
    metrics: tuple[MetricView, ...]
    prose: Mapping[str, MetricProse]
    watchlists: Watchlists = field(default_factory=dict)
    cuts: AuditRegistry = _NO_CUTS
    last_compute: datetime | None = None
    landing: LandingState = _NOTHING_LANDS
    disks: tuple[DiskSpace, ...] = ()

    def metric(self, name: str) -> MetricView | None:
        """The metric of that metric_id or code, or None."""
        return next((view for view in self.metrics if name in (view.metric_id, view.code)), None)

    def on(self, watchlist: str | None) -> tuple[MetricView, ...]:
        """The metrics of a watchlist, or all, in the order of the wall."""
        if watchlist is None:
            return self.metrics
        chosen = self.watchlists.get(watchlist, frozenset())
        return tuple(view for view in self.metrics if view.metric_id in chosen)

    def sources_as_of(self, watchlist: str | None = None) -> datetime | None:
        """The oldest poll behind the values of a watchlist, or of all; None: none is known."""
        return oldest_poll(self.on(watchlist))

    @property
    def refreshed_at(self) -> datetime | None:
        """When all metrics that can be computed had been: the last good refresh; None: never."""
        computed = [view.computed_at for view in self.metrics if view.signal is Signal.OK]
        return min((moment for moment in computed if moment is not None), default=None)

    @property
    def awaits_first_refresh(self) -> bool:
        """Whether most metrics, those of the platform aside, have never been computed."""
        own = [view for view in self.metrics if not is_platform_metric(view)]
        return 2 * sum(view.signal is Signal.NO_DATA for view in own) > len(own)

    @cached_property
    def watched(self) -> frozenset[str]:
        """The metric_ids that are on any watchlist."""
        return frozenset().union(*self.watchlists.values())


def read_snapshot(database: Database, zone: ZoneInfo) -> Snapshot:
    """Read all metrics in one transaction; raises UnavailableError."""
    now = datetime.now(UTC)
    left = _left_attempts(database)
    with database.reading() as connection:
        return Snapshot(
            as_of=now,
            metrics=read_metrics(connection, now=now, zone=zone),
            prose=read_prose(connection),
            watchlists=read_watchlists(connection),
            cuts=read_audit_registry(connection),
            last_compute=read_last_compute(connection),
            landing=read_landing_state(connection, left),
            disks=read_disks(connection),
        )


def _left_attempts(database: Database) -> LeftAttempts:
    """Asked of the primary, which alone knows its locks; without it nobody knows."""
    try:
        with database.reading_primary() as connection:
            return read_left_attempts(connection)
    except UnavailableError:
        if not database.has_standby:
            raise
        return {}
