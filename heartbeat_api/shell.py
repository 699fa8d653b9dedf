"""The frame that all pages share: where one can go, how old the numbers are, what time it is."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from heartbeat.judgement.freshness import Freshness, freshness
from heartbeat.judgement.pulse import blind_since
from heartbeat.judgement.wording import bytes_text
from heartbeat.landing.landing_state import LandingState
from heartbeat.metrics.metric_view import MetricView
from heartbeat.platform_state import DiskSpace
from heartbeat_api.moment import short_moment_text
from heartbeat_api.snapshot import Snapshot

NO_POLL = "none yet"
"""What stands for the age of the sources before any has landed."""

_STALE = (Freshness.AMBER, Freshness.RED)


@dataclass(frozen=True)
class Link:
    """A link, and whether it leads to what is shown already."""

    text: str
    href: str
    current: bool = False


@dataclass(frozen=True)
class DataChip:
    """How fresh the sources are: the oldest poll behind a number, how many of them are too old.

    `refresh` is what a refresh did not land, until one does; `blind` is when anything was computed
    last, while the engine does nothing; `disk` says that less is free than a refresh needs. All are
    empty while all is well.
    """

    time: str
    stale: str
    refresh: str
    blind: str
    disk: str = ""


@dataclass(frozen=True)
class Frame:
    """The frame of one page; `clock` and `now` are of the drawing, a screen keeps them going."""

    links: tuple[Link, ...]
    data: DataChip
    clock: str
    now: int
    zone: str
    zone_name: str
    closed: str = ""


@dataclass(frozen=True)
class Shell:
    """Which pages there are, and the business time zone; `feedback` is an address elsewhere.

    `closed` says why no browser may write, and is empty where one may.
    """

    docs: bool
    feedback: str | None
    zone: ZoneInfo
    closed: str = ""

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
            closed=self.closed,
        )

    def _links(self, current: str) -> tuple[Link, ...]:
        parts = {"Cockpit": "/", "Audit": "/audit", **({"Docs": "/docs"} if self.docs else {})}
        links = [Link(text, href, href == current) for text, href in parts.items()]
        return (*links, *([Link("Feedback", self.feedback)] if self.feedback else []))


def data_chip(
    snapshot: Snapshot | None, now: datetime, zone: ZoneInfo, watchlist: str | None = None
) -> DataChip:
    """What is to be said of the numbers of a watchlist, or of all, at `now`."""
    if snapshot is None:
        return DataChip(time=NO_POLL, stale="", refresh="", blind="")
    oldest = snapshot.sources_as_of(watchlist)
    blind = blind_since(snapshot.last_compute, now)
    return DataChip(
        time=short_moment_text(oldest, now, zone) if oldest else NO_POLL,
        stale=_stale(snapshot.on(watchlist), now),
        refresh=refresh_text(snapshot.landing, now, zone),
        blind=short_moment_text(blind, now, zone) if blind else "",
        disk=disk_text(snapshot.disks),
    )


def disk_text(disks: Sequence[DiskSpace]) -> str:
    """Where less is free than one refresh needed; empty when all is well."""
    short = [disk for disk in disks if disk.is_short]
    return "; ".join(_disk_text(disk, named=len(disks) > 1) for disk in short)


def _disk_text(disk: DiskSpace, *, named: bool) -> str:
    of = f" of {disk.machine}" if named else ""
    needed = bytes_text(disk.refresh_bytes or 0)
    return f"disk{of}: {bytes_text(disk.free_bytes)} free, a refresh needs {needed}"


def refresh_text(landing: LandingState, now: datetime, zone: ZoneInfo) -> str:
    """What did not land, and when that was; empty when all is well."""
    failed_at = landing.failed_at
    return landing.text(short_moment_text(failed_at, now, zone) if failed_at else "")


def _stale(metrics: Sequence[MetricView], now: datetime) -> str:
    """How many values have an old source, and how many one of which nobody knows the age."""
    ages = Counter(
        freshness(each.period, each.source_as_of, now)
        for each in metrics
        if each.value is not None and each.reads
    )
    stale = sum(ages[age] for age in _STALE)
    told = ((stale, "stale"), (ages[Freshness.UNKNOWN], "of unknown age"))
    return ", ".join(f"{number} {word}" for number, word in told if number)
