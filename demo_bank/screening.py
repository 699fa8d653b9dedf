"""Retrospective AML screening and the verification of payees."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from demo_bank.clients import OPERATORS
from demo_bank.clock import (
    HUMAN_HOURS,
    NEVER,
    Flags,
    Floats,
    Ints,
    Moments,
    Office,
    arrivals,
    later,
    lognormal,
)
from demo_bank.incidents import Incidents, decided_by_people
from demo_bank.payments import INSTANT_OUT, SEPA_OUT, Payments
from demo_bank.table import Table, money, nullable, one_of

CASES_PER_CLIENT_AND_DAY = 0.03
SHARE_CLEARED_BY_RULES = 0.55
ANALYST_MEDIAN_BUSINESS_H, ANALYST_LN_SD = 1.6, 0.9
STATUSES = ("OPEN", "CLEARED", "CONFIRMED")
OPEN = 0
SCREENINGS = ("SANCTIONS", "PEP", "ADVERSE_MEDIA")
RESULTS = ("MATCH", "CLOSE_MATCH", "NO_MATCH", "NOT_POSSIBLE")
RESULT_SHARES = (0.88, 0.06, 0.04, 0.02)
NO_MATCH = 2


@dataclass(frozen=True)
class Cases:
    """Retrospective cases in the order of creation; `decided` holds without any incident."""

    created: Moments
    decided: Moments
    by_rules: Flags
    payment: Ints
    client: Ints
    screening: Ints
    verdict: Ints
    score: Ints
    analyst: Ints

    def decided_at(self, at: np.datetime64, incidents: Incidents) -> Moments:
        """When each case was decided; NaT where it was still open at that moment."""
        people = decided_by_people(self.decided, incidents)
        decided = np.where(self.by_rules, self.decided, people)
        return np.where(decided < at, decided, NEVER)

    def table(self, at: np.datetime64, incidents: Incidents) -> Table:
        """aml.aml_retrospective at that moment."""
        decided = self.decided_at(at, incidents)
        is_open = np.isnat(decided)
        names = ["rules", *(f"analyst {n}" for n in range(1, OPERATORS + 1))]
        by = np.where(self.by_rules, 0, self.analyst)
        frame = pd.DataFrame(
            {
                "id": np.arange(1, self.created.size + 1),
                "payment_id": nullable(self.payment + 1, self.payment >= 0),
                "client_profile_id": self.client + 1,
                "screening_type": one_of(self.screening, SCREENINGS),
                "status": one_of(np.where(is_open, OPEN, self.verdict), STATUSES),
                "score": money(self.score),
                "hits": one_of(self.screening - 1, ['[{"list": "PEP"}]', "[]"]),
                "create_at": _utc(self.created),
                "decided_at": _utc(decided),
                "decided_by": one_of(np.where(is_open, -1, by), names),
            }
        )
        return Table("aml", "aml_retrospective", frame[self.created < at])


def open_cases(
    rng: np.random.Generator,
    office: Office,
    payments: Payments,
    established: int,
    start: np.datetime64,
    horizon: np.datetime64,
) -> Cases:
    """Every case until the horizon, about the last payment before it."""
    per_day = established * CASES_PER_CLIENT_AND_DAY
    created = arrivals(rng, start, horizon, per_day=per_day, hour_share=HUMAN_HOURS)
    size = created.size
    by_rules = rng.random(size) < SHARE_CLEARED_BY_RULES
    work = lognormal(rng, ANALYST_MEDIAN_BUSINESS_H, ANALYST_LN_SD, size)
    at_once = later(created, lognormal(rng, 20, 0.6, size))
    payment = np.searchsorted(payments.created, created) - 1
    without_payment = (payment < 0) | (rng.random(size) < 0.2)
    return Cases(
        created=created,
        decided=np.where(by_rules, at_once, office.after(created, work)),
        by_rules=by_rules,
        payment=np.where(without_payment, -1, payment),
        client=payments.client[payment],
        screening=rng.choice(3, size, p=[0.5, 0.3, 0.2]),
        verdict=np.where(~by_rules & (rng.random(size) < 0.03), 2, 1),
        score=rng.integers(0, 100_00, size),
        analyst=rng.integers(1, OPERATORS + 1, size),
    )


@dataclass(frozen=True)
class Verifications:
    """The check of the payee's name before each SEPA payment: index i is that of the payment."""

    result: Ints
    milliseconds: Ints

    def asked(self, payments: Payments, at: np.datetime64) -> Ints:
        """Indices of the payments whose payee has been verified by that moment."""
        verified = np.isin(payments.kind, (SEPA_OUT, INSTANT_OUT)) & payments.made
        return np.flatnonzero(verified & (payments.created < at))

    def table(self, payments: Payments, at: np.datetime64) -> Table:
        """core.payee_verification of pdvs."""
        asked = self.asked(payments, at)
        created = payments.created[asked]
        frame = pd.DataFrame(
            {
                "id": asked + 1,
                "payment_id": asked + 1,
                "iban": [f"DE{n % 97:02d}5001{n:014d}" for n in asked.tolist()],
                "result": one_of(self.result[asked], RESULTS),
                "latency_ms": self.milliseconds[asked],
                "create_time": created,
                "update_time": created,
            }
        )
        return Table("core", "payee_verification", frame)


def verify_payees(rng: np.random.Generator, size: int) -> Verifications:
    """What each check would say, and how long the other bank takes to answer."""
    latency: Floats = lognormal(rng, 240, 0.7, size)
    return Verifications(
        rng.choice(len(RESULTS), size, p=RESULT_SHARES), np.round(latency).astype(np.int64)
    )


def _utc(moments: Moments) -> "pd.Series[str]":
    """timestamptz literals, whatever the session's time zone."""
    shown = pd.Series(moments)
    return (shown.astype(str) + "+00").where(shown.notna())
