"""Applications, approvals, reviews and cards."""

import numpy as np

from demo_bank.clients import ACTIVE, AML, APPROVED, CREATED, KYC, REJECTED, SUBMITTED, WITHDRAWN
from demo_bank.truth.calendar import DAY, HOUR, closes, hours, opens, quantile, share
from demo_bank.truth.evidence import Evidence, during

CARD_MUST_BE_ACTIVE = np.timedelta64(14, "D")


def approval_rate(seen: Evidence, moment: np.datetime64) -> float | None:
    cohort = during(seen.reached(SUBMITTED), moment, 30)
    approved = cohort & (seen.reached(APPROVED) < moment)
    refused = (seen.reached(REJECTED) < moment) | (seen.reached(WITHDRAWN) < moment)
    return share(int(approved.sum()), int((approved | (cohort & refused)).sum()))


def applications(seen: Evidence, moment: np.datetime64) -> int:
    return int(during(seen.reached(SUBMITTED), moment, 1).sum())


def onboarding_time(seen: Evidence, moment: np.datetime64) -> float | None:
    submitted, active = seen.reached(SUBMITTED), seen.reached(ACTIVE)
    counted = during(active, moment, 30) & ~np.isnat(submitted)
    return quantile(hours(active[counted] - submitted[counted]), 0.5)


def conversion(seen: Evidence, moment: np.datetime64) -> float | None:
    created = during(seen.reached(CREATED), moment - 30 * DAY, 30)
    return share(int((created & (seen.reached(ACTIVE) < moment)).sum()), int(created.sum()))


def review_age(seen: Evidence, moment: np.datetime64) -> float:
    """p90 of how long those in review have been in their step; nobody there is 0."""
    client, state, entered = seen.steps
    past = entered < moment
    last = dict(zip(client[past].tolist(), np.flatnonzero(past).tolist(), strict=True))
    rows = np.array(list(last.values()), dtype=np.int64)
    in_review = rows[np.isin(state[rows], (KYC, AML))]
    return quantile(hours(moment - entered[in_review]), 0.9) or 0.0


def worst_review_age(seen: Evidence, day: np.datetime64) -> float:
    """On the full hours of the day, its end included."""
    ends = np.arange(opens(day) + HOUR, closes(day) + HOUR, HOUR)
    return max(review_age(seen, moment) for moment in ends)


def card_activation(seen: Evidence, moment: np.datetime64) -> float | None:
    cards, until = seen.bank.cards, seen.cards_until
    cohort = during(cards.issued, moment - CARD_MUST_BE_ACTIVE, 30) & (cards.issued < until)
    in_time = cohort & (cards.activated_by(until) <= cards.issued + CARD_MUST_BE_ACTIVE)
    return share(int(in_time.sum()), int(cohort.sum()))
