"""What the core holds of payments: their present state and the log of all states."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from demo_bank.accounts import CURRENCIES
from demo_bank.clients import OPERATORS
from demo_bank.clock import Flags, Floats, Ints, Moments, later
from demo_bank.incidents import Incidents, committed_late
from demo_bank.payments import (
    AUTHORIZED,
    BOOK_OUT,
    CARD,
    CREATED,
    EXCHANGE,
    EXECUTED,
    IDS_PER_PAYMENT,
    INSTANT_OUT,
    PROCESSING,
    REJECTED,
    RETURNED,
    SEPA_OUT,
    SIGNED,
    SWIFT_OUT,
    Payments,
)
from demo_bank.table import Table, latest, money, nullable, one_of, uuids

SIGNED_BY_CLIENT = (SEPA_OUT, INSTANT_OUT, SWIFT_OUT, BOOK_OUT, EXCHANGE)
PROCESSED_BY_RAIL = (SEPA_OUT, SWIFT_OUT)
AUTHORIZED_FROM_EUR = 15_000
LONGEST_PREPARATION_S = 6 * 3_600.0
MEMOS = 500


@dataclass(frozen=True)
class Log:
    """The state log of all payments in the order of time; `draw` decides which row is late."""

    payment: Ints
    state: Ints
    moment: Moments
    draw: Floats

    @property
    def ids(self) -> Ints:
        """The same for a step whatever its outcome, so that an incident changes rows in place."""
        step = np.where(self.state == RETURNED, RETURNED, np.minimum(self.state, EXECUTED))
        return (self.payment + 1) * IDS_PER_PAYMENT + step

    def visible(self, at: np.datetime64, incidents: Incidents) -> "Log":
        """The rows that are committed at that moment."""
        seen = committed_late(self.moment, self.draw, incidents) < at
        return self.where(seen)

    def where(self, chosen: Flags) -> "Log":
        return Log(self.payment[chosen], self.state[chosen], self.moment[chosen], self.draw[chosen])


def state_log(payments: Payments, draws: npt.NDArray[np.float32]) -> Log:
    """Every step of every payment; `draws` has one row a payment and a column a state."""
    preparation = np.minimum(payments.seconds, LONGEST_PREPARATION_S)
    signed = np.isin(payments.kind, SIGNED_BY_CLIENT)
    processed = np.isin(payments.kind, PROCESSED_BY_RAIL)
    large = processed & (payments.eur >= AUTHORIZED_FROM_EUR)
    everyone = np.ones(payments.kind.size, dtype=np.bool_)
    steps: list[tuple[Flags, Ints | int, Moments]] = [
        (everyone, CREATED, payments.created),
        (signed, SIGNED, later(payments.created, preparation * 0.08)),
        (large, AUTHORIZED, later(payments.created, preparation * 0.2)),
        (processed, PROCESSING, later(payments.created, preparation * 0.35)),
        (everyone, payments.outcome, payments.finished),
        (~np.isnat(payments.returned), RETURNED, payments.returned),
    ]
    chosen = [np.flatnonzero(who & payments.made) for who, _, _ in steps]
    payment = np.concatenate(chosen)
    state = np.concatenate(
        [np.broadcast_to(s, everyone.size)[i] for i, (_, s, _) in zip(chosen, steps, strict=True)]
    )
    moment = np.concatenate([m[i] for i, (_, _, m) in zip(chosen, steps, strict=True)])
    order = np.lexsort((state, payment, moment))
    payment, state = payment[order], state[order]
    return Log(payment, state, moment[order], draws[payment, state - 1])


class PaymentTables:
    """core.payment and core.payment_state_log."""

    def __init__(self, rng: np.random.Generator, payments: Payments) -> None:
        size = payments.created.size
        self.draws = rng.random((size, RETURNED), dtype=np.float32)
        to_client = payments.incoming | (payments.kind == BOOK_OUT)
        receiver = np.where(payments.incoming, payments.client, payments.receiver) + 1
        numbers = pd.Series(payments.ids).astype(str).str.zfill(9)
        memos = [f'{{"channel": "web", "memo": "invoice\\\\t{n}"}}' for n in range(MEMOS)]
        memo = np.where(payments.ids % 3 == 1, -1, payments.ids % MEMOS)
        memo = np.where(payments.kind == CARD, MEMOS, memo)
        self._static = pd.DataFrame(
            {
                "id": payments.ids,
                "uuid": uuids(rng, size),
                "type_id": payments.kind,
                "sender_profile_id": nullable(payments.client + 1, ~payments.incoming),
                "receiver_profile_id": nullable(receiver, to_client),
                "sender_account_id": nullable(payments.account, ~payments.incoming),
                "amount": money(payments.cents),
                "currency": one_of(payments.currency, CURRENCIES),
                "end_to_end_id": ("E2E-" + numbers).where(rng.random(size) < 0.9),
                "details": one_of(memo, [*memos, '{"merchant": "Café \\"Zoë\\"", "mcc": 5812}']),
                "create_time": payments.created,
            }
        )
        self._operator = rng.integers(1, OPERATORS + 1, size)
        self._by_hand = rng.random(size) < 0.5

    def payment(self, payments: Payments, log: Log, at: np.datetime64) -> Table:
        """core.payment: each in the state of its last step, late-committed or not."""
        done = log.moment < at
        payment, state, moment = log.payment[done], log.state[done], log.moment[done]
        states = np.full(payments.created.size, CREATED)
        states[payment] = state
        frame = self._static.assign(
            state_id=states,
            reject_reason_id=nullable(payments.reason, states == REJECTED),
            update_time=latest(payment, moment, states.size),
        )
        return Table("core", "payment", frame[(payments.created < at) & payments.made])

    def payment_state_log(self, log: Log, at: np.datetime64, incidents: Incidents) -> Table:
        seen = log.visible(at, incidents)
        by_hand = (seen.state == AUTHORIZED) & self._by_hand[seen.payment]
        frame = pd.DataFrame(
            {
                "id": seen.ids,
                "payment_id": seen.payment + 1,
                "state_id": seen.state,
                "timestamp": seen.moment,
                "operator_id": nullable(self._operator[seen.payment], by_hand),
            }
        )
        return Table("core", "payment_state_log", frame)
