"""The screens that show a wall, and since when one of them has been dark."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from heartbeat.sql import platform_statements

DARK_AFTER = timedelta(minutes=3)
"""A wall polls every 30 seconds, and every 2 minutes while it cannot."""

A_SCREEN_AFTER = timedelta(hours=1)
"""Who showed a wall for less was a visitor, whose absence nobody needs to hear of."""

_STATEMENTS = platform_statements("displays")


@dataclass(frozen=True)
class Beat:
    """What a wall reports of itself: the page it shows, its build, its last good poll."""

    name: str
    page: str
    build: str
    last_good_poll: datetime
    seen_at: datetime


@dataclass(frozen=True)
class Display:
    """One screen as people and programs see it; `dark_since` is None while it reports."""

    name: str
    page: str
    build: str
    last_good_poll: datetime
    first_seen: datetime
    last_seen: datetime
    dark_since: datetime | None = None


def store_beats(connection: Connection[Any], beats: Iterable[Beat]) -> None:
    """Store the last beat of each screen, unless a later one is stored already."""
    # in one order: two processes that store beats of the same screens would else lock each other
    ordered = sorted(beats, key=lambda beat: beat.name)
    with connection.cursor() as cursor:
        cursor.executemany(_sql("beat"), [asdict(beat) for beat in ordered])


def read_displays(connection: Connection[Any], now: datetime) -> tuple[Display, ...]:
    """Every screen by name: those that report, and those that once did for an hour and longer."""
    asked = {"now": now, "dark_after": DARK_AFTER, "a_screen_after": A_SCREEN_AFTER}
    with connection.cursor(row_factory=class_row(Display)) as cursor:
        return tuple(cursor.execute(_sql("displays"), asked).fetchall())


def forget_displays(connection: Connection[Any], before: datetime) -> int:
    """Forget screens that have been dark since before that moment; gives their number."""
    return connection.execute(_sql("forget"), {"before": before}).rowcount


def _sql(name: str) -> bytes:
    return _STATEMENTS[name].encode()
