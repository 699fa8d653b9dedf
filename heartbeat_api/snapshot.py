"""All metrics at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from heartbeat.metrics.metric_rows import MetricProse, read_prose
from heartbeat.metrics.metric_view import MetricView, read_metrics
from heartbeat_api.database import Database
from heartbeat_api.document import document


@dataclass(frozen=True)
class Snapshot:
    """All metrics in the order of the wall, and their prose by metric_id, as of one moment."""

    as_of: datetime
    metrics: tuple[MetricView, ...]
    prose: Mapping[str, MetricProse]

    @cached_property
    def metrics_document(self) -> bytes:
        """The metrics as JSON, which any number of requests share."""
        return document(self.metrics)

    def metric(self, name: str) -> MetricView | None:
        """The metric of that metric_id or code, or None."""
        return next((view for view in self.metrics if name in (view.metric_id, view.code)), None)


def read_snapshot(database: Database, zone: ZoneInfo) -> Snapshot:
    """Read all metrics in one transaction; raises UnavailableError."""
    now = datetime.now(UTC)
    with database.reading() as connection:
        metrics = read_metrics(connection, now=now, zone=zone)
        snapshot = Snapshot(now, metrics, read_prose(connection))
    assert snapshot.metrics_document  # made here, where no request waits for it
    return snapshot
