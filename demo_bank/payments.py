"""Payments and their way from CREATED to a terminal state."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

import numpy as np

from demo_bank import incidents
from demo_bank.accounts import CURRENCIES, NO_ACCOUNT, Accounts
from demo_bank.clients import Clients
from demo_bank.clock import (
    PAYMENT_HOURS,
    Flags,
    Floats,
    Ints,
    Moments,
    arrivals,
    later,
    lognormal,
    office_moment,
)
from demo_bank.rates import LEVELS
from demo_bank.table import Table, latest, money, nullable, uuids

CREATED, SIGNED, AUTHORIZED, PROCESSING, EXECUTED, REJECTED, CANCELLED, RETURNED = range(1, 9)
SEPA_OUT, INSTANT_OUT, SWIFT_OUT, BOOK_OUT, SEPA_IN, SWIFT_IN, CARD, FEE, EXCHANGE = range(1, 10)
PAYMENTS_PER_CLIENT_AND_DAY = 0.4
SHARE_RETURNED = 0.004
LARGEST_CENTS = 2_000_000_00


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
    SEPA_OUT: Kind(0.34, 620, 1.35, 38 * 60, 0.8, 0.05, 0.012),
    INSTANT_OUT: Kind(0.11, 180, 1.3, 15, 0.4, 0.0, 0.010),
    SWIFT_OUT: Kind(0.06, 2_900, 1.45, 190 * 60, 0.9, 0.14, 0.035),
    BOOK_OUT: Kind(0.06, 300, 1.35, 20, 0.5, 0.0, 0.008),
    SEPA_IN: Kind(0.22, 1_050, 1.35, 240, 0.6, 0.01, 0.0),
    SWIFT_IN: Kind(0.03, 3_600, 1.45, 1_800, 0.8, 0.05, 0.0),
    CARD: Kind(0.13, 38, 0.75, 30, 0.5, 0.0, 0.015),
    FEE: Kind(0.03, 9, 0.3, 2, 0.2, 0.0, 0.0),
    EXCHANGE: Kind(0.02, 1_400, 1.3, 20, 0.4, 0.0, 0.005),
}


@dataclass(frozen=True)
class Payments:
    """All payments in the order of creation; index i has id i + 1. NaT: has not happened.

    `finished` is the moment of `outcome`, a terminal state; `account` is the client's side.
    """

    created: Moments
    kind: Ints
    client: Ints
    receiver: Ints
    account: Ints
    currency: Ints
    cents: Ints
    outcome: Ints
    finished: Moments
    returned: Moments
    seconds: Floats

    @property
    def ids(self) -> Ints:
        return np.arange(1, self.created.size + 1)

    @property
    def executed(self) -> Flags:
        return np.asarray((self.outcome == EXECUTED) & ~np.isnat(self.finished))

    @property
    def incoming(self) -> Flags:
        return np.isin(self.kind, (SEPA_IN, SWIFT_IN))


@dataclass(frozen=True)
class Log:
    """The payment state log in the order of time."""

    payment: Ints
    state: Ints
    moment: Moments

    @classmethod
    def of(cls, payments: Payments, end: np.datetime64) -> Self:
        """Every step of every payment that has happened before `end`."""
        steps = [*_way_to_the_outcome(payments), _steps_back(payments)]
        payment = np.concatenate([s[0] for s in steps])
        state = np.concatenate([s[1] for s in steps])
        moment = np.concatenate([s[2] for s in steps])
        happened = np.flatnonzero(moment < end)
        order = happened[np.lexsort((state[happened], payment[happened], moment[happened]))]
        return cls(payment[order], state[order], moment[order])


def originate(
    rng: np.random.Generator,
    clients: Clients,
    accounts: Accounts,
    start: np.datetime64,
    anchor: datetime,
) -> Payments:
    """All payments between start and anchor, with what had become of them at the anchor."""
    end = np.datetime64(anchor, "ms")
    created = arrivals(
        rng,
        start,
        end,
        per_day=clients.established * PAYMENTS_PER_CLIENT_AND_DAY,
        hour_share=PAYMENT_HOURS,
    )
    client = _payers(rng, clients, created)
    kind = _kinds(rng, accounts, client)
    abroad = np.isin(kind, (SWIFT_OUT, SWIFT_IN)) & (accounts.foreign_of[client] != NO_ACCOUNT)
    account = np.where(abroad, accounts.foreign_of[client], accounts.euro_of[client])
    currency = accounts.currency[account - 1]
    seconds = _durations(rng, kind, created)
    seconds = incidents.slowed_sepa(seconds, kind, created, end)
    seconds = incidents.hung_outgoing(seconds, kind, created, end)
    finished = _happened(later(created, seconds), end)
    outcome = _outcomes(rng, kind)
    return Payments(
        created=created,
        kind=kind,
        client=client,
        receiver=_receivers(rng, clients.established, client),
        account=account,
        currency=currency,
        cents=_amounts(rng, kind, clients.weight[client], currency),
        outcome=outcome,
        finished=finished,
        returned=_returns(rng, kind, outcome, finished, end),
        seconds=seconds,
    )


def _happened(moments: Moments, end: np.datetime64) -> Moments:
    return np.where(moments < end, moments, np.datetime64("NaT", "ms"))


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


def _durations(rng: np.random.Generator, kind: Ints, created: Moments) -> Floats:
    size = kind.size
    seconds = lognormal(
        rng, _of_kind(kind, "seconds_median"), _of_kind(kind, "seconds_ln_sd"), size
    )
    held = rng.random(size) < _of_kind(kind, "held")
    reviewed = office_moment(later(created, seconds + lognormal(rng, 3 * 3_600, 0.7, size)))
    after_review = (reviewed - created).astype(np.int64) / 1000
    return np.where(held, after_review, seconds)


def _outcomes(rng: np.random.Generator, kind: Ints) -> Ints:
    draw = rng.random(kind.size)
    rejected = _of_kind(kind, "rejected")
    cancelled = rejected * 1.3
    return np.select([draw < rejected, draw < cancelled], [REJECTED, CANCELLED], EXECUTED)


def _returns(
    rng: np.random.Generator, kind: Ints, outcome: Ints, finished: Moments, end: np.datetime64
) -> Moments:
    chosen = (kind == SEPA_OUT) & (outcome == EXECUTED) & (rng.random(kind.size) < SHARE_RETURNED)
    back = later(finished, lognormal(rng, 30 * 3_600, 0.6, kind.size))
    return _happened(np.where(chosen, back, np.datetime64("NaT", "ms")), end)


def _amounts(rng: np.random.Generator, kind: Ints, weight: Floats, currency: Ints) -> Ints:
    """Lognormal; a fifth are multiples of 100 of the currency (not cards, not fees)."""
    euro = lognormal(
        rng, _of_kind(kind, "amount_median"), _of_kind(kind, "amount_ln_sd"), kind.size
    )
    euro = np.where(kind == FEE, euro, euro * np.sqrt(weight))
    units = euro * np.array(LEVELS)[currency]
    cents = np.clip(np.round(units * 100).astype(np.int64), 1, LARGEST_CENTS)
    round_sum = (rng.random(kind.size) < 0.2) & ~np.isin(kind, (CARD, FEE))
    hundreds = np.maximum((cents + 5_000) // 10_000, 1)
    return np.asarray(np.where(round_sum, hundreds * 10_000, cents))


def _way_to_the_outcome(payments: Payments) -> list[tuple[Ints, Ints, Moments]]:
    """Clients sign their outgoing payments; all are authorized and processed."""
    signed = ~payments.incoming & (payments.kind != FEE)
    everyone = np.ones_like(signed)
    shares = ((CREATED, 0.0, everyone), (SIGNED, 0.08, signed), (AUTHORIZED, 0.2, signed))
    early = [*shares, (PROCESSING, 0.35, everyone)]
    # a payment that hangs stops after its first minutes, not after a share of forever
    pace = np.minimum(payments.seconds, 6 * 3_600.0)
    steps = [
        (
            payments.ids[who],
            np.full(int(who.sum()), state),
            later(payments.created, pace * share)[who],
        )
        for state, share, who in early
    ]
    done = ~np.isnat(payments.finished)
    return [*steps, (payments.ids[done], payments.outcome[done], payments.finished[done])]


def _steps_back(payments: Payments) -> tuple[Ints, Ints, Moments]:
    back = ~np.isnat(payments.returned)
    return payments.ids[back], np.full(int(back.sum()), RETURNED), payments.returned[back]


def payment_tables(rng: np.random.Generator, payments: Payments, log: Log) -> list[Table]:
    """core.payment and core.payment_state_log."""
    size = payments.ids.size
    state = np.full(size, CREATED)
    state[log.payment - 1] = log.state
    incoming = payments.incoming
    to_client = incoming | (payments.kind == BOOK_OUT)
    receiver = np.where(incoming, payments.client, payments.receiver) + 1
    named = rng.random(size) < 0.9
    payment = Table(
        "core",
        "payment",
        {
            "id": payments.ids.tolist(),
            "uuid": uuids(rng, size),
            "type_id": payments.kind.tolist(),
            "state_id": state.tolist(),
            "sender_profile_id": nullable(payments.client + 1, ~incoming),
            "receiver_profile_id": nullable(receiver, to_client),
            "sender_account_id": nullable(payments.account, ~incoming),
            "amount": money(payments.cents),
            "currency": [CURRENCIES[c] for c in payments.currency.tolist()],
            "reject_reason_id": nullable(_reasons(rng, payments.kind), state == REJECTED),
            "end_to_end_id": [f"E2E-{i:09d}" if n else None for i, n in enumerate(named, 1)],
            "details": [_details(k, i) for i, k in enumerate(payments.kind.tolist())],
            "create_time": payments.created.tolist(),
            "update_time": latest(log.payment - 1, log.moment, size).tolist(),
        },
    )
    authorized = log.state == AUTHORIZED
    entries = Table(
        "core",
        "payment_state_log",
        {
            "id": list(range(1, log.payment.size + 1)),
            "payment_id": log.payment.tolist(),
            "state_id": log.state.tolist(),
            "timestamp": log.moment.tolist(),
            "operator_id": nullable(
                rng.integers(1, 15, log.payment.size),
                authorized & (rng.random(log.payment.size) < 0.05),
            ),
        },
    )
    return [payment, entries]


def _reasons(rng: np.random.Generator, kind: Ints) -> Ints:
    ordinary = rng.choice([1, 2, 4, 5], kind.size, p=[0.5, 0.15, 0.25, 0.1])
    return np.where((kind == SWIFT_OUT) & (rng.random(kind.size) < 0.5), 3, ordinary)


def _details(kind: int, index: int) -> str | None:
    if kind == CARD:
        return '{"merchant": "Caf\u00e9 \\"Zo\u00eb\\"", "mcc": 5812}'
    return None if index % 3 == 0 else '{"channel": "web", "memo": "invoice\\t' + str(index) + '"}'
