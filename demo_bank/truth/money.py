"""Revenue, activity and balances of clients."""

from decimal import Decimal
from fractions import Fraction

import numpy as np

from demo_bank.accounts import CURRENCIES
from demo_bank.clock import Ints, Moments, days_of
from demo_bank.incidents import ONE_SIDED_CENTS, one_sided_moment
from demo_bank.ledger import (
    FEE_ENTRY,
    FX_MARGIN,
    INTEREST,
    PRINCIPAL,
    Transfers,
)
from demo_bank.truth.calendar import (
    DAY,
    Level,
    at,
    closes,
    euro,
    extreme_in_euro,
    level,
    opens,
    to_the_cent,
    within,
)
from demo_bank.truth.evidence import Evidence, during

REVENUE = (FEE_ENTRY, FX_MARGIN, INTEREST)
TOP_TIER_EUR = 500
TOP_CLIENTS, TOP_REVENUE_CLIENTS = 20, 10
SILENT_DAYS = 14


def _fees(seen: Evidence, moment: np.datetime64, days: int) -> Transfers:
    posted = seen.posted
    return posted.where(np.isin(posted.entry_type, REVENUE) & during(posted.moment, moment, days))


def _in_euro(seen: Evidence, moment: np.datetime64, transfers: Transfers) -> Fraction:
    """Each at the closing rates of its own day; at the last known ones on the last day."""
    days = days_of(transfers.moment)
    total = Fraction(0)
    for day in np.unique(days):
        today = transfers.where(days == day)
        cents = [int(today.cents[today.currency == c].sum()) for c in range(len(CURRENCIES))]
        total += euro(cents, seen.rates_at(min(closes(day), moment)))
    return total


def revenue_1(seen: Evidence, moment: np.datetime64) -> Decimal:
    return to_the_cent(_in_euro(seen, moment, _fees(seen, moment, 1)))


def revenue_30(seen: Evidence, moment: np.datetime64) -> Decimal:
    return to_the_cent(_in_euro(seen, moment, _fees(seen, moment, 30)))


def _by_client(seen: Evidence, moment: np.datetime64, days: int) -> list[tuple[float, int]]:
    """What each client paid, the most first, and the client."""
    fees = _fees(seen, moment, days)
    days_seen, place = np.unique(days_of(fees.moment), return_inverse=True)
    rates = [seen.rates_at(min(closes(day), moment)) for day in days_seen]
    table = np.array([[float(rate[currency]) for currency in CURRENCIES] for rate in rates])
    eur = fees.cents / 100 / table[place, fees.currency]
    owner = seen.bank.accounts.client[fees.debit - 1]
    paid = np.bincount(owner, weights=eur)
    clients = np.unique(owner)
    order = np.lexsort((clients, -paid[clients]))
    return list(zip(paid[clients][order].tolist(), clients[order].tolist(), strict=True))


def top_tier(seen: Evidence, moment: np.datetime64) -> int:
    return sum(paid >= TOP_TIER_EUR for paid, _ in _by_client(seen, moment, 30))


def top_share(seen: Evidence, moment: np.datetime64) -> float | None:
    paid = [amount for amount, _ in _by_client(seen, moment, 30)]
    total = sum(paid)
    return 100 * sum(paid[:TOP_REVENUE_CLIENTS]) / total if total else None


def _principal(seen: Evidence) -> tuple[Ints, Moments, Transfers]:
    """The client sides of posted principal transfers: client, moment, transfer."""
    posted = seen.posted
    posted = posted.where(posted.entry_type == PRINCIPAL)
    account = np.concatenate([posted.debit, posted.credit])
    both = posted + posted
    ours = account > 0
    return seen.bank.accounts.client[account[ours] - 1], both.moment[ours], both.where(ours)


def active_clients(seen: Evidence, moment: np.datetime64) -> int:
    client, when, _ = _principal(seen)
    return int(np.unique(client[during(when, moment, 30)]).size)


