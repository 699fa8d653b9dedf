"""The frame that all pages share: where one can go, how old the numbers are, what time it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from heartbeat.judgement.freshness import Freshness, freshness
from heartbeat.judgement.pulse import blind_since
from heartbeat.metrics.metric_view import MetricView
from heartbeat_api.moment import short_moment_text
from heartbeat_api.snapshot import Snapshot

_STALE = (Freshness.AMBER, Freshness.RED)


@dataclass(frozen=True)
class Link:
    """A link, and whether it leads to what is shown already."""

    text: str
    href: str
    current: bool = False


@dataclass(frozen=True)
class DataChip:
    """How fresh the numbers are: when the newest was computed, how many have an old source.

    `blind` is when anything was computed last, while the engine does nothing; else empty.
    """

    time: str
    stale: str
    blind: str


@dataclass(frozen=True)
class Frame:
    """The frame of one page; `clock` and `now` are of the drawing, a screen keeps them going."""

    links: tuple[Link, ...]
    data: DataChip
    clock: str
    now: int
    zone: str
    zone_name: str


@dataclass(frozen=True)
class Shell:
    """Which pages there are, and the business time zone; `feedback` is an address elsewhere."""

    docs: bool
    feedback: str | None
    zone: ZoneInfo

    def frame(self, current: str, snapshot: Snapshot | None, now: datetime) -> Frame:
        """The frame of a page of the part `current`, which is its href."""
        local = now.astimezone(self.zone)
        return Frame(
            links=self._links(current),
            data=data_chip(snapshot, now, self.zone),
            clock=f"{local:%H:%M:%S}",
            now=int(now.timestamp()),
            zone=self.zone.key,
            zone_name=local.tzname() or self.zone.key,
        )

    def _links(self, current: str) -> tuple[Link, ...]:
        parts = {"Cockpit": "/", "Audit": "/audit", **({"Docs": "/docs"} if self.docs else {})}
        links = [Link(text, href, href == current) for text, href in parts.items()]
        return (*links, *([Link("Feedback", self.feedback)] if self.feedback else []))


def data_chip(
    snapshot: Snapshot | None, now: datetime, zone: ZoneInfo, watchlist: str | None = None
) -> DataChip:
    """What is to be said of the numbers of a watchlist, or of all, at `now`."""
    metrics = snapshot.on(watchlist) if snapshot else ()
    blind = blind_since(snapshot.last_compute, now) if snapshot else None
    return DataChip(
        time=_newest(metrics, now, zone),
        stale=_stale(metrics, now),
        blind=short_moment_text(blind, now, zone) if blind else "",
    )


def _newest(metrics: Sequence[MetricView], now: datetime, zone: ZoneInfo) -> str:
    computed = [metric.computed_at for metric in metrics if metric.computed_at is not None]
    return short_moment_text(max(computed), now, zone) if computed else "none yet"


def _stale(metrics: Sequence[MetricView], now: datetime) -> str:
    number = sum(freshness(each.period, each.source_as_of, now) in _STALE for each in metrics)
    return f"{number} stale" if number else ""
