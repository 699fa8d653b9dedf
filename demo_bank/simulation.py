"""The whole bank at one moment, from a seed: nothing here knows a database."""

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from demo_bank import incidents
from demo_bank.accounts import account_table, open_accounts
from demo_bank.clients import admit, country_table, profile_tables
from demo_bank.collaterals import collateral_tables
from demo_bank.ledger import ledger_tables, post
from demo_bank.payments import Log, originate, payment_tables
from demo_bank.rates import rate_table
from demo_bank.table import Table
from demo_bank.traps import trap_tables

DAYS = 120


@dataclass(frozen=True)
class Bank:
    """All rows of the source databases at the anchor (naive UTC)."""

    anchor: datetime
    webbank: tuple[Table, ...]
    currency_rate: tuple[Table, ...]

    def table(self, schema: str, name: str) -> Table:
        """The one table of that name; KeyError where there is none."""
        tables = {(t.schema, t.name): t for t in (*self.webbank, *self.currency_rate)}
        return tables[schema, name]


def simulate(*, anchor: datetime, seed: int = 7, clients: int = 300) -> Bank:
    """The bank with that many established clients after 120 days of business up to the anchor.

    The anchor is an aware datetime. The same arguments give the same rows, to the byte.
    """
    now = anchor.astimezone(UTC).replace(tzinfo=None)
    end = np.datetime64(now, "ms")
    start = end - np.timedelta64(DAYS, "D")
    people = admit(_stream(seed, "clients"), start, end, clients)
    accounts = open_accounts(_stream(seed, "accounts"), people)
    payments = originate(_stream(seed, "payments"), people, accounts, start, now)
    transfers = post(_stream(seed, "openings"), payments, accounts, start)
    webbank = (
        country_table(),
        *profile_tables(_stream(seed, "profiles"), people),
        account_table(accounts),
        *payment_tables(_stream(seed, "payment rows"), payments, Log.of(payments, end)),
        *ledger_tables(transfers, incidents.one_sided_entry(now)),
        *collateral_tables(
            _stream(seed, "collaterals"), now, clients, incidents.mastercard_collateral(now)
        ),
        *trap_tables(now),
    )
    return Bank(now, webbank, (rate_table(_stream(seed, "rates"), start, now),))


def _stream(seed: int, concern: str) -> np.random.Generator:
    """Each concern draws from its own stream, so that a change in one leaves the others alone."""
    return np.random.default_rng([seed, zlib.crc32(concern.encode())])
