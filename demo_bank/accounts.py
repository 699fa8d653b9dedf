"""The accounts of active clients: one in euro each, some a second one in another currency."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from demo_bank.clients import Clients
from demo_bank.clock import Ints, Moments
from demo_bank.table import Table, one_of

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

    def table(self, at: np.datetime64) -> Table:
        """core.account at that moment."""
        ids = self.ids[self.opened < at]
        there = ids - 1
        frame = pd.DataFrame(
            {
                "id": ids,
                "client_profile_id": self.client[there] + 1,
                "iban": [f"LT{i * 37 % 97 + 2:02d}3250{i:012d}" for i in ids.tolist()],
                "currency": one_of(self.currency[there], CURRENCIES),
                "account_type": "CURRENT",
                "account_state": "OPEN",
                "create_time": self.opened[there],
                "update_time": self.opened[there],
            }
        )
        return Table("core", "account", frame)


def open_accounts(rng: np.random.Generator, clients: Clients) -> Accounts:
    """Accounts of every client that is activated at any time."""
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
