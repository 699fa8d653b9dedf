"""The double-sided ledger and the balances that follow from it."""

from dataclasses import dataclass

import numpy as np

from demo_bank.accounts import CURRENCIES, EUR, Accounts
from demo_bank.clock import Flags, Ints, Moments, days_of
from demo_bank.incidents import OneSidedEntry
from demo_bank.payments import (
    BOOK_OUT,
    CARD,
    EXCHANGE,
    FEE,
    INSTANT_OUT,
    KINDS,
    SEPA_OUT,
    SWIFT_IN,
    SWIFT_OUT,
    Payments,
)
from demo_bank.rates import LEVELS
from demo_bank.table import Table, money

HOUSE, FEE_INCOME = -1, -2
PRINCIPAL, FEE_ENTRY, FX_MARGIN, _, ADJUSTMENT = range(1, 6)
POSTED, REVERSED = 2, 3
NO_PAYMENT = 0

# fixed cents and parts per ten thousand of the amount
TARIFF = {
    SEPA_OUT: (40, 3),
    INSTANT_OUT: (30, 3),
    SWIFT_OUT: (1_200, 10),
    BOOK_OUT: (10, 0),
    SWIFT_IN: (500, 2),
    CARD: (0, 60),
    EXCHANGE: (0, 45),
}
SHARE_OVERDRAWN = 0.03


