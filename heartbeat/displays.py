"""The screens that show a wall, and since when one of them has been dark."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection, DataError, IntegrityError
from psycopg.rows import class_row

from heartbeat.sql import platform_statements

DARK_AFTER = timedelta(minutes=3)
"""A wall polls every 30 seconds, and every 2 minutes while it cannot."""

A_SCREEN_AFTER = timedelta(hours=1)
"""Who showed a wall for less was a visitor, whose absence nobody needs to hear of."""

MOST_DISPLAYS = 500
"""Rows of the table: names are made up by whoever can reach the wall."""

_STATEMENTS = platform_statements("displays")


@dataclass(frozen=True)
class Beat:
    """What a wall reports of itself: the page it shows, its build, its last good poll.

    `claim` tells its browser from another one that reports under the same name.
    """

    name: str
    page: str
    build: str
    last_good_poll: datetime
    seen_at: datetime
    claim: str = ""


@dataclass(frozen=True)
class StoredBeats:
    """What became of beats: names that another browser holds, and names with why they failed.

    `screens` are the names that have reported for an hour and longer, whether dark now or not.
    """

    screens: frozenset[str]
    taken: frozenset[str]
    failed: Mapping[str, str]


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


def claim_of(key: str) -> str:
    """What is stored of the cookie of a browser: enough to know it again, not to show it."""
    return hashlib.sha256(key.encode()).hexdigest()


def store_beats(connection: Connection[Any], beats: Iterable[Beat]) -> StoredBeats:
    """Store the last beat of each screen; one that cannot be stored keeps no other from it.

    A name belongs to the browser that reports it until that has been silent for DARK_AFTER.
    """
    taken, failed = set(), {}
    limits = {"dark_after": DARK_AFTER, "a_screen_after": A_SCREEN_AFTER, "most": MOST_DISPLAYS}
    with connection.transaction():
        connection.execute(_sql("make_room"), limits)
        # in one order: two processes with beats of the same screens would else lock each other
        for beat in sorted(beats, key=lambda beat: (beat.name, beat.claim)):
            try:
                with connection.transaction():
                    if not connection.execute(_sql("beat"), asdict(beat) | limits).rowcount:
                        taken.add(beat.name)
            except (DataError, IntegrityError) as error:
                failed[beat.name] = str(error).partition("\n")[0]
        screens = connection.execute(_sql("screens"), limits).fetchall()
    return StoredBeats(frozenset(name for (name,) in screens), frozenset(taken), failed)


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
