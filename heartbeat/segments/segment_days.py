"""The segments of all clients, stored once a business day."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from psycopg import Connection

from heartbeat.author_query import QueryError, read_rows
from heartbeat.login import Login
from heartbeat.marts_session import read_as_of, source_as_of
from heartbeat.postgres_session import connect
from heartbeat.segments.segment_file import ClientSegments
from heartbeat.settings import Settings
from heartbeat.sql import platform_statements

DAYS_BACK = 90
"""How far back a day that has no snapshot is made up for, from the rows that are landed now."""

_STATEMENTS = platform_statements("client_segments")
_LAST_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True)
class SegmentDay:
    """One stored snapshot: the moment it is of, and how many clients each segment has.

    `source_as_of` is the oldest poll among the tables read; None when one never landed.
    """

    d: date
    as_of: datetime
    source_as_of: datetime | None
    counts: Mapping[str, int]


def store_segments(
    segments: ClientSegments, settings: Settings, *, now: datetime, run_id: str
) -> Iterator[SegmentDay]:
    """Store the snapshot of the business day of `now`, in place of an earlier one of that day.

    Then the days of the last 90 that have none are made up for, each as of its last moment, back to
    the first without a client; what is stored of a past day is never changed. Each day is stored
    whole or not at all. Raises QueryError, which `read_failure` tells until a run succeeds.
    """
    try:
        yield from _stored(segments, settings, now, run_id)
    except QueryError as error:
        failure = {"failed_at": now, "error": str(error), "run_id": run_id}
        with connect(settings.login_url(Login.COMPUTE)) as connection:
            connection.execute(_sql("failed"), failure)
        raise
    with connect(settings.login_url(Login.COMPUTE)) as connection:
        connection.execute(_sql("succeeded"))


def read_failure(connection: Connection[Any]) -> str | None:
    """Why the segments could not be computed the last time; None when they could."""
    row = connection.execute(_sql("failure")).fetchone()
    return row[0] if row else None


def _stored(
    segments: ClientSegments, settings: Settings, now: datetime, run_id: str
) -> Iterator[SegmentDay]:
    today = now.astimezone(settings.zone).date()
    day, members = _computed(segments, settings, today, now)
    _store(settings, day, members, run_id)
    yield day
    for past in _days_without(settings, today):
        day, members = _computed(segments, settings, past, _end_of(past, settings))
        if not members:
            return
        _store(settings, day, members, run_id)
        yield day


def _days_without(settings: Settings, today: date) -> list[date]:
    """Past days without a snapshot, the newest first."""
    with connect(settings.login_url(Login.COMPUTE)) as connection:
        asked = {"since": today - timedelta(days=DAYS_BACK)}
        known = {d for (d,) in connection.execute(_sql("known_days"), asked)}
    days = (today - timedelta(days=ago) for ago in range(1, DAYS_BACK + 1))
    return [d for d in days if d not in known]


def _end_of(d: date, settings: Settings) -> datetime:
    closes = datetime.combine(d + timedelta(days=1), time(), settings.zone)
    # in UTC: a local clock that goes back at midnight shows the last hour twice
    return closes.astimezone(UTC) - _LAST_MOMENT


def _computed(
    segments: ClientSegments, settings: Settings, d: date, as_of: datetime
) -> tuple[SegmentDay, Mapping[str, str]]:
    """The snapshot of a day, and the segment of each client."""

    def read(connection: Connection[Any]) -> tuple[datetime | None, list[tuple[Any, ...]]]:
        oldest_poll = source_as_of(connection, segments.reads)
        return oldest_poll, read_rows(connection, segments.sql, segments.path, segments.line)

    oldest_poll, rows = read_as_of(settings, segments.reads, read, as_of=as_of)
    members = _members(rows, segments)
    return SegmentDay(d, as_of, oldest_poll, _counts(segments, members)), members


def _members(rows: Sequence[tuple[Any, ...]], segments: ClientSegments) -> dict[str, str]:
    """The segment of each client; raises QueryError."""
    where = f"{segments.path.name}:{segments.line}: the query"
    members: dict[str, str] = {}
    for row in rows:
        if len(row) != 2 or row[0] is None:
            raise QueryError(f"{where} must give two columns: a client's id and its segment")
        client, segment = str(row[0]), row[1]
        if segment not in segments.rules:
            known = ", ".join(segments.rules)
            raise QueryError(f"{where} puts client {client} in {segment!r}; the header has {known}")
        if client in members:
            raise QueryError(f"{where} gives client {client} twice")
        members[client] = segment
    return members


def _counts(segments: ClientSegments, members: Mapping[str, str]) -> Mapping[str, int]:
    """The size of each segment that has clients, in the order of the file."""
    found = Counter(members.values())
    return {segment: found[segment] for segment in segments.rules if segment in found}


def _store(settings: Settings, day: SegmentDay, members: Mapping[str, str], run_id: str) -> None:
    row = {
        "d": day.d,
        "as_of": day.as_of,
        "source_as_of": day.source_as_of,
        "run_id": run_id,
        "clients": list(members),
        "segments": list(members.values()),
    }
    with connect(settings.login_url(Login.COMPUTE)) as connection:
        for name in ("one_at_a_time", "forget_day", "add_day", "add_clients"):
            connection.execute(_sql(name), row)


def _sql(name: str) -> bytes:
    return _STATEMENTS[name].encode()
