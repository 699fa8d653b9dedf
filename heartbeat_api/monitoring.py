"""What Prometheus is told of the platform."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import (
    CollectorRegistry,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from heartbeat.judgement.freshness import Freshness, freshness
from heartbeat.judgement.pulse import blind_since
from heartbeat.judgement.signal import Signal
from heartbeat.metrics.metric_view import MetricView
from heartbeat.platform_state import DiskSpace
from heartbeat_api.build import build_id
from heartbeat_api.holder import Reading
from heartbeat_api.platform_watch import MartsSeen, Seen
from heartbeat_api.request_metrics import RequestMetrics
from heartbeat_api.snapshot import Snapshot

_STATES = ("red", "amber", "green", "error", "no_data")
_STALE = (Freshness.AMBER, Freshness.RED)


@dataclass(frozen=True)
class Platform(Collector):
    """The platform at `now`, from what is held already: nothing is asked for a scrape.

    What is not known is left out, so that nobody takes an old number for a present one; moments
    stay, since they grow old by themselves.
    """

    reading: Reading[Snapshot]
    seen: Seen
    now: datetime
    version: str

    def collect(self) -> Iterator[Metric]:
        """Every family of metrics."""
        yield _info(self.version)
        known = self.reading.failure is None and self.reading.value is not None
        yield _gauge("database_up", "Whether the marts database answers", float(known))
        yield _gauge(
            "dagster_up", "Whether Dagster's webserver answers", float(self.seen.queue is not None)
        )
        snapshot = self.reading.value
        if snapshot is not None:
            yield from _moments(snapshot, self.now)
        if snapshot is not None and known:
            yield from _metrics(snapshot.metrics, self.now)
            yield from _tables(snapshot)
            yield from _disks(snapshot.disks, self.seen.disk)
        elif self.seen.disk is not None:
            yield from _disks((), self.seen.disk)
        yield from _queue(self.seen, self.now)
        if self.seen.marts is not None:
            yield from _marts(self.seen.marts)


class Monitoring:
    """What one API process tells Prometheus: the platform, its requests, and itself."""

    def __init__(self, version: str) -> None:
        self._version = version
        # they are a series more for each counter, which nobody draws
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.requests = RequestMetrics(self._registry)

    def exposition(self, reading: Reading[Snapshot], seen: Seen, now: datetime) -> bytes:
        """The document of one scrape."""
        platform = Platform(reading, seen, now, self._version)
        return generate_latest(platform) + generate_latest(self._registry)


def _info(version: str) -> Metric:
    family = InfoMetricFamily("heartbeat_build", "The version that runs", labels=())
    family.add_metric((), {"version": version, "build": build_id()})
    return family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"heartbeat_{name}", text, value=value)


def _labelled(
    name: str, text: str, label: str, values: Iterable[tuple[str, float]] | Mapping[str, float]
) -> Metric:
    family = GaugeMetricFamily(f"heartbeat_{name}", text, labels=[label])
    pairs = values.items() if isinstance(values, Mapping) else values
    for each, value in pairs:
        family.add_metric([each], value)
    return family


def _moments(snapshot: Snapshot, now: datetime) -> Iterator[Metric]:
    moments = (
        ("last_read", "When marts was last read", snapshot.as_of),
        ("last_good_refresh", "When all metrics had been computed", snapshot.refreshed_at),
        (
            "last_compute",
            "When most metrics were computed last, well or not",
            snapshot.last_compute,
        ),
        ("oldest_poll", "The oldest poll of a source behind a value", snapshot.sources_as_of()),
    )
    for name, text, moment in moments:
        if moment is not None:
            yield _gauge(f"{name}_timestamp_seconds", text, moment.timestamp())
    stalled = blind_since(snapshot.last_compute, now) is not None
    yield _gauge("engine_stalled", "Whether two refreshes in a row have not come", float(stalled))


def _metrics(views: Iterable[MetricView], now: datetime) -> Iterator[Metric]:
    views = tuple(views)
    counts = Counter(_state(view) for view in views)
    yield _labelled(
        "metrics", "Metrics by state", "state", {state: counts[state] for state in _STATES}
    )
    ages = (freshness(view.period, view.source_as_of, now) for view in views)
    stale = sum(age in _STALE for age in ages)
    yield _gauge("metrics_stale", "Metrics whose source data is too old", stale)


def _state(view: MetricView) -> str:
    if view.signal is Signal.OK:
        return view.status.value
    return "error" if view.signal is Signal.ERROR else "no_data"


def _tables(snapshot: Snapshot) -> Iterator[Metric]:
    yield _gauge("tables", "Tables that the sources land", snapshot.landing.tables)
    failing = len(snapshot.landing.failed)
    yield _gauge("tables_failing", "Tables that did not land when last attempted", failing)


def _disks(disks: Iterable[DiskSpace], own: DiskSpace | None) -> Iterator[Metric]:
    """Of every machine; of this one what was seen here."""
    by_machine = {disk.machine: disk for disk in disks}
    needed = [(name, disk.refresh_bytes) for name, disk in by_machine.items() if disk.refresh_bytes]
    if own is not None:
        by_machine[own.machine] = own
    free = [(name, float(disk.free_bytes)) for name, disk in by_machine.items()]
    size = [(name, float(disk.size_bytes)) for name, disk in by_machine.items()]
    yield _labelled("disk_free_bytes", "Free on the disk of the state folder", "machine", free)
    yield _labelled("disk_size_bytes", "Size of the disk of the state folder", "machine", size)
    took = [(name, float(number)) for name, number in needed]
    text = "The most that one refresh took of that disk within a day"
    yield _labelled("refresh_disk_bytes", text, "machine", took)


def _queue(seen: Seen, now: datetime) -> Iterator[Metric]:
    queue = seen.queue
    if queue is None:
        return
    oldest = queue.oldest_queued_at
    wait = max((now - oldest).total_seconds(), 0.0) if oldest else 0.0
    yield _gauge("runs_queued", "Runs that wait in Dagster's queue", queue.queued)
    yield _gauge("oldest_queued_run_age_seconds", "How long the first of them has waited", wait)


def _marts(marts: MartsSeen) -> Iterator[Metric]:
    yield _gauge("tables_stale", "Tables that were not polled for 24 hours", marts.stale_tables)
    yield _gauge("screens", "Screens that show a wall, or should", marts.screens)
    yield _gauge("screens_dark", "Screens that do not report", marts.dark_screens)
    yield _gauge("database_size_bytes", "Size of the marts database", marts.database_bytes)
