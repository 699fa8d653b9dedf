"""How old the data behind a value may be, by the period that the value covers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from heartbeat.metrics.metric import Period


class Freshness(StrEnum):
    """The age of the source data; independent of the status of the value."""

    FRESH = "fresh"
    AMBER = "amber"
    RED = "red"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class AgeLimits:
    """Data older than `amber` is amber, older than `red` is red; at the limit it is not yet."""

    amber: timedelta
    red: timedelta


_MONTHLY = AgeLimits(amber=timedelta(days=7), red=timedelta(days=14))

LIMITS: Mapping[Period, AgeLimits] = MappingProxyType(
    {
        Period.SNAPSHOT: AgeLimits(amber=timedelta(hours=24), red=timedelta(hours=48)),
        Period.DAY: AgeLimits(amber=timedelta(hours=36), red=timedelta(hours=72)),
        Period.WEEK: AgeLimits(amber=timedelta(hours=72), red=timedelta(hours=144)),
        Period.MONTH: _MONTHLY,
        Period.FUNNEL: _MONTHLY,
    }
)


_MOST_AHEAD = timedelta(minutes=5)
"""By how much two clocks that are kept may differ."""


def is_ahead(source_as_of: datetime, now: datetime) -> bool:
    """Whether a poll lies so far in the future that its clock cannot be believed."""
    return source_as_of - now > _MOST_AHEAD


def source_age(source_as_of: datetime, now: datetime) -> timedelta:
    """Age of the source data; zero when a source's clock runs ahead of ours, see `is_ahead`."""
    return max(now - source_as_of, timedelta(0))


def freshness(period: Period, source_as_of: datetime | None, now: datetime) -> Freshness:
    """Freshness of a value whose oldest table was polled at `source_as_of` (None: never).

    It is unknown for a poll in the future: its data may be of any age.
    """
    if source_as_of is None or is_ahead(source_as_of, now):
        return Freshness.UNKNOWN
    age = source_age(source_as_of, now)
    limits = LIMITS[period]
    if age > limits.red:
        return Freshness.RED
    return Freshness.AMBER if age > limits.amber else Freshness.FRESH
