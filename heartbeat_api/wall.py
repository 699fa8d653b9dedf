"""The view model of the wall: what stands where, decided before the template writes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from zoneinfo import ZoneInfo

from heartbeat.judgement.wording import age_text
from heartbeat.metrics.metric_view import MetricView
from heartbeat_api.build import build_id
from heartbeat_api.face import Face, face
from heartbeat_api.holder import Reading
from heartbeat_api.snapshot import Snapshot

RED_TILES = 8
MEDIUM_TILES = 6

_ROOMY_ONE_ROW_REM = 26.0
_ROOMY_TWO_ROWS_REM = 45.0
"""Below these heights of the reds, names and values get smaller."""

_TIGHT_TWO_ROWS_REM = 38.0
"""Below this height of two rows of reds, names have one line."""


@dataclass(frozen=True)
class Counts:
    """How many metrics are in each tier; together all of them."""

    red: int
    amber: int
    unknown: int
    ok: int


@dataclass(frozen=True)
class Layout:
    """The classes that lay out one screen.

    `reds` is r0, r1, r2, r3, r4 or r8 by the number of red tiles; `density` is roomy, tight or
    tightest by the height that is left for them. The columns are those of each part.
    """

    reds: str
    density: str
    medium_columns: int
    line_columns: int
    ok_columns: int

    @property
    def classes(self) -> str:
        """The class attribute of the page."""
        return f"{self.reds} {self.density}"


@dataclass(frozen=True)
class Wall:
    """One screen: red tiles, then amber tiles and pairs of no-signal tiles or lines, then ok lines.

    `lost` is the notice that the database is away, empty while it answers. `headline` stands in
    place of the reds when there is none.
    """

    layout: Layout
    counts: Counts
    headline: str
    reds: tuple[Face, ...]
    ambers: tuple[Face, ...]
    unknown_pairs: tuple[tuple[Face, ...], ...]
    lines: tuple[Face, ...]
    oks: tuple[Face, ...]
    data_time: str
    clock: str
    zone: str
    lost: str
    build: str


def wall(reading: Reading[Snapshot], now: datetime, zone: ZoneInfo) -> Wall:
    """The wall of a reading at `now`; raises UnavailableError without a snapshot."""
    snapshot = reading.required()
    faces = [face(metric, now) for metric in snapshot.metrics]
    reds, ambers, unknowns, oks = (_of(faces, tier) for tier in ("red", "amber", "unknown", "ok"))
    tiles, more_reds = reds[:RED_TILES], reds[RED_TILES:]
    in_tiles = medium_fits(len(reds), len(ambers), len(unknowns))
    lines = more_reds if in_tiles else (*more_reds, *ambers, *unknowns)
    counts = Counts(len(reds), len(ambers), len(unknowns), len(oks))
    return Wall(
        layout=layout(len(tiles), medium_slots(counts) if in_tiles else 0, len(lines), len(oks)),
        counts=counts,
        headline=headline(counts),
        reds=tiles,
        ambers=ambers if in_tiles else (),
        unknown_pairs=_pairs(unknowns) if in_tiles else (),
        lines=lines,
        oks=oks,
        data_time=_data_time(snapshot.metrics, now, zone),
        clock=f"{now.astimezone(zone):%H:%M}",
        zone=now.astimezone(zone).tzname() or zone.key,
        lost=_lost(reading, now - snapshot.as_of),
        build=build_id(),
    )


def medium_slots(counts: Counts) -> int:
    """Places of the medium row: one for an amber, half a one for a metric without signal."""
    return counts.amber + ceil(counts.unknown / 2)


def medium_fits(reds: int, ambers: int, unknowns: int) -> bool:
    """Whether ambers and no-signals are tiles.

    They are lines beside two rows of reds or when there are too many, because they never page.
    """
    slots = medium_slots(Counts(reds, ambers, unknowns, 0))
    return reds <= 4 and slots <= MEDIUM_TILES


def layout(red_tiles: int, medium: int, lines: int, oks: int) -> Layout:
    """The layout for so many red tiles, medium places, lines and ok lines."""
    line_columns = 4 if lines <= 16 else 5 if lines <= 25 else 6
    ok_columns = 4 if oks <= 12 else 5 if oks <= 20 else 6
    height = _height_left_for_reds(medium, ceil(lines / line_columns), ceil(oks / ok_columns))
    return Layout(
        reds=f"r{red_tiles}" if red_tiles <= 4 else "r8",
        density=density(red_tiles, height),
        medium_columns=max(4, medium),
        line_columns=line_columns,
        ok_columns=ok_columns,
    )


def density(red_tiles: int, height: float) -> str:
    """How much the reds are squeezed into a height in rem."""
    if red_tiles <= 4:
        return "roomy" if not red_tiles or height >= _ROOMY_ONE_ROW_REM else "tight"
    if height >= _ROOMY_TWO_ROWS_REM:
        return "roomy"
    return "tight" if height >= _TIGHT_TWO_ROWS_REM else "tight tightest"


def headline(counts: Counts) -> str:
    """The quiet line of a wall without red; empty when there is a red."""
    if counts.red:
        return ""
    if not (counts.amber or counts.unknown or counts.ok):
        return "No metric is registered yet."
    watched = [
        f"{number} {word}"
        for number, word in ((counts.amber, "amber"), (counts.unknown, "without signal"))
        if number
    ]
    return f"No red. {' and '.join(watched)} to watch." if watched else "No red. All within norms."


def _height_left_for_reds(medium: int, line_rows: int, ok_rows: int) -> float:
    """In rem, of the 67.5 that a screen is high; the sizes are those of wall.css."""
    page, header, legend, gap = 2.2, 4.3, 2.1, 0.85
    medium_height = 19.2 + gap if medium else 0.0
    lines_height = 3.35 * line_rows + gap if line_rows else 0.0
    ok_height = 2.2 * ok_rows + gap if ok_rows else 0.0
    return 67.5 - page - header - legend - 2 * gap - medium_height - lines_height - ok_height


def _of(faces: Sequence[Face], tier: str) -> tuple[Face, ...]:
    return tuple(face for face in faces if face.tier == tier)


def _pairs(faces: Sequence[Face]) -> tuple[tuple[Face, ...], ...]:
    return tuple(tuple(faces[start : start + 2]) for start in range(0, len(faces), 2))


def _data_time(metrics: Sequence[MetricView], now: datetime, zone: ZoneInfo) -> str:
    """When the newest value was computed; with its day unless that is today."""
    computed = [metric.computed_at for metric in metrics if metric.computed_at is not None]
    if not computed:
        return "none yet"
    newest = max(computed).astimezone(zone)
    today = now.astimezone(zone).date()
    return f"{newest:%H:%M}" if newest.date() == today else f"{newest:%-d %b %H:%M}"


def _lost(reading: Reading[Snapshot], age: timedelta) -> str:
    return f"NO DATABASE for {age_text(age)}" if reading.failure else ""
