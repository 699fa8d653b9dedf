"""The double-sided ledger and the balances that follow from it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from demo_bank.accounts import CURRENCIES, EUR, Accounts
from demo_bank.clock import NEVER, Flags, Floats, Ints, Moments, days_of
from demo_bank.incidents import (
    ONE_SIDED_BEFORE,
    ONE_SIDED_CENTS,
    Incidents,
    one_sided_moment,
)
from demo_bank.payments import (
    BOOK_OUT,
    CARD,
    EXCHANGE,
    FEE,
    IDS_PER_PAYMENT,
    INSTANT_OUT,
    KINDS,
    SEPA_OUT,
    SWIFT_IN,
    SWIFT_OUT,
    Payments,
)
from demo_bank.rates import LEVELS
from demo_bank.table import Table, money, nullable, one_of

HOUSE, FEE_INCOME = -1, -2
PRINCIPAL, FEE_ENTRY, FX_MARGIN, INTEREST, ADJUSTMENT = range(1, 6)
POSTED, REVERSED, CANCELLED = 2, 3, 4
NO_PAYMENT = 0
# the last digit of an entry's id; each transfer takes two
PRINCIPAL_SLOT, EXCHANGE_SLOT, FEE_SLOT, ONE_SIDED_SLOT, OPENING_SLOT = 0, 2, 4, 7, 8
REVERSAL_IDS = 10**12

# fixed cents and parts per ten thousand of the amount
TARIFF = {
    SEPA_OUT: (40, 12),
    INSTANT_OUT: (30, 12),
    SWIFT_OUT: (1_500, 32),
    BOOK_OUT: (10, 0),
    SWIFT_IN: (700, 5),
    CARD: (0, 90),
    EXCHANGE: (0, 60),
}
SHARE_INTEREST = 0.2
SHARE_OVERDRAWN = 0.03


@dataclass(frozen=True)
class Transfers:
    """Money that moves from the debited to the credited account; each makes two entries.

    `slot` and the payment (the account, for an opening) make the ids of the entries.
    """

    moment: Moments
    payment: Ints
    debit: Ints
    credit: Ints
    cents: Ints
    currency: Ints
    entry_type: Ints
    reversed_at: Moments
    slot: Ints

    @property
    def ids(self) -> Ints:
        """The id of the debit entry; the credit entry has the next."""
        owner = np.where(self.payment == NO_PAYMENT, self.credit, self.payment)
        return owner * IDS_PER_PAYMENT + self.slot

    def where(self, chosen: Flags) -> "Transfers":
        return Transfers(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def __add__(self, other: "Transfers") -> "Transfers":
        return Transfers(
            *(
                np.concatenate([getattr(self, name), getattr(other, name)])
                for name in self.__dataclass_fields__
            )
        )


@dataclass(frozen=True)
class Movements:
    """What a client account gained or lost at one moment, by account and time; cents.

    `ids` are those of the balance log.
    """

    ids: Ints
    account: Ints
    moment: Moments
    cents: Ints

    @property
    def balances(self) -> Ints:
        """The balance of the account after each movement, in cents."""
        total = np.cumsum(self.cents)
        first = np.flatnonzero(np.diff(self.account, prepend=0))
        before = np.repeat(total[first] - self.cents[first], np.diff(first, append=total.size))
        return np.asarray(total - before, dtype=np.int64)


def post(payments: Payments, accounts: Accounts, interest: Flags) -> Transfers:
    """All transfers of executed payments; `interest` says which fees are interest."""
    business = _principals(payments, accounts) + _exchanged(payments, accounts)
    business += _fees(payments, interest)
    return business.where(business.cents > 0)


def _transfers(
    payments: Payments,
    chosen: Flags,
    debit: Ints,
    credit: Ints,
    cents: Ints,
    entry_type: Ints,
    slot: int,
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
        np.full(payments.ids.size, slot),
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
        PRINCIPAL_SLOT,
    )


def _exchanged(payments: Payments, accounts: Accounts) -> Transfers:
    """The second leg of an exchange: the house pays the bought currency into the other account."""
    chosen = payments.executed & (payments.kind == EXCHANGE)
    account = accounts.foreign_of[payments.client[chosen]]
    currency = accounts.currency[account - 1]
    size = account.size
    return Transfers(
        payments.finished[chosen],
        payments.ids[chosen],
        np.full(size, HOUSE),
        account,
        np.round(payments.cents[chosen] * np.array(LEVELS)[currency]).astype(np.int64),
        currency,
        np.full(size, PRINCIPAL),
        payments.returned[chosen],
        np.full(size, EXCHANGE_SLOT),
    )


def _fees(payments: Payments, interest: Flags) -> Transfers:
    fixed = np.zeros(max(KINDS) + 1, dtype=np.int64)
    share = fixed.copy()
    for kind, (cents, per_ten_thousand) in TARIFF.items():
        fixed[kind], share[kind] = cents, per_ten_thousand
    # the fixed part is in euro
    level = np.array(LEVELS)[payments.currency]
    charged = np.round(fixed[payments.kind] * level).astype(np.int64)
    charged += payments.cents * share[payments.kind] // 10_000
    is_fee = payments.kind == FEE
    return _transfers(
        payments,
        payments.executed,
        payments.account,
        np.full(payments.ids.size, FEE_INCOME),
        np.where(is_fee, payments.cents, charged),
        np.select([payments.kind == EXCHANGE, is_fee & interest], [FX_MARGIN, INTEREST], FEE_ENTRY),
        FEE_SLOT,
    )


def open_with(
    rng: np.random.Generator, accounts: Accounts, business: Transfers, start: np.datetime64
) -> Transfers:
    """Enough money that an account stays above zero, except for the few that are overdrawn."""
    size = accounts.ids.size
    lowest = _lowest(movements(business), size)
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
        np.full(size, NEVER),
        np.full(size, OPENING_SLOT),
    )


def movements(transfers: Transfers) -> Movements:
    """Client accounts only, one movement an account and moment."""
    taken = ~np.isnat(transfers.reversed_at)
    back = transfers.where(taken)
    account = np.concatenate([transfers.debit, transfers.credit, back.debit, back.credit])
    ids = np.concatenate(
        [transfers.ids, transfers.ids + 1, back.ids + REVERSAL_IDS, back.ids + 1 + REVERSAL_IDS]
    )
    moment = np.concatenate([transfers.moment, transfers.moment, *[back.reversed_at] * 2])
    cents = np.concatenate([-transfers.cents, transfers.cents, back.cents, -back.cents])
    order = np.lexsort((ids, moment, account))
    order = order[account[order] > 0]
    ids, account, moment, cents = ids[order], account[order], moment[order], cents[order]
    first = np.ones(account.size, dtype=np.bool_)
    first[1:] = (account[1:] != account[:-1]) | (moment[1:] != moment[:-1])
    starts = np.flatnonzero(first)
    return Movements(ids[starts], account[starts], moment[starts], np.add.reduceat(cents, starts))


def _lowest(moved: Movements, size: int) -> Ints:
    """Per account (id - 1) the lowest balance of the movements, at most 0."""
    lowest = np.zeros(size, dtype=np.int64)
    np.minimum.at(lowest, moved.account - 1, moved.balances)
    return lowest


def entry_table(
    transfers: Transfers, at: np.datetime64, incidents: Incidents, anchor: np.datetime64
) -> Table:
    """core.entry: both sides of every transfer, and the one-sided one, CANCELLED without I9."""
    seen = transfers.where(transfers.moment < at)
    # NaT compares as false: what is never reversed stays posted
    state = np.where(seen.reversed_at < at, REVERSED, POSTED)
    frame = pd.DataFrame(
        {
            "id": _both(seen.ids, seen.ids + 1),
            "payment_id": nullable(np.repeat(seen.payment, 2), np.repeat(seen.payment > 0, 2)),
            "account_id": _both(seen.debit, seen.credit),
            "entry_state_id": np.repeat(state, 2),
            "entry_type_id": np.repeat(seen.entry_type, 2),
            "debit_credit": one_of(np.tile([0, 1], seen.ids.size), ("D", "C")),
            "amount": money(np.repeat(seen.cents, 2)),
            "currency": one_of(np.repeat(seen.currency, 2), CURRENCIES),
            "value_date": np.repeat(days_of(seen.moment), 2),
            "create_time": np.repeat(seen.moment, 2),
        }
    )
    return Table("core", "entry", pd.concat([frame, _one_sided(incidents, anchor)]))


def _one_sided(incidents: Incidents, anchor: np.datetime64) -> pd.DataFrame:
    moment = one_sided_moment(incidents)
    state = CANCELLED if moment is None else POSTED
    if moment is None:
        moment = anchor - ONE_SIDED_BEFORE
    return pd.DataFrame(
        {
            "id": [ONE_SIDED_SLOT],
            "payment_id": nullable(np.array([0]), np.array([False])),
            "account_id": [HOUSE],
            "entry_state_id": [state],
            "entry_type_id": [ADJUSTMENT],
            "debit_credit": one_of(np.array([0]), ("D", "C")),
            "amount": money(np.array([ONE_SIDED_CENTS])),
            "currency": one_of(np.array([EUR]), CURRENCIES),
            "value_date": days_of(np.array([moment])),
            "create_time": np.array([moment]),
        }
    )


def _both(debit: Ints, credit: Ints) -> Ints:
    return np.column_stack([debit, credit]).reshape(-1)


def balance_log_table(moved: Movements, at: np.datetime64) -> Table:
    """core.account_balance_log: the balance after each movement."""
    seen = moved.moment < at
    balance: Floats = money(moved.balances[seen])
    frame = pd.DataFrame(
        {
            "id": moved.ids[seen],
            "account_id": moved.account[seen],
            "balance": balance,
            "available": balance,
            "timestamp": moved.moment[seen],
        }
    )
    return Table("core", "account_balance_log", frame)
