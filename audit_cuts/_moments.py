"""The moment of a compute, and dates as the pictures write them."""

from collections.abc import Sequence
from datetime import date, datetime
from math import ceil
from zoneinfo import ZoneInfo

from heartbeat.audit.audit_cut import Connection

BUCKETS_SQL = """
select day::date,
       day at time zone heartbeat.business_timezone()
           >= heartbeat.as_of() - make_interval(days => %(days)s)
       and (day + ('1 ' || %(step)s)::interval) at time zone heartbeat.business_timezone()
           <= heartbeat.as_of()
  from generate_series(
      date_trunc(%(step)s, (heartbeat.as_of() - make_interval(days => %(days)s))
                           at time zone heartbeat.business_timezone()),
      heartbeat.as_of() at time zone heartbeat.business_timezone() - interval '1 microsecond',
      ('1 ' || %(step)s)::interval
  ) as day
"""


def as_of(conn: Connection) -> datetime:
    """`heartbeat.as_of()`, with its time zone."""
    row = conn.execute("select heartbeat.as_of()").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def business_day(conn: Connection) -> date:
    """The business day of the moment."""
    row = conn.execute("select heartbeat.business_day(heartbeat.as_of())").fetchone()
    assert row is not None
    day: date = row[0]
    return day


def business_zone(conn: Connection) -> ZoneInfo:
    """The time zone by whose clock a moment is told."""
    row = conn.execute("select heartbeat.business_timezone()").fetchone()
    assert row is not None
    return ZoneInfo(row[0])


def day_text(day: date) -> str:
    """A day without its year: "4 Nov"."""
    return f"{day.day} {day:%b}"


def whole_days_or_weeks(conn: Connection, *, days: int, step: str) -> dict[date, bool]:
    """Business days, or weeks from Monday, that the window touches; whether all of each is in it.

    `step` is "day" or "week".
    """
    return dict(conn.execute(BUCKETS_SQL, {"days": days, "step": step}).fetchall())


def ticks(labels: Sequence[str], *, at_most: int) -> list[str]:
    """Evenly spaced labels for an axis, the first among them."""
    return list(labels[:: max(1, ceil(len(labels) / at_most))])
