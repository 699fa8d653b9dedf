"""The old verification system: the same story as webbank's, and one row in eight is wrong."""

import numpy as np
import pandas as pd

from demo_bank.clients import APPROVED, REJECTED, SUBMITTED, Clients
from demo_bank.clock import Ints, later
from demo_bank.table import Table, one_of, uuids

SHARE_DIFFERENT = 0.12
STATES = ("NEW", "VERIFIED", "DECLINED")
STATE_OF_STEP = {SUBMITTED: 0, APPROVED: 1, REJECTED: 2}
RESULTS = ("PASS", "FAIL")


class LegacyTables:
    """vss.applicant_log and vss.client_verification."""

    def __init__(self, rng: np.random.Generator, clients: Clients) -> None:
        steps = clients.steps
        told = np.flatnonzero(np.isin(steps.state, tuple(STATE_OF_STEP)))
        client, state = steps.client[told], _states(steps.state[told])
        moment = later(steps.moment[told], rng.uniform(1, 600, told.size))
        order = np.argsort(moment, kind="stable")
        self._moment = moment[order]
        client, state = client[order], state[order]
        differs = rng.random(told.size) < SHARE_DIFFERENT
        state = np.where(differs, (state + 1) % len(STATES), state)
        names = uuids(rng, clients.created.size)
        self._log = pd.DataFrame(
            {
                "id": np.arange(1, told.size + 1),
                "applicant_id": names[client],
                "state": one_of(state, STATES),
                "create_time": self._moment,
            }
        )
        self._verification = pd.DataFrame(
            {
                "id": np.arange(1, told.size + 1),
                "client_profile_id": client + 1,
                "result": one_of(state - 1, RESULTS),
                "create_time": self._moment,
                "update_time": self._moment,
            }
        )
        self._verified = state > 0

    def tables(self, at: np.datetime64) -> list[Table]:
        """The rows that are there at that moment."""
        there = self._moment < at
        return [
            Table("vss", "applicant_log", self._log[there]),
            Table("vss", "client_verification", self._verification[there & self._verified]),
        ]


def _states(steps: Ints) -> Ints:
    by_step = np.zeros(max(STATE_OF_STEP) + 1, dtype=np.int64)
    for step, state in STATE_OF_STEP.items():
        by_step[step] = state
    return np.asarray(by_step[steps])
