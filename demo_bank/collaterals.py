"""Collateral that card schemes demand from clients, and who paid it."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np

from demo_bank.incidents import (
    COLLATERAL_CENTS,
    COLLATERAL_DAYS_OVERDUE,
    Incidents,
    mastercard_due,
)
from demo_bank.table import Table, from_rows

REQUIRED, COVERED, RELEASED = 1, 3, 4
SCHEMES = ("MASTERCARD", "VISA")
WEEKS_BEFORE, WEEKS_AFTER = 30, 9
DEMANDED_DAYS_BEFORE_DUE = 21
LATEST_DAYS = 5
RELEASED_DAYS_AFTER = 60
UNPAID_ID = 1_000
UNPAID_CLIENT = 7


@dataclass(frozen=True)
class Collateral:
    """One demand in euro cents, and the one payment that covers it, at whatever time."""

    id: int
    scheme: str
    client: int
    cents: int
    due: date
    paid_at: datetime
    paid_by: str
    released_at: datetime | None

    @property
    def demanded_at(self) -> datetime:
        return datetime.combine(self.due - timedelta(days=DEMANDED_DAYS_BEFORE_DUE), time(8))

    def changed_at(self, at: datetime) -> datetime:
        steps = (self.demanded_at, self.paid_at, self.released_at)
        return max(step for step in steps if step and step < at)

    def state_at(self, at: datetime) -> int:
        if self.released_at and self.released_at < at:
            return RELEASED
        return COVERED if self.paid_at < at else REQUIRED


def demand_weekly(rng: np.random.Generator, anchor: datetime, established: int) -> list[Collateral]:
    """One due every week; some are paid late, but none that is unpaid and overdue at the anchor."""
    return [_ordinary(rng, anchor, established, week) for week in range(-WEEKS_BEFORE, WEEKS_AFTER)]


def _ordinary(
    rng: np.random.Generator, anchor: datetime, established: int, week: int
) -> Collateral:
    due = anchor.date() + timedelta(days=7 * week - 1)
    late = int(rng.choice([-6, -3, -1, 0, 3, LATEST_DAYS], p=[0.2, 0.3, 0.2, 0.15, 0.1, 0.05]))
    if abs(due - anchor.date()) <= timedelta(days=LATEST_DAYS):
        late = -1
    paid_at = datetime.combine(due + timedelta(days=late), time(10, int(rng.integers(60))))
    return Collateral(
        id=WEEKS_BEFORE + week + 1,
        scheme=SCHEMES[week % 2],
        client=int(rng.integers(1, established + 1)),
        cents=int(rng.integers(4, 40)) * 500_00,
        due=due,
        paid_at=paid_at,
        paid_by="CLIENT",
        released_at=paid_at + timedelta(days=RELEASED_DAYS_AFTER),
    )


def collaterals_at(
    ordinary: list[Collateral], anchor: datetime, at: datetime, incidents: Incidents
) -> list[Collateral]:
    """What has been demanded by that moment; with I1 the bank paid for a client, else he did."""
    due = mastercard_due(incidents)
    paid_by = "OWN_FUNDS" if due else "CLIENT"
    due = due or anchor.date() - timedelta(days=COLLATERAL_DAYS_OVERDUE)
    covered = datetime.combine(due + timedelta(days=2), time(11, 20))
    exceptional = Collateral(
        UNPAID_ID, "MASTERCARD", UNPAID_CLIENT, COLLATERAL_CENTS, due, covered, paid_by, None
    )
    return [c for c in (*ordinary, exceptional) if c.demanded_at < at]


def collateral_tables(demanded: list[Collateral], at: datetime) -> list[Table]:
    """core.collateral and core.collateral_payment."""
    columns = ["id", "scheme", "client_profile_id", "required_amount", "currency", "due_date"]
    collateral = from_rows(
        "core",
        "collateral",
        [*columns, "state_id", "create_time", "update_time"],
        [
            (
                c.id,
                c.scheme,
                c.client,
                _amount(c.cents),
                "EUR",
                c.due,
                c.state_at(at),
                c.demanded_at,
                c.changed_at(at),
            )
            for c in demanded
        ],
    )
    payment = from_rows(
        "core",
        "collateral_payment",
        ["id", "collateral_id", "amount", "paid_by", "paid_at"],
        [(c.id, c.id, _amount(c.cents), c.paid_by, c.paid_at) for c in demanded if c.paid_at < at],
    )
    return [collateral, payment]


def _amount(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)
