"""Who banks here: established clients, applicants, and their way through onboarding."""

from dataclasses import dataclass

import numpy as np

from demo_bank.clock import (
    HUMAN_HOURS,
    Floats,
    Ints,
    Moments,
    arrivals,
    later,
    lognormal,
    office_moment,
)
from demo_bank.table import Table, from_rows, latest, nullable, uuids

CREATED, SUBMITTED, KYC, AML, DOCS, APPROVED, ACTIVE, REJECTED, WITHDRAWN = range(1, 10)
KYC_IN_PROGRESS, KYC_CLEAR, KYC_FAILED = 1, 2, 4

APPLICATIONS_PER_CLIENT_AND_DAY = 0.02
SHARE_SUBMITTED = 0.82
SHARE_DECLINED, SHARE_WITHDRAWN = 0.33, 0.12
SHARE_ASKED_FOR_DOCUMENTS = 0.15
APPROVAL_MEDIAN_S, APPROVAL_LN_SD = 50 * 3600.0, 0.83
PARETO_SHAPE, LARGEST_WEIGHT = 1.15, 150.0
NEW_CLIENT_WEIGHT = 0.15

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
)
COUNTRIES = np.array([code for code, *_ in COUNTRY_ROWS])
COUNTRY_SHARES = np.array([26, 14, 11, 13, 10, 7, 8, 5, 4, 2]) / 100
MANAGERS = ("ona@bank.example", "jānis@bank.example", "müller@bank.example", "", None)


@dataclass(frozen=True)
class Steps:
    """Rows of the state log: which client (index) entered which state when."""

    client: Ints
    state: Ints
    moment: Moments

    def before(self, end: np.datetime64) -> "Steps":
        """The steps that have happened, in the order of time."""
        happened = np.flatnonzero(self.moment < end)
        order = happened[np.lexsort((self.client[happened], self.moment[happened]))]
        return Steps(self.client[order], self.state[order], self.moment[order])


@dataclass(frozen=True)
class Clients:
    """All profiles, in the order of creation; index i has id i + 1, established ones come first."""

    created: Moments
    activated: Moments
    weight: Floats
    established: int
    steps: Steps

    @property
    def ids(self) -> Ints:
        return np.arange(1, self.created.size + 1)


def admit(
    rng: np.random.Generator, start: np.datetime64, anchor: np.datetime64, established: int
) -> Clients:
    """Clients that were there at the start, and everybody who applied since."""
    old = np.sort(
        start - rng.integers(60 * 86_400, 1_100 * 86_400, established) * np.timedelta64(1, "s")
    )
    new = arrivals(
        rng,
        start,
        anchor,
        per_day=established * APPLICATIONS_PER_CLIENT_AND_DAY,
        hour_share=HUMAN_HOURS,
    )
    created = np.concatenate([old.astype("datetime64[ms]"), new])
    applicants = established + np.arange(new.size)
    journeys = [
        _approved_journey(rng, np.arange(established), created[:established]),
        *_applicant_journeys(rng, applicants, new),
    ]
    steps = _joined(journeys).before(anchor)
    active = steps.state == ACTIVE
    weight = np.minimum(1 + rng.pareto(PARETO_SHAPE, created.size), LARGEST_WEIGHT)
    weight[established:] *= NEW_CLIENT_WEIGHT
    return Clients(
        created,
        latest(steps.client[active], steps.moment[active], created.size),
        weight,
        established,
        steps,
    )


def _joined(parts: list[Steps]) -> Steps:
    return Steps(
        np.concatenate([p.client for p in parts]),
        np.concatenate([p.state for p in parts]),
        np.concatenate([p.moment for p in parts]),
    )


def _reached(client: Ints, state: int, moment: Moments) -> Steps:
    return Steps(client, np.full(client.size, state), moment)


def _submitted(rng: np.random.Generator, created: Moments) -> Moments:
    return later(created, lognormal(rng, 1_200, 1.0, created.size))


def _approved_journey(rng: np.random.Generator, client: Ints, created: Moments) -> Steps:
    submitted = _submitted(rng, created)
    longest = 25 * 86_400.0
    duration = lognormal(rng, APPROVAL_MEDIAN_S, APPROVAL_LN_SD, client.size)
    duration = np.minimum(duration, longest)
    approved = office_moment(later(submitted, duration))
    active = later(approved, lognormal(rng, 2 * 3_600, 0.8, client.size))
    asked = rng.random(client.size) < SHARE_ASKED_FOR_DOCUMENTS
    return _joined(
        [
            _reached(client, CREATED, created),
            _reached(client, SUBMITTED, submitted),
            _reached(client, KYC, later(submitted, duration * 0.01)),
            _reached(client, AML, later(submitted, duration * 0.3)),
            _reached(client[asked], DOCS, later(submitted, duration * 0.6)[asked]),
            _reached(client, APPROVED, approved),
            _reached(client, ACTIVE, active),
        ]
    )


