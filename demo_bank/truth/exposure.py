"""Collateral, AML cases, exchange rates and payee verification."""

from datetime import date
from decimal import Decimal

import numpy as np

from demo_bank.clock import NEVER, Moments
from demo_bank.collaterals import Collateral, collaterals_at
from demo_bank.incidents import quoted
from demo_bank.screening import NO_MATCH
from demo_bank.simulation import as_datetime
from demo_bank.truth.calendar import (
    DAY,
    Level,
    at,
    closes,
    hours,
    level,
    opens,
    quantile,
    share,
    within,
)
from demo_bank.truth.evidence import Evidence, during


def _overdue(seen: Evidence, moment: np.datetime64) -> list[Collateral]:
    """Due before today, not yet paid by the client and not released."""
    now, today = as_datetime(moment), _date(moment)
    bank = seen.bank
    demanded = collaterals_at(
        bank.collaterals, as_datetime(bank.anchor), as_datetime(bank.anchor), seen.incidents
    )
    return [
        c
        for c in demanded
        if c.due < today
        and not (c.paid_by == "CLIENT" and c.paid_at < now)
        and not (c.released_at and c.released_at < now)
    ]


def _date(moment: np.datetime64) -> date:
    return as_datetime(moment).date()


def overdue_days(seen: Evidence, moment: np.datetime64) -> int:
    return max(((_date(moment) - c.due).days for c in _overdue(seen, moment)), default=0)


def overdue_amount(seen: Evidence, moment: np.datetime64) -> Decimal:
    return Decimal(sum(c.cents for c in _overdue(seen, moment))).scaleb(-2)


def worst_overdue_days(seen: Evidence, day: np.datetime64) -> int:
    """What is overdue only shrinks within a day."""
    return overdue_days(seen, opens(day))


def worst_overdue_amount(seen: Evidence, day: np.datetime64) -> Decimal:
    return overdue_amount(seen, opens(day))


def _decided(seen: Evidence) -> Moments:
    return seen.bank.cases.decided_at(seen.now, seen.incidents)


def _opened(seen: Evidence) -> Moments:
    created = seen.bank.cases.created
    return np.where(created < seen.now, created, NEVER)


def decisions(seen: Evidence, moment: np.datetime64) -> int:
    return int(during(_decided(seen), moment, 1).sum())


def decision_hours(seen: Evidence, moment: np.datetime64) -> float | None:
    decided = _decided(seen)
    counted = during(decided, moment, 7)
    return quantile(hours(decided[counted] - _opened(seen)[counted]), 0.9)


def _backlog(seen: Evidence) -> Level:
    decided, since = _decided(seen), _opened(seen) + DAY
    waiting = (since < seen.now) & ~(decided <= since)
    ended = waiting & ~np.isnat(decided)
    moments = np.concatenate([since[waiting], decided[ended]])
    return level(moments, np.repeat([1, -1], [waiting.sum(), ended.sum()]))


def backlog(seen: Evidence, moment: np.datetime64) -> int:
    return int(at(_backlog(seen), moment))


def worst_backlog(seen: Evidence, day: np.datetime64) -> int:
    return int(within(_backlog(seen), day).max())


def _quotes(seen: Evidence, pair: int) -> Moments:
    rates = seen.bank.rates
    heard = quoted(rates.moment, seen.incidents) & (rates.written[:, pair] < seen.now)
    return rates.moment[heard]


def staleness(seen: Evidence, moment: np.datetime64) -> float:
    """The age of the oldest pair, hours."""
    pairs = range(seen.bank.rates.rate.shape[1])
    last = [max(t for t in _quotes(seen, pair)[-200:] if t < moment) for pair in pairs]
    return float(hours(np.array([moment - t for t in last])).max())


def worst_staleness(seen: Evidence, day: np.datetime64) -> float:
    """The oldest that any pair became: just before its next quote, or at the day's end."""
    worst = 0.0
    for pair in range(seen.bank.rates.rate.shape[1]):
        quotes = _quotes(seen, pair)
        first = int(np.searchsorted(quotes, opens(day), side="left"))
        last = int(np.searchsorted(quotes, closes(day), side="left"))
        ends = np.append(quotes[first:last], closes(day))
        worst = max(worst, float(hours(ends - quotes[first - 1 : last]).max()))
    return worst


def no_match_rate(seen: Evidence, moment: np.datetime64) -> float | None:
    payments, verifications = seen.business.payments, seen.bank.verifications
    asked = verifications.asked(payments, seen.now)
    asked = asked[during(payments.created[asked], moment, 1)]
    return share(int((verifications.result[asked] == NO_MATCH).sum()), asked.size)