@dataclass(frozen=True)
class Transfers:
    """Money that moves from the debited to the credited account; each makes two entries."""

    moment: Moments
    payment: Ints
    debit: Ints
    credit: Ints
    cents: Ints
    currency: Ints
    entry_type: Ints
    reversed_at: Moments

    def where(self, chosen: Flags) -> "Transfers":
        return Transfers(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def and_then(self, *others: "Transfers") -> "Transfers":
        """These and the others, in the order of time."""
        parts = (self, *others)
        joined = Transfers(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in self.__dataclass_fields__
            )
        )
        order = np.lexsort((joined.entry_type, joined.payment, joined.moment))
        return Transfers(*(getattr(joined, name)[order] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Movements:
    """What a client account gained or lost at one moment."""

    account: Ints
    moment: Moments
    cents: Ints


def post(
    rng: np.random.Generator, payments: Payments, accounts: Accounts, start: np.datetime64
) -> Transfers:
    """All transfers of executed payments, after one opening transfer into each account."""
    business = _principals(payments, accounts).and_then(
        _exchanged(payments, accounts), _fees(payments)
    )
    business = business.where(business.cents > 0)
    return _openings(rng, accounts, movements(business), start).and_then(business)


def _transfers(
    payments: Payments, chosen: Flags, debit: Ints, credit: Ints, cents: Ints, entry_type: Ints
) -> Transfers:
    return Transfers(
        payments.finished,
        payments.ids,
        debit,
        credit,
        cents,
        payments.currency,
        entry_type,
        payments.returned,
    ).where(chosen)


def _principals(payments: Payments, accounts: Accounts) -> Transfers:
    """The amount itself: a book transfer stays with clients, all else passes the house account."""
    house = np.full(payments.ids.size, HOUSE)
    other = np.where(payments.kind == BOOK_OUT, accounts.euro_of[payments.receiver], house)
    return _transfers(
        payments,
        payments.executed & (payments.kind != FEE),
        np.where(payments.incoming, house, payments.account),
        np.where(payments.incoming, payments.account, other),
        payments.cents,
        np.full(payments.ids.size, PRINCIPAL),
    )


def _exchanged(payments: Payments, accounts: Accounts) -> Transfers:
    """The second leg of an exchange: the house pays the bought currency into the other account."""
    chosen = payments.executed & (payments.kind == EXCHANGE)
    client = payments.client[chosen]
    account = accounts.foreign_of[client]
    currency = accounts.currency[account - 1]
    cents = np.round(payments.cents[chosen] * np.array(LEVELS)[currency]).astype(np.int64)
    size = client.size
    return Transfers(
        payments.finished[chosen],
        payments.ids[chosen],
        np.full(size, HOUSE),
        account,
        cents,
        currency,
        np.full(size, PRINCIPAL),
        payments.returned[chosen],
    )


def _fees(payments: Payments) -> Transfers:
    fixed = np.zeros(max(KINDS) + 1, dtype=np.int64)
    share = fixed.copy()
    for kind, (cents, per_ten_thousand) in TARIFF.items():
        fixed[kind], share[kind] = cents, per_ten_thousand
    charged = fixed[payments.kind] + payments.cents * share[payments.kind] // 10_000
    size = payments.ids.size
    return _transfers(
        payments,
        payments.executed,
        payments.account,
        np.full(size, FEE_INCOME),
        np.where(payments.kind == FEE, payments.cents, charged),
        np.where(payments.kind == EXCHANGE, FX_MARGIN, FEE_ENTRY),
    )


def _openings(
    rng: np.random.Generator, accounts: Accounts, moved: Movements, start: np.datetime64
) -> Transfers:
    """Enough money that an account stays above zero, except for the few that are overdrawn."""
    size = accounts.ids.size
    lowest = _lowest(moved, size)
    cushion = (rng.pareto(1.6, size) + 0.2) * 2_500_00 + np.abs(lowest) * 0.3
    overdraft = -rng.uniform(20_00, 350_00, size)
    spare = np.where(rng.random(size) < SHARE_OVERDRAWN, overdraft, cushion)
    cents = np.maximum(np.round(spare - lowest), 1_00).astype(np.int64)
    return Transfers(
        np.maximum(accounts.opened, start),
        np.full(size, NO_PAYMENT),
        np.full(size, HOUSE),
        accounts.ids,
        cents,
        accounts.currency,
        np.full(size, ADJUSTMENT),
        np.full(size, np.datetime64("NaT", "ms")),
    )


def movements(transfers: Transfers) -> Movements:
    """Client accounts only, one movement an account and moment, by account and time."""
    taken = ~np.isnat(transfers.reversed_at)
    account = np.concatenate(
        [transfers.debit, transfers.credit, transfers.debit[taken], transfers.credit[taken]]
    )
    moment = np.concatenate(
        [transfers.moment, transfers.moment, *[transfers.reversed_at[taken]] * 2]
    )
    back = transfers.cents[taken]
    cents = np.concatenate([-transfers.cents, transfers.cents, back, -back])
    order = np.lexsort((moment, account))
    order = order[account[order] > 0]
    account, moment, cents = account[order], moment[order], cents[order]
    first = np.ones(account.size, dtype=np.bool_)
    first[1:] = (account[1:] != account[:-1]) | (moment[1:] != moment[:-1])
    starts = np.flatnonzero(first)
    return Movements(account[starts], moment[starts], np.add.reduceat(cents, starts))


def balances(moved: Movements) -> Ints:
    """The balance of the account after each movement, in cents."""
    total = np.cumsum(moved.cents)
    first = np.flatnonzero(np.diff(moved.account, prepend=0))
    before = np.repeat(total[first] - moved.cents[first], np.diff(first, append=total.size))
    return np.asarray(total - before, dtype=np.int64)


def _lowest(moved: Movements, size: int) -> Ints:
    """Per account (id - 1) the lowest balance of the movements, at most 0."""
    lowest = np.zeros(size, dtype=np.int64)
    np.minimum.at(lowest, moved.account - 1, balances(moved))
    return lowest


def ledger_tables(transfers: Transfers, one_sided: OneSidedEntry) -> list[Table]:
    """core.entry, with the one-sided one at its end, and core.account_balance_log."""
    sides = 2
    size = transfers.cents.size
    account = np.column_stack([transfers.debit, transfers.credit]).reshape(-1).tolist()
    moments = np.repeat(transfers.moment, sides)
    state = np.where(np.isnat(transfers.reversed_at), POSTED, REVERSED)
    payment = np.repeat(transfers.payment, sides).tolist()
    currency = np.repeat(transfers.currency, sides).tolist()
    amounts = money(np.append(np.repeat(transfers.cents, sides), one_sided.cents))
    entry = Table(
        "core",
        "entry",
        {
            "id": list(range(1, size * sides + 2)),
            "payment_id": [p or None for p in payment] + [None],
            "account_id": [*account, one_sided.account_id],
            "entry_state_id": [*np.repeat(state, sides).tolist(), POSTED],
            "entry_type_id": [*np.repeat(transfers.entry_type, sides).tolist(), ADJUSTMENT],
            "debit_credit": ["D", "C"] * size + [one_sided.debit_credit],
            "amount": amounts,
            "currency": [CURRENCIES[c] for c in currency] + [CURRENCIES[EUR]],
            "value_date": [*days_of(moments).tolist(), one_sided.moment.date()],
            "create_time": [*moments.tolist(), one_sided.moment],
        },
    )
    return [entry, _balance_log(movements(transfers))]


def _balance_log(moved: Movements) -> Table:
    balance = balances(moved)
    order = np.lexsort((moved.account, moved.moment))
    amounts = money(balance[order])
    return Table(
        "core",
        "account_balance_log",
        {
            "id": list(range(1, order.size + 1)),
            "account_id": moved.account[order].tolist(),
            "balance": amounts,
            "available": amounts,
            "timestamp": moved.moment[order].tolist(),
        },
    )