def _applicant_journeys(rng: np.random.Generator, client: Ints, created: Moments) -> list[Steps]:
    went_on = rng.random(client.size) < SHARE_SUBMITTED
    fate = rng.random(client.size)
    declined = went_on & (fate < SHARE_DECLINED)
    withdrew = went_on & ~declined & (fate < SHARE_DECLINED + SHARE_WITHDRAWN)
    approved = went_on & ~declined & ~withdrew
    return [
        _reached(client[~went_on], CREATED, created[~went_on]),
        _declined_journey(rng, client[declined], created[declined]),
        _withdrawn_journey(rng, client[withdrew], created[withdrew]),
        _approved_journey(rng, client[approved], created[approved]),
    ]


def _declined_journey(rng: np.random.Generator, client: Ints, created: Moments) -> Steps:
    """45 % of declines come under 2 minutes, 62 % under an hour, the rest from people."""
    submitted = _submitted(rng, created)
    draw = rng.random(client.size)
    slow = draw >= 0.62
    duration = np.select(
        [draw < 0.45, ~slow],
        [rng.uniform(5, 120, client.size), rng.uniform(120, 3_600, client.size)],
        lognormal(rng, 30 * 3_600, 1.0, client.size),
    )
    decided = later(submitted, duration)
    decided[slow] = office_moment(decided[slow])
    return _joined(
        [
            _reached(client, CREATED, created),
            _reached(client, SUBMITTED, submitted),
            _reached(client[slow], KYC, later(submitted, duration * 0.02)[slow]),
            _reached(client[slow], AML, later(submitted, duration * 0.4)[slow]),
            _reached(client, REJECTED, decided),
        ]
    )


def _withdrawn_journey(rng: np.random.Generator, client: Ints, created: Moments) -> Steps:
    submitted = _submitted(rng, created)
    duration = lognormal(rng, 60 * 3_600, 0.9, client.size)
    return _joined(
        [
            _reached(client, CREATED, created),
            _reached(client, SUBMITTED, submitted),
            _reached(client, KYC, later(submitted, duration * 0.1)),
            _reached(client, WITHDRAWN, later(submitted, duration)),
        ]
    )


def profile_tables(rng: np.random.Generator, clients: Clients) -> list[Table]:
    """core.client_profile and core.client_profile_state_log."""
    size = clients.created.size
    steps = clients.steps
    state = np.full(size, CREATED)
    state[steps.client] = steps.state
    business = rng.random(size) < 0.4
    risk = rng.choice([1, 2, 3], size, p=[0.7, 0.24, 0.06])
    managers = rng.integers(0, len(MANAGERS), size).tolist()
    profile = Table(
        "core",
        "client_profile",
        {
            "id": clients.ids.tolist(),
            "uuid": uuids(rng, size),
            "client_type": ["BUSINESS" if b else "PRIVATE" for b in business.tolist()],
            "profile_state_id": state.tolist(),
            "kyc_verification_status_id": [_kyc_status(s) for s in state.tolist()],
            "country": rng.choice(COUNTRIES, size, p=COUNTRY_SHARES).tolist(),
            "risk_level": nullable(risk, state != CREATED),
            "manager_email": [MANAGERS[m] for m in managers],
            "attributes": [_attributes(i) for i in range(size)],
            "tags": [
                ["vip", "caf\u00e9 \u2615"] if w > 40 else [] for w in clients.weight.tolist()
            ],
            "create_time": clients.created.tolist(),
            "update_time": latest(steps.client, steps.moment, size).tolist(),
        },
    )
    by_hand = np.isin(steps.state, (APPROVED, DOCS)) | (
        (steps.state == REJECTED) & (rng.random(steps.state.size) < 0.38)
    )
    log = Table(
        "core",
        "client_profile_state_log",
        {
            "id": list(range(1, steps.client.size + 1)),
            "client_profile_id": (steps.client + 1).tolist(),
            "profile_state": steps.state.tolist(),
            "timestamp": steps.moment.tolist(),
            "operator_id": nullable(rng.integers(1, 15, steps.client.size), by_hand),
            "comment": [None if s != DOCS else "proof of address\tmissing" for s in steps.state],
        },
    )
    return [profile, log]


def country_table() -> Table:
    return from_rows("dict", "country", ["iso2", "name", "eea", "risk"], COUNTRY_ROWS)


def _kyc_status(state: int) -> int | None:
    if state in (CREATED, SUBMITTED):
        return None
    if state == REJECTED:
        return KYC_FAILED
    return KYC_CLEAR if state in (APPROVED, ACTIVE) else KYC_IN_PROGRESS


def _attributes(index: int) -> str | None:
    variants = ('{"source": "web", "utm": null}', '{"source": "partner \\"A\\""}', "{}", None)
    return variants[index % len(variants)]
