"""Payments and their way from CREATED to a terminal state."""

from dataclasses import dataclass, replace

import numpy as np

from demo_bank.accounts import NO_ACCOUNT, Accounts
from demo_bank.clients import Clients
from demo_bank.clock import (
    NEVER,
    PAYMENT_HOURS,
    Flags,
    Floats,
    Ints,
    Moments,
    Office,
    arrivals,
    later,
    lognormal,
)
from demo_bank.incidents import (
    Incidents,
    refused_swift,
    silent_since,
    slowed_sepa,
)
from demo_bank.rates import LEVELS

CREATED, SIGNED, AUTHORIZED, PROCESSING, EXECUTED, REJECTED, CANCELLED, RETURNED = range(1, 9)
SEPA_OUT, INSTANT_OUT, SWIFT_OUT, BOOK_OUT, SEPA_IN, SWIFT_IN, CARD, FEE, EXCHANGE = range(1, 10)
PAYMENTS_PER_CLIENT_AND_DAY = 0.305
SHARE_RETURNED = 0.004
LARGEST_CENTS = 500_000_00
SHARE_IN_HUNDREDS = 0.2
# a compliance hold takes a few hours of somebody's work
HOLD_MEDIAN_BUSINESS_H, HOLD_LN_SD = 2.5, 0.6
# the rare payment that a correspondent's queue loses for days; large ones are watched by hand
SHARE_HUNG, HUNG_BELOW_EUR, HUNG_MEDIAN_S = 0.004, 5_000, 60 * 3_600.0
IDS_PER_PAYMENT = 10
CORRESPONDENT_REJECT = 3


@dataclass(frozen=True)
class Kind:
    """How one payment type behaves: share of all, amount in EUR, seconds to finish, risks."""

    share: float
    amount_median: float
    amount_ln_sd: float
    seconds_median: float
    seconds_ln_sd: float
    held: float
    rejected: float


KINDS = {
    SEPA_OUT: Kind(0.34, 560, 1.20, 36 * 60, 0.8, 0.05, 0.010),
    INSTANT_OUT: Kind(0.11, 170, 1.15, 15, 0.4, 0.0, 0.008),
    SWIFT_OUT: Kind(0.06, 2_300, 1.28, 165 * 60, 0.9, 0.14, 0.022),
    BOOK_OUT: Kind(0.06, 280, 1.20, 20, 0.5, 0.0, 0.006),
    SEPA_IN: Kind(0.22, 1_080, 1.20, 240, 0.6, 0.01, 0.0),
    SWIFT_IN: Kind(0.03, 4_000, 1.28, 1_800, 0.8, 0.05, 0.0),
    CARD: Kind(0.13, 38, 0.75, 30, 0.5, 0.0, 0.010),
    FEE: Kind(0.03, 9, 0.3, 2, 0.2, 0.0, 0.0),
    EXCHANGE: Kind(0.02, 1_300, 1.20, 20, 0.4, 0.0, 0.004),
}
LOSES_PAYMENTS = (SEPA_OUT, SWIFT_OUT)


@dataclass(frozen=True)
class Payments:
    """All payments until the horizon, in the order of creation; index i has id i + 1.

    `finished` is the moment of `outcome`, a terminal state; `returned` is NaT where the money
    does not come back; `account` is the client's side; `made` is false for what never was sent.
    """

    created: Moments
    kind: Ints
    client: Ints
    receiver: Ints
    account: Ints
    currency: Ints
    cents: Ints
    seconds: Floats
    outcome: Ints
    reason: Ints
    back_after_s: Floats
    refusal: Floats
    made: Flags

    @property
    def ids(self) -> Ints:
        return np.arange(1, self.created.size + 1)

    @property
    def finished(self) -> Moments:
        return later(self.created, self.seconds)

    @property
    def returned(self) -> Moments:
        back = (self.outcome == EXECUTED) & ~np.isnan(self.back_after_s)
        moments = later(self.finished, np.nan_to_num(self.back_after_s))
        return np.where(back, moments, NEVER)

    @property
    def executed(self) -> Flags:
        return np.asarray((self.outcome == EXECUTED) & self.made)

    @property
    def incoming(self) -> Flags:
        return np.isin(self.kind, (SEPA_IN, SWIFT_IN))

    @property
    def eur(self) -> Floats:
        """The amounts in euro at the levels around which the rates walk."""
        return np.asarray(self.cents / 100 / np.array(LEVELS)[self.currency])

    def under(self, incidents: Incidents, clients: Clients) -> "Payments":
        """The same payments, as those incidents shape them."""
        refused = refused_swift(self.refusal, self.kind, self.created, incidents)
        made = self.made
        if (since := silent_since(incidents)) is not None:
            silent = clients.largest
            paid_to = (self.receiver == silent) & (self.kind == BOOK_OUT)
            made = made & ~(((self.client == silent) | paid_to) & (self.created >= since))
        return replace(
            self,
            seconds=slowed_sepa(self.seconds, self.kind, self.created, incidents),
            outcome=np.where(refused, REJECTED, self.outcome),
            reason=np.where(refused, CORRESPONDENT_REJECT, self.reason),
            made=made,
        )


