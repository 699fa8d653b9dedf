"""Cards of clients, from the copy of card-management that may stop replicating."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from demo_bank.clients import Clients
from demo_bank.clock import NEVER, Flags, Ints, Moments, later, lognormal
from demo_bank.incidents import Incidents, replicated_until
from demo_bank.table import Table, one_of

ISSUED, ACTIVE = 1, 2
SHARE_WITH_CARD = 0.5
# in the end 95 % activate; 84 % do within two weeks
SHARE_ACTIVATED, ACTIVATION_MEDIAN_S, ACTIVATION_LN_SD = 0.95, 3.5 * 86_400, 1.15
IDS_PER_CARD = 10


@dataclass(frozen=True)
class Cards:
    """All cards in the order of issue; index i has id i + 1, NaT in `activated` is never."""

    client: Ints
    issued: Moments
    activated: Moments
    is_gold: Flags

    def tables(self, at: np.datetime64, incidents: Incidents) -> list[Table]:
        """card.card, card.card_state_log and how far the copy is replicated."""
        seen_until = replicated_until(at, incidents)
        there = np.flatnonzero(self.issued < seen_until)
        issued, activated = self.issued[there], self.activated_by(seen_until)[there]
        is_active = ~np.isnat(activated)
        card = pd.DataFrame(
            {
                "id": there + 1,
                "client_profile_id": self.client[there] + 1,
                "pan_mask": [f"5{n * 7919 % 100_000:05d}******{n % 10_000:04d}" for n in there],
                "product": one_of(self.is_gold[there] * 1, ("STANDARD", "GOLD")),
                "card_state_id": np.where(is_active, ACTIVE, ISSUED),
                "issued_at": issued,
                "activated_at": activated,
                "update_time": np.where(is_active, activated, issued),
            }
        )
        log = pd.DataFrame(
            {
                "id": np.concatenate([there, there[is_active]]) * IDS_PER_CARD
                + np.repeat([ISSUED, ACTIVE], [there.size, is_active.sum()]),
                "card_id": np.concatenate([there, there[is_active]]) + 1,
                "card_state_id": np.repeat([ISSUED, ACTIVE], [there.size, is_active.sum()]),
                "timestamp": np.concatenate([issued, activated[is_active]]),
            }
        )
        copied = pd.DataFrame({"id": [1], "replayed_until": [f"{seen_until}+00"]})
        return [
            Table("card", "card", card),
            Table("card", "card_state_log", log),
            Table("replication", "progress", copied),
        ]

    def activated_by(self, moment: np.datetime64) -> Moments:
        return np.where(self.activated < moment, self.activated, NEVER)


def issue_cards(rng: np.random.Generator, clients: Clients) -> Cards:
    """A card for every second client, some days after the activation of the client."""
    active = np.flatnonzero(~np.isnat(clients.activated))
    client = active[rng.random(active.size) < SHARE_WITH_CARD]
    size = client.size
    issued = later(clients.activated[client], lognormal(rng, 2 * 86_400, 0.5, size))
    order = np.argsort(issued, kind="stable")
    client, issued = client[order], issued[order]
    wait = lognormal(rng, ACTIVATION_MEDIAN_S, ACTIVATION_LN_SD, size)
    activates = rng.random(size) < SHARE_ACTIVATED
    activated = np.where(activates, later(issued, wait), NEVER)
    return Cards(client, issued, activated, rng.random(size) < 0.15)
