"""All metrics at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from heartbeat.metrics.metric_rows import MetricProse, read_prose
from heartbeat.metrics.metric_view import MetricView, read_metrics
from heartbeat_api.database import Database


@dataclass(frozen=True)
class Snapshot:
    """All metrics in the order of the wall, and their prose by metric_id, as of one moment."""

    as_of: datetime
    metrics: tuple[MetricView, ...]
    prose: Mapping[str, MetricProse]

    def metric(self, name: str) -> MetricView | None:
        """The metric of that metric_id or code, or None."""
        return next((view for view in self.metrics if name in (view.metric_id, view.code)), None)


def read_snapshot(database: Database, zone: ZoneInfo) -> Snapshot:
    """Read all metrics in one transaction; raises UnavailableError."""
    now = datetime.now(UTC)
    with database.reading() as connection:
        return Snapshot(now, read_metrics(connection, now=now, zone=zone), read_prose(connection))