def originate(
    rng: np.random.Generator,
    office: Office,
    clients: Clients,
    accounts: Accounts,
    start: np.datetime64,
    horizon: np.datetime64,
) -> Payments:
    """All payments created between start and horizon, with what becomes of them."""
    per_day = clients.established * PAYMENTS_PER_CLIENT_AND_DAY
    created = arrivals(rng, start, horizon, per_day=per_day, hour_share=PAYMENT_HOURS)
    client = _payers(rng, clients, created)
    kind = _kinds(rng, accounts, client)
    abroad = np.isin(kind, (SWIFT_OUT, SWIFT_IN)) & (accounts.foreign_of[client] != NO_ACCOUNT)
    account = np.where(abroad, accounts.foreign_of[client], accounts.euro_of[client])
    currency = accounts.currency[account - 1]
    cents = _amounts(rng, kind, clients.weight[client], currency)
    comes_back = (kind == SEPA_OUT) & (rng.random(kind.size) < SHARE_RETURNED)
    back_after = lognormal(rng, 30 * 3_600, 0.6, kind.size)
    return Payments(
        created=created,
        kind=kind,
        client=client,
        receiver=_receivers(rng, clients.established, client),
        account=account,
        currency=currency,
        cents=cents,
        seconds=_durations(rng, office, kind, created, cents / 100),
        outcome=_outcomes(rng, kind),
        reason=_reasons(rng, kind),
        back_after_s=np.where(comes_back, back_after, np.nan),
        refusal=rng.random(kind.size),
        made=np.ones(kind.size, dtype=np.bool_),
    )


def _payers(rng: np.random.Generator, clients: Clients, created: Moments) -> Ints:
    """Clients by the root of their weight; who is not active yet is replaced by one who is."""
    activity = np.sqrt(clients.weight)
    activity[np.isnat(clients.activated)] = 0
    payers = rng.choice(activity.size, created.size, p=activity / activity.sum())
    old = activity[: clients.established]
    substitutes = rng.choice(old.size, created.size, p=old / old.sum())
    return np.where(clients.activated[payers] < created, payers, substitutes)


def _kinds(rng: np.random.Generator, accounts: Accounts, client: Ints) -> Ints:
    kind = rng.choice(list(KINDS), client.size, p=[k.share for k in KINDS.values()])
    no_second = accounts.foreign_of[client] == NO_ACCOUNT
    return np.where((kind == EXCHANGE) & no_second, BOOK_OUT, kind)


def _receivers(rng: np.random.Generator, established: int, client: Ints) -> Ints:
    receiver = rng.integers(0, established, client.size)
    return np.where(receiver == client, (receiver + 1) % established, receiver)


def _of_kind(kind: Ints, field: str) -> Floats:
    by_kind = np.array([0.0] + [getattr(k, field) for k in KINDS.values()])
    return np.asarray(by_kind[kind], dtype=np.float64)


def _durations(
    rng: np.random.Generator, office: Office, kind: Ints, created: Moments, units: Floats
) -> Floats:
    """Seconds from creation to the outcome: the rail's own time, or a hold, or lost for days."""
    size = kind.size
    median, ln_sd = _of_kind(kind, "seconds_median"), _of_kind(kind, "seconds_ln_sd")
    seconds = lognormal(rng, median, ln_sd, size)
    held = rng.random(size) < _of_kind(kind, "held")
    work = lognormal(rng, HOLD_MEDIAN_BUSINESS_H, HOLD_LN_SD, size)
    released = office.after(later(created, seconds), work)
    hung = (rng.random(size) < SHARE_HUNG) & np.isin(kind, LOSES_PAYMENTS)
    hung &= units < HUNG_BELOW_EUR
    days = lognormal(rng, HUNG_MEDIAN_S, 0.5, size)
    after_hold = (released - created).astype(np.int64) / 1000
    return np.select([hung, held], [days, after_hold], seconds)


def _outcomes(rng: np.random.Generator, kind: Ints) -> Ints:
    draw = rng.random(kind.size)
    rejected = _of_kind(kind, "rejected")
    return np.select([draw < rejected, draw < rejected * 1.3], [REJECTED, CANCELLED], EXECUTED)


def _reasons(rng: np.random.Generator, kind: Ints) -> Ints:
    ordinary = rng.choice([1, 2, 4, 5], kind.size, p=[0.5, 0.15, 0.25, 0.1])
    abroad = (kind == SWIFT_OUT) & (rng.random(kind.size) < 0.5)
    return np.where(abroad, CORRESPONDENT_REJECT, ordinary)


def _amounts(rng: np.random.Generator, kind: Ints, weight: Floats, currency: Ints) -> Ints:
    """Lognormal; a fifth are multiples of 100 of the currency (not cards, not fees)."""
    median, ln_sd = _of_kind(kind, "amount_median"), _of_kind(kind, "amount_ln_sd")
    euro = lognormal(rng, median, ln_sd, kind.size)
    own_size = ~np.isin(kind, (FEE, CARD))
    euro = np.where(own_size, euro * np.sqrt(weight), euro)
    units = euro * np.array(LEVELS)[currency]
    cents = np.clip(np.round(units * 100).astype(np.int64), 1, LARGEST_CENTS)
    round_sum = (rng.random(kind.size) < SHARE_IN_HUNDREDS) & own_size
    hundreds = np.maximum((cents + 5_000) // 10_000, 1)
    return np.asarray(np.where(round_sum, hundreds * 10_000, cents))
