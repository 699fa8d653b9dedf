"""Outgoing payments: outcomes, speed, and what is stuck."""

from decimal import Decimal

import numpy as np

from demo_bank.accounts import CURRENCIES
from demo_bank.clock import Flags, Floats, Ints, Moments
from demo_bank.payments import (
    BOOK_OUT,
    CANCELLED,
    CARD,
    EXCHANGE,
    EXECUTED,
    FEE,
    REJECTED,
    SEPA_OUT,
    SWIFT_OUT,
)
from demo_bank.truth.calendar import (
    DAY,
    Level,
    at,
    euro,
    extreme_in_euro,
    hours,
    level,
    quantile,
    share,
    to_the_cent,
    within,
)
from demo_bank.truth.evidence import Evidence, during

NEVER = np.datetime64("NaT", "ms")


def _outgoing(seen: Evidence) -> Flags:
    return seen.made & ~seen.business.payments.incoming


def approval_rate(seen: Evidence, moment: np.datetime64) -> float | None:
    executed = _outgoing(seen) & during(seen.first(EXECUTED), moment, 1)
    rejected = _outgoing(seen) & during(seen.first(REJECTED), moment, 1)
    cancelled = _outgoing(seen) & during(seen.first(CANCELLED), moment, 1)
    return share(int(executed.sum()), int((executed | rejected | cancelled).sum()))


def _median_minutes(seen: Evidence, kind: int, moment: np.datetime64, days: int) -> float | None:
    payments, executed = seen.business.payments, seen.first(EXECUTED)
    counted = (payments.kind == kind) & during(executed, moment, days)
    spans: Floats = hours(executed[counted] - payments.created[counted]) * 60
    return quantile(spans, 0.5)


def sepa_minutes(seen: Evidence, moment: np.datetime64) -> float | None:
    return _median_minutes(seen, SEPA_OUT, moment, 1)


def other_minutes(seen: Evidence, moment: np.datetime64) -> float | None:
    return _median_minutes(seen, SWIFT_OUT, moment, 7)


def reject_rate(seen: Evidence, moment: np.datetime64) -> float | None:
    payments = seen.business.payments
    kinds = np.isin(payments.kind, (SWIFT_OUT, BOOK_OUT, FEE, EXCHANGE, CARD))
    created = seen.made & kinds & during(payments.created, moment, 7)
    rejected = created & (seen.first(REJECTED) < moment)
    return share(int(rejected.sum()), int(created.sum()))


def _stuck(seen: Evidence) -> tuple[Ints, Moments, Moments]:
    """Payments that were ever stuck, from when and until when (NaT: still)."""
    payments = seen.business.payments
    # the payment itself says that it has ended, even while its row of the log is late
    closed = np.where(payments.finished < seen.now, payments.finished, NEVER)
    since = payments.created + DAY
    # NaT compares as false: a payment that has not ended is stuck from its day on
    stuck = _outgoing(seen) & (since < seen.now) & ~(closed <= since)
    rows = np.flatnonzero(stuck)
    return rows, since[rows], closed[rows]


def _stuck_level(seen: Evidence, weights: Ints) -> Level:
    rows, since, until = _stuck(seen)
    ended = ~np.isnat(until)
    moments = np.concatenate([since, until[ended]])
    return level(moments, np.concatenate([weights[rows], -weights[rows][ended]]))


def stuck_count(seen: Evidence, moment: np.datetime64) -> int:
    return int(at(_stuck_level(seen, np.ones(seen.made.size, dtype=np.int64)), moment))


def worst_stuck_count(seen: Evidence, day: np.datetime64) -> int:
    counts = _stuck_level(seen, np.ones(seen.made.size, dtype=np.int64))
    return int(within(counts, day).max())


def _stuck_cents(seen: Evidence) -> Level:
    payments = seen.business.payments
    by_currency = np.eye(len(CURRENCIES), dtype=np.int64)[payments.currency]
    return _stuck_level(seen, by_currency * payments.cents[:, None])


def stuck_amount(seen: Evidence, moment: np.datetime64) -> Decimal:
    return to_the_cent(euro(at(_stuck_cents(seen), moment), seen.rates_at(moment)))


def worst_stuck_amount(seen: Evidence, day: np.datetime64) -> Decimal:
    return extreme_in_euro(within(_stuck_cents(seen), day), seen.closing_rates(day), np.argmax)
