"""Collateral that card schemes demand from clients, and who paid it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np

from demo_bank.incidents import UnpaidCollateral
from demo_bank.table import Table, from_rows

REQUIRED, COVERED, RELEASED = 1, 3, 4
SCHEMES = ("MASTERCARD", "VISA")
ORDINARY = 24
DEMANDED_DAYS_BEFORE_DUE = 21
LATEST = 5


@dataclass(frozen=True)
class _Collateral:
    scheme: str
    client: int
    cents: int
    due: date
    state: int
    changed: datetime
    paid_by: str
    paid_at: datetime | None


def collateral_tables(
    rng: np.random.Generator, anchor: datetime, established: int, unpaid: UnpaidCollateral
) -> list[Table]:
    """core.collateral and core.collateral_payment: ordinary ones and the one nobody paid."""
    ordinary = [_ordinary(rng, anchor, established, number) for number in range(ORDINARY)]
    exceptional = _Collateral(
        unpaid.scheme,
        int(rng.integers(1, established + 1)),
        unpaid.cents,
        unpaid.due,
        COVERED,
        unpaid.covered_at,
        unpaid.covered_by,
        unpaid.covered_at,
    )
    collaterals = [*ordinary, exceptional]
    return [_collateral_table(collaterals), _payment_table(collaterals)]


def _ordinary(
    rng: np.random.Generator, anchor: datetime, established: int, number: int
) -> _Collateral:
    """Due every week until 20 days ahead; some were paid late, none is unpaid and overdue today."""
    due = anchor.date() + timedelta(days=20 - 7 * number)
    days_late = int(rng.choice([-6, -3, -1, 0, 3, LATEST], p=[0.2, 0.3, 0.2, 0.15, 0.1, 0.05]))
    if due + timedelta(days=LATEST) >= anchor.date():
        days_late = -1
    paid_at = datetime.combine(due + timedelta(days=days_late), time(10, int(rng.integers(60))))
    demanded = datetime.combine(due - timedelta(days=DEMANDED_DAYS_BEFORE_DUE), time(8))
    released = paid_at + timedelta(days=60)
    is_paid = paid_at < anchor
    is_released = released < anchor
    state = RELEASED if is_released else COVERED if is_paid else REQUIRED
    changed = released if is_released else paid_at if is_paid else demanded
    return _Collateral(
        SCHEMES[number % 2],
        int(rng.integers(1, established + 1)),
        int(rng.integers(4, 40)) * 500_00,
        due,
        state,
        changed,
        "CLIENT",
        paid_at if is_paid else None,
    )


def _amount(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def _collateral_table(collaterals: Sequence[_Collateral]) -> Table:
    columns = ["id", "scheme", "client_profile_id", "required_amount", "currency", "due_date"]
    rows = [
        (
            number,
            c.scheme,
            c.client,
            _amount(c.cents),
            "EUR",
            c.due,
            c.state,
            datetime.combine(c.due - timedelta(days=DEMANDED_DAYS_BEFORE_DUE), time(8)),
            c.changed,
        )
        for number, c in enumerate(collaterals, 1)
    ]
    return from_rows(
        "core", "collateral", [*columns, "state_id", "create_time", "update_time"], rows
    )


def _payment_table(collaterals: Sequence[_Collateral]) -> Table:
    paid = [(n, c, c.paid_at) for n, c in enumerate(collaterals, 1) if c.paid_at]
    rows = [
        (number, collateral_id, _amount(c.cents), c.paid_by, paid_at)
        for number, (collateral_id, c, paid_at) in enumerate(paid, 1)
    ]
    columns = ["id", "collateral_id", "amount", "paid_by", "paid_at"]
    return from_rows("core", "collateral_payment", columns, rows)
