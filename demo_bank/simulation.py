"""The whole bank as a function of a seed, an anchor and a moment; nothing here knows a database.

All events from 200 days before the anchor to 30 days after it are drawn at once. What a source
system holds at a moment is what of them has happened by then, as the incidents shape it.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from demo_bank.accounts import open_accounts
from demo_bank.cards import issue_cards
from demo_bank.clients import ProfileTables, admit
from demo_bank.clock import Office
from demo_bank.collaterals import collateral_tables, collaterals_at, demand_weekly
from demo_bank.incidents import ON_BY_DEFAULT, Incidents
from demo_bank.ledger import (
    SHARE_INTEREST,
    Movements,
    Transfers,
    balance_log_table,
    entry_table,
    movements,
    open_with,
    post,
)
from demo_bank.legacy import LegacyTables
from demo_bank.payment_tables import Log, PaymentTables, state_log
from demo_bank.payments import Payments, originate
from demo_bank.rates import quote_rates
from demo_bank.screening import open_cases, verify_payees
from demo_bank.table import Table
from demo_bank.traps import operator_sessions, other_cluster_tables, trap_tables

DAYS, HORIZON_DAYS = 200, 30
CLIENTS_AT_SCALE_1 = 6_000
OLDEST_CLIENT_DAYS, SLOWEST_REVIEW_DAYS = 1_400, 90


@dataclass(frozen=True)
class Business:
    """What the payments amount to under some incidents."""

    payments: Payments
    log: Log
    transfers: Transfers
    movements: Movements


class Bank:
    """A bank with that many established clients, 200 days old at the anchor (aware).

    The same arguments give the same rows, to the byte.
    """

    def __init__(self, *, anchor: datetime, seed: int = 7, clients: int = 600) -> None:
        self.anchor = instant(anchor)
        self.start = self.anchor - np.timedelta64(DAYS, "D")
        self.horizon = self.anchor + np.timedelta64(HORIZON_DAYS, "D")
        self._seed = seed
        span = self.start, self.horizon
        office = Office(
            self.start - np.timedelta64(OLDEST_CLIENT_DAYS, "D"),
            self.horizon + np.timedelta64(SLOWEST_REVIEW_DAYS, "D"),
        )
        self.clients = admit(self._stream("clients"), office, *span, clients)
        self.accounts = open_accounts(self._stream("accounts"), self.clients)
        self.payments = originate(
            self._stream("payments"), office, self.clients, self.accounts, *span
        )
        self.interest = self._stream("interest").random(self.payments.kind.size) < SHARE_INTEREST
        ordinary = post(self.payments, self.accounts, self.interest)
        self.openings = open_with(self._stream("openings"), self.accounts, ordinary, self.start)
        self.rates = quote_rates(self._stream("rates"), *span)
        self.cases = open_cases(self._stream("cases"), office, self.payments, clients, *span)
        self.verifications = verify_payees(self._stream("payees"), self.payments.kind.size)
        self.cards = issue_cards(self._stream("cards"), self.clients)
        self.collaterals = demand_weekly(
            self._stream("collaterals"), as_datetime(self.anchor), clients
        )
        self.profiles = ProfileTables(self._stream("profiles"), self.clients)
        self._payment_tables = PaymentTables(self._stream("payment rows"), self.payments)
        self._legacy = LegacyTables(self._stream("legacy"), self.clients)
        self._business: tuple[Incidents, Business] | None = None

    def default_incidents(self) -> Incidents:
        """Every incident at its time before the anchor."""
        return dict.fromkeys(ON_BY_DEFAULT, self.anchor)

    def business(self, incidents: Incidents) -> Business:
        """Payments, ledger and balances under those incidents; the last answer is kept."""
        if self._business is None or self._business[0] != incidents:
            payments = self.payments.under(incidents, self.clients)
            transfers = self.openings + post(payments, self.accounts, self.interest)
            log = state_log(payments, self._payment_tables.draws)
            self._business = (
                dict(incidents),
                Business(payments, log, transfers, movements(transfers)),
            )
        return self._business[1]

    def tables(self, at: np.datetime64, incidents: Incidents) -> Iterator[tuple[str, Table]]:
        """Database and rows of each table at that moment, one after the other."""
        business = self.business(incidents)
        payments, log, moment = business.payments, business.log, as_datetime(at)
        anchor = as_datetime(self.anchor)
        for table in self.profiles.tables(at, incidents):
            yield "webbank", table
        yield "webbank", operator_sessions(anchor, self.profiles.sessions(at))
        yield "webbank", self.accounts.table(at)
        yield "webbank", self._payment_tables.payment(payments, log, at)
        yield "webbank", self._payment_tables.payment_state_log(log, at, incidents)
        yield "webbank", entry_table(business.transfers, at, incidents, self.anchor)
        yield "webbank", balance_log_table(business.movements, at)
        demanded = collaterals_at(self.collaterals, anchor, moment, incidents)
        for table in collateral_tables(demanded, moment):
            yield "webbank", table
        for table in trap_tables(anchor):
            yield "webbank", table
        yield "aml", self.cases.table(at, incidents)
        yield "pdvs", self.verifications.table(payments, at)
        for table in self._legacy.tables(at):
            yield "vss", table
        for table in self.cards.tables(at, incidents):
            yield "card-management", table
        yield "currency-rate", self.rates.table(at, incidents)
        yield from other_cluster_tables(anchor)

    def _stream(self, concern: str) -> np.random.Generator:
        """Each concern draws from its own, so that a change in one leaves the others alone."""
        return np.random.default_rng([self._seed, zlib.crc32(concern.encode())])


def instant(moment: datetime) -> np.datetime64:
    """An aware datetime as naive UTC milliseconds."""
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "ms")


def as_datetime(moment: np.datetime64) -> datetime:
    """Naive UTC."""
    return datetime.fromisoformat(str(moment.astype("datetime64[ms]")))
