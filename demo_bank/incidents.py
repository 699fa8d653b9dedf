"""What goes wrong in the bank: each incident shapes the events around the moment it belongs to.

An incident's moment is the anchor when the bank is seeded with it, and the present when somebody
switches it on while the bank is alive: "20 h ago" is 20 h before that moment.
"""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

import numpy as np

from demo_bank.clock import NEVER, Flags, Floats, Ints, Moments

Incidents = Mapping[str, np.datetime64]

TITLES = {
    "I1": "a MasterCard collateral of 180,000 EUR due 124 days ago, covered from own funds",
    "I2": "all FX pairs silent for 30 hours, four days ago",
    "I3": "the AML analysts have been out for 5 days",
    "I4": "SEPA credits sent between 20 and 8 hours ago take six times as long",
    "I5": "the SWIFT correspondent rejects 42 % since 20 hours ago",
    "I6": "card-management stopped replicating 50 hours ago",
    "I7": "the largest client has been silent for 16 days",
    "I8": "a new column, a dictionary's number that became text, a new table",
    "I9": "a one-sided ledger entry of 0.01 EUR",
    "I10": "one state-log row in a thousand is committed 36 hours late",
    "I11": "a country and a client are deleted",
    "I12": "the source refuses every connection",
}
# switched in the servers themselves, not in the rows
IN_THE_SERVER = ("I8", "I12")
# I12 is an outage to be switched on by hand: a demo that starts with it would land nothing
ON_BY_DEFAULT = tuple(name for name in TITLES if name != "I12")

COLLATERAL_DAYS_OVERDUE = 124
COLLATERAL_CENTS = 180_000_00
FX_SILENT_DAYS_AGO = 4
ANALYSTS_OUT = np.timedelta64(5, "D")
SEPA_CREDIT_OUT, SWIFT_OUT = 1, 3
SEPA_SLOWDOWN = 6
SWIFT_REJECTED = 0.42
REPLICATION_STOPPED = np.timedelta64(50, "h")
CLIENT_SILENT = np.timedelta64(16, "D")
ONE_SIDED_CENTS, ONE_SIDED_BEFORE = 1, np.timedelta64(30, "h")
LATE_PER_ROW, LATE_BY = 0.001, np.timedelta64(36, "h")
DELETED = np.timedelta64(6, "h")


def moment_of(incidents: Incidents, name: str) -> datetime | None:
    """The moment of an incident as a naive UTC datetime; None where it is off."""
    moment = incidents.get(name)
    if moment is None:
        return None
    return datetime.fromisoformat(str(moment.astype("datetime64[ms]")))


def mastercard_due(incidents: Incidents) -> date | None:
    """I1: the day on which the collateral was due that its client did not pay."""
    moment = moment_of(incidents, "I1")
    return moment.date() - timedelta(days=COLLATERAL_DAYS_OVERDUE) if moment else None


def quoted(moments: Moments, incidents: Incidents) -> Flags:
    """I2: no pair is quoted between 10:01 and 16:01 of the next day; false where one is lost."""
    moment = moment_of(incidents, "I2")
    if moment is None:
        return np.ones(moments.size, dtype=np.bool_)
    day = datetime.combine(moment.date() - timedelta(days=FX_SILENT_DAYS_AGO), time())
    silent_from = np.datetime64(day + timedelta(hours=10, minutes=1), "ms")
    silent_until = np.datetime64(day + timedelta(hours=40, minutes=1), "ms")
    return np.asarray((moments <= silent_from) | (moments >= silent_until), dtype=np.bool_)


def decided_by_people(decided: Moments, incidents: Incidents) -> Moments:
    """I3: what analysts would have decided in the last 5 days, and since, is not decided."""
    if "I3" not in incidents:
        return decided
    return np.where(decided < incidents["I3"] - ANALYSTS_OUT, decided, NEVER)


def slowed_sepa(seconds: Floats, kind: Ints, created: Moments, incidents: Incidents) -> Floats:
    """I4: SEPA credit transfers created between 20 h and 8 h ago take six times as long."""
    if "I4" not in incidents:
        return seconds
    age = incidents["I4"] - created
    slow = (age <= np.timedelta64(20, "h")) & (age >= np.timedelta64(8, "h"))
    return np.where(slow & (kind == SEPA_CREDIT_OUT), seconds * SEPA_SLOWDOWN, seconds)


def refused_swift(draw: Floats, kind: Ints, created: Moments, incidents: Incidents) -> Flags:
    """I5: the correspondent rejects 42 % of the SWIFT payments created since 20 h ago."""
    if "I5" not in incidents:
        return np.zeros(kind.size, dtype=np.bool_)
    since = incidents["I5"] - np.timedelta64(20, "h")
    since_then = (kind == SWIFT_OUT) & (created >= since)
    return np.asarray(since_then & (draw < SWIFT_REJECTED), dtype=np.bool_)


def replicated_until(at: np.datetime64, incidents: Incidents) -> np.datetime64:
    """I6: the moment up to which the copy of card-management is complete."""
    if "I6" not in incidents:
        return at
    return min(at, incidents["I6"] - REPLICATION_STOPPED)


def silent_since(incidents: Incidents) -> np.datetime64 | None:
    """I7: from when on the largest client does no business."""
    return incidents["I7"] - CLIENT_SILENT if "I7" in incidents else None


def one_sided_moment(incidents: Incidents) -> np.datetime64 | None:
    """I9: when a debit of 0.01 EUR was posted that nothing balances."""
    return incidents["I9"] - ONE_SIDED_BEFORE if "I9" in incidents else None


def committed_late(moments: Moments, draw: Floats, incidents: Incidents) -> Moments:
    """I10: when each row of a state log becomes visible; one in a thousand 36 h after its time."""
    if "I10" not in incidents:
        return moments
    return np.where(draw < LATE_PER_ROW, moments + LATE_BY, moments)


def deleted_client(incidents: Incidents) -> np.datetime64 | None:
    """I11: when a client and a country were deleted."""
    return incidents["I11"] - DELETED if "I11" in incidents else None