def revenue_per_client(seen: Evidence, moment: np.datetime64) -> float | None:
    clients = active_clients(seen, moment)
    return float(revenue_30(seen, moment)) / clients if clients else None


def turnover(seen: Evidence, moment: np.datetime64) -> Decimal:
    _, when, transfers = _principal(seen)
    return to_the_cent(_in_euro(seen, moment, transfers.where(during(when, moment, 7))))


def _top(seen: Evidence, moment: np.datetime64) -> list[Moments]:
    """Of each of the top clients at that moment, when it has done business, in order."""
    client, when, _ = _principal(seen)
    paid = _by_client(seen, moment, 90)[:TOP_CLIENTS]
    return [np.sort(when[client == one]) for _, one in paid]


def _is_silent(business: Moments, moment: np.datetime64) -> bool:
    return not during(business, moment, SILENT_DAYS).any()


def dormant(seen: Evidence, moment: np.datetime64) -> int:
    return sum(_is_silent(business, moment) for business in _top(seen, moment))


def worst_dormant(seen: Evidence, day: np.datetime64) -> int:
    """Of the clients that are the top at the day's end, the most that were silent at once."""
    top = _top(seen, closes(day))
    begins = np.concatenate(top) + SILENT_DAYS * DAY
    begins = begins[(begins >= opens(day)) & (begins < closes(day))]
    moments = [opens(day), *(begins + np.timedelta64(1, "ms"))]
    return max(sum(_is_silent(business, moment) for business in top) for moment in moments)


def _balance_level(seen: Evidence, *, below_zero: bool) -> Level:
    """Balances of all accounts by currency, in cents; or only what is below zero, as debt."""
    moved = seen.business.movements
    past = moved.moment < seen.now
    balances, account = moved.balances[past], moved.account[past]
    counted = np.maximum(-balances, 0) if below_zero else balances
    first = np.diff(account, prepend=0) != 0
    before = np.where(first, 0, np.roll(counted, 1))
    currency = seen.bank.accounts.currency[account - 1]
    by_currency = np.eye(len(CURRENCIES), dtype=np.int64)[currency]
    return level(moved.moment[past], by_currency * (counted - before)[:, None])


def balances(seen: Evidence, moment: np.datetime64) -> Decimal:
    held = at(_balance_level(seen, below_zero=False), moment)
    return to_the_cent(euro(held, seen.rates_at(moment)))


def lowest_balances(seen: Evidence, day: np.datetime64) -> Decimal:
    held = within(_balance_level(seen, below_zero=False), day)
    return extreme_in_euro(held, seen.closing_rates(day), np.argmin)


def outflow(seen: Evidence, moment: np.datetime64) -> float | None:
    """Both balances at the rates of the moment, so that only money moves the number."""
    held, rates = _balance_level(seen, below_zero=False), seen.rates_at(moment)
    before = euro(at(held, moment - 7 * DAY), rates)
    return float(100 * (euro(at(held, moment), rates) / before - 1)) if before else None


def debts(seen: Evidence, moment: np.datetime64) -> Decimal:
    return to_the_cent(
        euro(at(_balance_level(seen, below_zero=True), moment), seen.rates_at(moment))
    )


def worst_debts(seen: Evidence, day: np.datetime64) -> Decimal:
    owed = within(_balance_level(seen, below_zero=True), day)
    return extreme_in_euro(owed, seen.closing_rates(day), np.argmax)


def imbalance(seen: Evidence, moment: np.datetime64) -> Decimal:
    """Every transfer has two sides; only the one-sided entry of I9 has not."""
    posted_at = one_sided_moment(seen.incidents)
    off = posted_at is not None and posted_at < moment
    return Decimal(ONE_SIDED_CENTS if off else 0).scaleb(-2)


def worst_imbalance(seen: Evidence, day: np.datetime64) -> Decimal:
    return imbalance(seen, closes(day))
