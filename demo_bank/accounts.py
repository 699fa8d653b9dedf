"""The accounts of active clients: one in euro each, some a second one in another currency."""

from dataclasses import dataclass

import numpy as np

from demo_bank.clients import Clients
from demo_bank.clock import Ints, Moments
from demo_bank.table import Table

CURRENCIES = ("EUR", "USD", "GBP", "CHF", "PLN")
EUR = 0
SHARE_WITH_SECOND_ACCOUNT = 0.2
NO_ACCOUNT = 0


@dataclass(frozen=True)
class Accounts:
    """Ids count from 1; `euro_of` and `foreign_of` give a client's account id, 0 where none."""

    client: Ints
    currency: Ints
    opened: Moments
    euro_of: Ints
    foreign_of: Ints

    @property
    def ids(self) -> Ints:
        return np.arange(1, self.client.size + 1)


def open_accounts(rng: np.random.Generator, clients: Clients) -> Accounts:
    """Accounts of every client that was ever activated."""
    active = np.flatnonzero(~np.isnat(clients.activated))
    second = active[rng.random(active.size) < SHARE_WITH_SECOND_ACCOUNT]
    client = np.concatenate([active, second])
    currency = np.concatenate(
        [np.full(active.size, EUR), rng.integers(1, len(CURRENCIES), second.size)]
    )
    ids = np.arange(1, client.size + 1)
    euro_of = np.full(clients.created.size, NO_ACCOUNT)
    foreign_of = euro_of.copy()
    euro_of[active] = ids[: active.size]
    foreign_of[second] = ids[active.size :]
    return Accounts(client, currency, clients.activated[client], euro_of, foreign_of)


def account_table(accounts: Accounts) -> Table:
    size = accounts.client.size
    return Table(
        "core",
        "account",
        {
            "id": accounts.ids.tolist(),
            "client_profile_id": (accounts.client + 1).tolist(),
            "iban": [f"LT{i * 37 % 97 + 2:02d}3250{i:012d}" for i in accounts.ids.tolist()],
            "currency": [CURRENCIES[c] for c in accounts.currency.tolist()],
            "account_type": ["CURRENT"] * size,
            "account_state": ["OPEN"] * size,
            "create_time": accounts.opened.tolist(),
            "update_time": accounts.opened.tolist(),
        },
    )
