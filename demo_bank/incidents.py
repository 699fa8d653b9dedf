"""What goes wrong in the bank, each at its time before the anchor, one function per incident."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np

from demo_bank.clock import Flags, Floats, Ints, Moments

SEPA_CREDIT_OUT = 1
SWIFT_OUT = 3

COLLATERAL_DAYS_OVERDUE = 124
COLLATERAL_CENTS = 180_000_00
FX_SILENT_DAYS_AGO = 4
SEPA_SLOWDOWN = 6
HUNG_PAYMENTS = 6
NEVER_SECONDS = 365 * 86_400.0


@dataclass(frozen=True)
class UnpaidCollateral:
    """A collateral that the client did not pay and the bank covered with its own money."""

    scheme: str
    cents: int
    due: date
    covered_at: datetime
    covered_by: str


@dataclass(frozen=True)
class OneSidedEntry:
    """A posting without its other side, on the house account."""

    account_id: int
    debit_credit: str
    cents: int
    moment: datetime


def mastercard_collateral(anchor: datetime) -> UnpaidCollateral:
    """I1: 180,000 EUR due 124 days ago, covered from own funds; the state says COVERED."""
    due = anchor.date() - timedelta(days=COLLATERAL_DAYS_OVERDUE)
    covered_at = datetime.combine(due + timedelta(days=2), time(11, 20))
    return UnpaidCollateral("MASTERCARD", COLLATERAL_CENTS, due, covered_at, "OWN_FUNDS")


def fx_quotes_heard(moments: Moments, anchor: datetime) -> Flags:
    """I2: no pair is quoted between 10:01 and 16:01 of the next day; false where one is lost."""
    day = np.datetime64(anchor.date() - timedelta(days=FX_SILENT_DAYS_AGO), "m")
    silent_from = day + np.timedelta64(10 * 60 + 1, "m")
    silent_until = day + np.timedelta64((24 + 16) * 60 + 1, "m")
    return (moments <= silent_from) | (moments >= silent_until)


def slowed_sepa(seconds: Floats, types: Ints, created: Moments, anchor: np.datetime64) -> Floats:
    """I4: SEPA credit transfers created between 20 h and 8 h ago take six times as long."""
    age = anchor - created
    slow = (age <= np.timedelta64(20, "h")) & (age >= np.timedelta64(8, "h"))
    return np.where(slow & (types == SEPA_CREDIT_OUT), seconds * SEPA_SLOWDOWN, seconds)


def hung_outgoing(seconds: Floats, types: Ints, created: Moments, anchor: np.datetime64) -> Floats:
    """Six outgoing SEPA and SWIFT payments of 30 to 100 h ago hang and do not finish."""
    age = anchor - created
    old_enough = (age >= np.timedelta64(30, "h")) & (age <= np.timedelta64(100, "h"))
    hung = np.flatnonzero(old_enough & np.isin(types, (SEPA_CREDIT_OUT, SWIFT_OUT)))
    chosen = hung[np.linspace(0, hung.size - 1, min(HUNG_PAYMENTS, hung.size)).astype(np.int64)]
    lasting = seconds.copy()
    lasting[chosen] = NEVER_SECONDS
    return lasting


def one_sided_entry(anchor: datetime) -> OneSidedEntry:
    """I9: a debit of 0.01 EUR on the house account, 30 h ago, that nothing balances."""
    return OneSidedEntry(-1, "D", 1, anchor - timedelta(hours=30))
