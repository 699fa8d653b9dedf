"""Who banks here: established clients, applicants, and their way through onboarding."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from demo_bank.clock import (
    HUMAN_HOURS,
    WORK_ITEM_LN_SD,
    WORK_ITEM_MEDIAN_S,
    Flags,
    Floats,
    Ints,
    Moments,
    Office,
    arrivals,
    later,
    lognormal,
)
from demo_bank.incidents import Incidents, committed_late, deleted_client
from demo_bank.table import Table, from_rows, latest, nullable, one_of, uuids

CREATED, SUBMITTED, KYC, AML, DOCS, APPROVED, ACTIVE, REJECTED, WITHDRAWN = range(1, 10)
NO_KYC, KYC_UNDER_WAY, KYC_CLEAR, KYC_FAILED = 0, 1, 2, 4

APPLICATIONS_PER_CLIENT_AND_DAY = 0.012
SHARE_SUBMITTED = 0.86
SHARE_DECLINED, SHARE_WITHDRAWN = 0.30, 0.10
DECLINED_IN_2_MINUTES, DECLINED_IN_AN_HOUR = 0.45, 0.62
APPROVAL_MEDIAN_H, APPROVAL_LN_SD = 50.0, 0.70
LONGEST_APPROVAL_H, LONGEST_DECLINE_H = 25 * 24.0, 8 * 24.0
# the long ones wait for a document of the client
LONG_APPROVAL_H, SHARE_ASKED = 110.0, 0.06
PARETO_SHAPE, LARGEST_WEIGHT = 1.15, 75.0
NEW_CLIENT_WEIGHT = 0.2
OPERATORS = 14

# code, name, in the European Economic Area, risk
COUNTRY_ROWS = (
    ("LT", "Lithuania", True, 1),
    ("LV", "Latvia", True, 1),
    ("EE", "Estonia", True, 1),
    ("PL", "Poland", True, 1),
    ("DE", "Germany", True, 1),
    ("FR", "France", True, 1),
    ("GB", "United Kingdom", False, 1),
    ("CY", "Cyprus", True, 2),
    ("MT", "Malta", True, 2),
    ("AE", "United Arab Emirates", False, 3),
    ("IS", "Iceland", True, 1),
)
CLIENTS_COME_FROM = [code for code, *_ in COUNTRY_ROWS[:10]]
COUNTRY_SHARES = np.array([26, 14, 11, 13, 10, 7, 8, 5, 4, 2]) / 100
DELETED_COUNTRY = "IS"
MANAGERS = ("ona@bank.example", "jānis@bank.example", "müller@bank.example", "", None)
ATTRIBUTES = ('{"source": "web", "utm": null}', '{"source": "partner \\"A\\""}', "{}", None)
# the status of identification in each state of the profile
KYC_OF_STATE: Ints = np.array(
    [NO_KYC] * 3 + [KYC_UNDER_WAY] * 3 + [KYC_CLEAR] * 2 + [KYC_FAILED, KYC_UNDER_WAY]
)


@dataclass(frozen=True)
class Steps:
    """Rows of the state log: which client (index) entered which state when, and by whose hand."""

    client: Ints
    state: Ints
    moment: Moments

    def __add__(self, other: "Steps") -> "Steps":
        return Steps(
            np.concatenate([self.client, other.client]),
            np.concatenate([self.state, other.state]),
            np.concatenate([self.moment, other.moment]),
        )

    def in_order(self) -> "Steps":
        order = np.lexsort((self.state, self.client, self.moment))
        return Steps(self.client[order], self.state[order], self.moment[order])


@dataclass(frozen=True)
class Clients:
    """All profiles, in the order of creation; index i has id i + 1, established ones come first.

    `steps` are in the order of time and go on until the horizon; NaT in `activated` is never.
    """

    created: Moments
    activated: Moments
    weight: Floats
    established: int
    steps: Steps

    @property
    def ids(self) -> Ints:
        return np.arange(1, self.created.size + 1)

    @property
    def largest(self) -> int:
        """The index of the client with the most business."""
        return int(np.argmax(self.weight[: self.established]))


def admit(
    rng: np.random.Generator,
    office: Office,
    start: np.datetime64,
    horizon: np.datetime64,
    established: int,
) -> Clients:
    """Clients that were there at the start, and everybody who applies until the horizon."""
    ages = rng.integers(60 * 86_400, 1_100 * 86_400, established) * np.timedelta64(1, "s")
    old = np.sort(start - ages).astype("datetime64[ms]")
    per_day = established * APPLICATIONS_PER_CLIENT_AND_DAY
    new = arrivals(rng, start, horizon, per_day=per_day, hour_share=HUMAN_HOURS)
    created = np.concatenate([old, new])
    journeys = _approved(rng, office, np.arange(established), old)
    journeys += _applied(rng, office, established + np.arange(new.size), new)
    steps = journeys.in_order()
    active = steps.state == ACTIVE
    weight = np.minimum(1 + rng.pareto(PARETO_SHAPE, created.size), LARGEST_WEIGHT)
    weight[established:] *= NEW_CLIENT_WEIGHT
    activated = latest(steps.client[active], steps.moment[active], created.size)
    return Clients(created, activated, weight, established, steps)


def _reached(client: Ints, state: int, moment: Moments) -> Steps:
    return Steps(client, np.full(client.size, state), moment)


def _submitted(rng: np.random.Generator, created: Moments) -> Moments:
    return later(created, lognormal(rng, 1_200, 1.0, created.size))


def _approved(rng: np.random.Generator, office: Office, client: Ints, created: Moments) -> Steps:
    submitted = _submitted(rng, created)
    hours = lognormal(rng, APPROVAL_MEDIAN_H, APPROVAL_LN_SD, client.size)
    hours = np.minimum(hours, LONGEST_APPROVAL_H)
    is_long = hours > LONG_APPROVAL_H
    asked = is_long | (rng.random(client.size) < SHARE_ASKED)
    approved = office.about(submitted, hours)
    return (
        _reached(client, CREATED, created)
        + _reached(client, SUBMITTED, submitted)
        + _reached(client, KYC, later(submitted, hours * 36))
        + _reached(client[asked], DOCS, office.about(submitted, hours * 0.2)[asked])
        + _reached(client, AML, office.about(submitted, hours * np.where(asked, 0.8, 0.55)))
        + _reached(client, APPROVED, approved)
        + _reached(client, ACTIVE, later(approved, lognormal(rng, 7_200, 0.8, client.size)))
    )


def _applied(rng: np.random.Generator, office: Office, client: Ints, created: Moments) -> Steps:
    went_on = rng.random(client.size) < SHARE_SUBMITTED
    fate = rng.random(client.size)
    declined = went_on & (fate < SHARE_DECLINED)
    withdrew = went_on & ~declined & (fate < SHARE_DECLINED + SHARE_WITHDRAWN)
    approved = went_on & ~declined & ~withdrew
    return (
        _reached(client[~went_on], CREATED, created[~went_on])
        + _declined(rng, office, client[declined], created[declined])
        + _withdrawn(rng, client[withdrew], created[withdrew])
        + _approved(rng, office, client[approved], created[approved])
    )


def _declined(rng: np.random.Generator, office: Office, client: Ints, created: Moments) -> Steps:
    """45 % of declines come under 2 minutes, 62 % under an hour, the rest from people."""
    submitted = _submitted(rng, created)
    draw = rng.random(client.size)
    at_once, slow = draw < DECLINED_IN_2_MINUTES, draw >= DECLINED_IN_AN_HOUR
    seconds = np.where(
        at_once, rng.uniform(5, 120, client.size), rng.uniform(120, 3_600, client.size)
    )
    hours = np.minimum(1 + lognormal(rng, 29, 1.0, client.size), LONGEST_DECLINE_H)
    decided = np.where(slow, office.about(submitted, hours), later(submitted, seconds))
    reviewed = office.about(submitted, hours * 0.4)
    return (
        _reached(client, CREATED, created)
        + _reached(client, SUBMITTED, submitted)
        + _reached(client[slow], KYC, later(submitted, hours * 36)[slow])
        + _reached(client[slow], AML, reviewed[slow])
        + _reached(client, REJECTED, decided)
    )


def _withdrawn(rng: np.random.Generator, client: Ints, created: Moments) -> Steps:
    submitted = _submitted(rng, created)
    seconds = lognormal(rng, 60 * 3_600, 0.9, client.size)
    return (
        _reached(client, CREATED, created)
        + _reached(client, SUBMITTED, submitted)
        + _reached(client, KYC, later(submitted, seconds * 0.02))
        + _reached(client, DOCS, later(submitted, seconds * 0.25))
        + _reached(client, WITHDRAWN, later(submitted, seconds))
    )


class ProfileTables:
    """core.client_profile, its state log, the reviewers' sessions and dict.country."""

    def __init__(self, rng: np.random.Generator, clients: Clients) -> None:
        self._clients = clients
        size, steps = clients.created.size, clients.steps
        self._profile = pd.DataFrame(
            {
                "id": clients.ids,
                "uuid": uuids(rng, size),
                "client_type": one_of((rng.random(size) < 0.4) * 1, ["PRIVATE", "BUSINESS"]),
                "country": one_of(rng.choice(10, size, p=COUNTRY_SHARES), CLIENTS_COME_FROM),
                "manager_email": one_of(_with_null(rng, MANAGERS, size), MANAGERS[:-1]),
                "attributes": one_of(_with_null(rng, ATTRIBUTES, size), ATTRIBUTES[:-1]),
                "tags": one_of((clients.weight > 40) * 1, ["{}", '{vip,"café ☕"}']),
                "create_time": clients.created,
            }
        )
        self._risk = rng.choice([1, 2, 3], size, p=[0.7, 0.24, 0.06])
        self._late = rng.random(steps.client.size)
        slow = np.isin(np.arange(size), steps.client[steps.state == AML])
        by_hand = np.isin(steps.state, (APPROVED, DOCS))
        by_hand |= (steps.state == REJECTED) & slow[steps.client]
        operator = rng.integers(1, OPERATORS + 1, steps.client.size)
        self._log = pd.DataFrame(
            {
                "id": np.arange(1, steps.client.size + 1),
                "client_profile_id": steps.client + 1,
                "profile_state": steps.state,
                "timestamp": steps.moment,
                "operator_id": nullable(operator, by_hand),
                "comment": one_of(
                    np.where(steps.state == DOCS, 0, -1), ["proof of address\tmissing"]
                ),
            }
        )
        self._sessions = _sessions(rng, operator[by_hand], steps.moment[by_hand])

    def tables(self, at: np.datetime64, incidents: Incidents) -> list[Table]:
        """The rows that are there at that moment."""
        return [
            Table("core", "client_profile", self._profiles(at, incidents)),
            Table("core", "client_profile_state_log", self._log[self.logged(at, incidents)]),
            _countries(at, incidents),
        ]

    def logged(self, at: np.datetime64, incidents: Incidents) -> Flags:
        """Which rows of the state log are committed at that moment."""
        return committed_late(self._clients.steps.moment, self._late, incidents) < at

    def sessions(self, at: np.datetime64) -> pd.DataFrame:
        """One work item a row: operator, address, length and start."""
        return self._sessions[self._sessions["started_at"].to_numpy() < at]

    def _profiles(self, at: np.datetime64, incidents: Incidents) -> pd.DataFrame:
        clients, steps = self._clients, self._clients.steps
        done = steps.moment < at
        state = np.full(clients.created.size, CREATED)
        state[steps.client[done]] = steps.state[done]
        kyc = KYC_OF_STATE[state]
        frame = self._profile.assign(
            profile_state_id=state,
            kyc_verification_status_id=nullable(kyc, kyc != NO_KYC),
            risk_level=nullable(self._risk, state != CREATED),
            update_time=latest(steps.client[done], steps.moment[done], state.size),
        )
        there = clients.created < at
        if (deleted := deleted_client(incidents)) is not None:
            never_active = np.isnat(clients.activated) & (clients.created < deleted)
            there[np.flatnonzero(never_active)[:1]] = False
        return frame[there]


def _with_null(rng: np.random.Generator, values: tuple[object, ...], size: int) -> Ints:
    """Codes of those values, of which the last is NULL."""
    return (rng.integers(0, len(values), size) + 1) % len(values) - 1


def _sessions(rng: np.random.Generator, operator: Ints, ended: Moments) -> pd.DataFrame:
    seconds = lognormal(rng, WORK_ITEM_MEDIAN_S, WORK_ITEM_LN_SD, ended.size)
    started = later(ended, -seconds)
    order = np.argsort(started, kind="stable")
    return pd.DataFrame(
        {"operator_id": operator[order], "seconds": seconds[order], "started_at": started[order]}
    )


def _countries(at: np.datetime64, incidents: Incidents) -> Table:
    deleted = deleted_client(incidents)
    there = deleted is None or deleted > at
    rows = [row for row in COUNTRY_ROWS if there or row[0] != DELETED_COUNTRY]
    return from_rows("dict", "country", ["iso2", "name", "eea", "risk"], rows, ("iso2",))
