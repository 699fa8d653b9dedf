"""The view model of the wall: what stands where, decided before the template writes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from math import ceil
from zoneinfo import ZoneInfo

from heartbeat_api.build import build_id
from heartbeat_api.face import Face, face
from heartbeat_api.holder import Reading
from heartbeat_api.moment import Age, age_of
from heartbeat_api.representation import version_of
from heartbeat_api.shell import DataChip, data_chip
from heartbeat_api.snapshot import Snapshot

RED_TILES = 8
"""Reds of one page; more turn over."""

MEDIUM_TILES = 6

_RELOAD_AT = time(4, 10)
"""When a wall loads itself anew, in the business time zone."""


@dataclass(frozen=True)
class Counts:
    """How many metrics are in each tier; together all of them."""

    red: int
    amber: int
    unknown: int
    ok: int


@dataclass(frozen=True)
class Layout:
    """What lays out one screen: classes by the number of reds (r0 to r4, r8), columns of parts."""

    reds: str
    medium_columns: int
    line_columns: int
    ok_columns: int
    more_columns: int


@dataclass(frozen=True)
class Wall:
    """One screen: pages of red tiles, then ambers and no-signals as tiles or lines, then ok lines.

    `more_reds` are those of the later pages, for a screen that cannot turn pages. `headline` stands
    in place of the reds when there is none, with the icon of the tier `calm`. `lost` is the age of
    what is shown while no new data can be read, and empty as long as all is well. At `reload_at`,
    in seconds since 1970, a screen loads itself anew.
    """

    watchlist: str
    layout: Layout
    counts: Counts
    headline: str
    calm: str
    pages: tuple[tuple[Face, ...], ...]
    more_reds: tuple[Face, ...]
    ambers: tuple[Face, ...]
    unknown_pairs: tuple[tuple[Face, ...], ...]
    lines: tuple[Face, ...]
    oks: tuple[Face, ...]
    data: DataChip
    lost: Age | None
    reload_at: int

    @property
    def version(self) -> str:
        """Equal for walls that show the same; clocks and ages go by themselves."""
        return version_of(
            build_id(),
            *(self.watchlist, self.layout, self.counts, self.headline, self.calm),
            *(face.version for faces in self._faces for face in faces),
            *(self.data, self.lost),
        )

    @property
    def _faces(self) -> tuple[tuple[Face, ...], ...]:
        return (*self.pages, self.ambers, *self.unknown_pairs, self.lines, self.oks)


def wall(
    reading: Reading[Snapshot], now: datetime, zone: ZoneInfo, watchlist: str | None = None
) -> Wall:
    """The wall of a reading at `now`, of one watchlist or of all metrics.

    Raises UnavailableError without a snapshot.
    """
    snapshot = reading.required()
    metrics = snapshot.on(watchlist)
    watched = snapshot.watched
    faces = [face(metric, now, zone, watched=metric.metric_id in watched) for metric in metrics]
    reds, ambers, unknowns, oks = (_of(faces, tier) for tier in ("red", "amber", "unknown", "ok"))
    counts = Counts(len(reds), len(ambers), len(unknowns), len(oks))
    in_tiles = medium_fits(counts)
    lines = () if in_tiles else (*ambers, *unknowns)
    more_reds = reds[RED_TILES:]
    return Wall(
        watchlist=watchlist or "",
        layout=layout(counts, len(lines), len(more_reds)),
        counts=counts,
        headline=headline(counts, awaits_first_refresh=snapshot.awaits_first_refresh),
        calm="unknown" if snapshot.awaits_first_refresh or not (ambers or oks) else "ok",
        pages=tuple(reds[start : start + RED_TILES] for start in range(0, len(reds), RED_TILES)),
        more_reds=more_reds,
        ambers=ambers if in_tiles else (),
        unknown_pairs=_pairs(unknowns) if in_tiles else (),
        lines=lines,
        oks=oks,
        data=data_chip(snapshot, now, zone, watchlist),
        lost=age_of(snapshot.as_of, now) if reading.failure else None,
        reload_at=_reload_at(now, zone),
    )


def medium_slots(counts: Counts) -> int:
    """Places of the medium row: one for an amber, half a one for a metric without signal."""
    return counts.amber + ceil(counts.unknown / 2)


def medium_fits(counts: Counts) -> bool:
    """Whether ambers and no-signals are tiles.

    They are lines beside two rows of reds or when there are too many, because they never page.
    """
    return counts.red <= 4 and medium_slots(counts) <= MEDIUM_TILES


def layout(counts: Counts, lines: int, more_reds: int) -> Layout:
    """The layout for so many metrics, of which some are lines, and some reds on later pages."""
    return Layout(
        reds=_red_classes(counts.red),
        medium_columns=max(4, medium_slots(counts)) if medium_fits(counts) else 4,
        line_columns=_line_columns(lines),
        ok_columns=4 if counts.ok <= 12 else 5 if counts.ok <= (25 if counts.red else 35) else 6,
        more_columns=_line_columns(more_reds),
    )


def headline(counts: Counts, *, awaits_first_refresh: bool) -> str:
    """The quiet line of a wall without red; empty when there is a red."""
    if counts.red:
        return ""
    if not (counts.amber or counts.unknown or counts.ok):
        return "No metric is registered yet."
    if awaits_first_refresh:
        return "No data yet: the first refresh has not ended."
    watched = [
        f"{number} {word}"
        for number, word in ((counts.amber, "amber"), (counts.unknown, "without signal"))
        if number
    ]
    return f"No red. {' and '.join(watched)} to watch." if watched else "No red. All within norms."


def _of(faces: Sequence[Face], tier: str) -> tuple[Face, ...]:
    return tuple(face for face in faces if face.tier == tier)


def _pairs(faces: Sequence[Face]) -> tuple[tuple[Face, ...], ...]:
    return tuple(tuple(faces[start : start + 2]) for start in range(0, len(faces), 2))


def _red_classes(reds: int) -> str:
    if reds <= 4:
        return f"r{reds}"
    return "r8 r6" if reds <= 6 else "r8"


def _line_columns(lines: int) -> int:
    """Four columns, or five where that saves a row, and six when there are very many."""
    if lines > 25:
        return 6
    return 5 if lines > 16 or ceil(lines / 5) < ceil(lines / 4) else 4


def _reload_at(now: datetime, zone: ZoneInfo) -> int:
    local = now.astimezone(zone)
    day = local.date() + timedelta(days=local.time() >= _RELOAD_AT)
    return int(datetime.combine(day, _RELOAD_AT, zone).timestamp())
