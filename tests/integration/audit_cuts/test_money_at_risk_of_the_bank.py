"""The waterfall on the bank, against the hand count of its metrics."""

import pytest

from tests.integration.audit_cuts.bank_cuts import BankCuts


@pytest.mark.parametrize("window", ["7d", "30d", "90d"])
@pytest.mark.parametrize(
    ("part", "metric_id"),
    [
        ("overdue_collateral", "collateral_overdue_eur"),
        ("negative_balances", "negative_balance_exposure_eur"),
        ("stuck_outgoing", "outgoing_stuck_amount_eur"),
        ("one_sided_entries", "ledger_imbalance_eur"),
    ],
)
def test_each_part_is_the_hand_count_of_its_metric(
    bank: BankCuts, window: str, part: str, metric_id: str
) -> None:
    parts = {row["part"]: row["eur"] for row in bank.payload("money_at_risk", window)["rows"]}
    assert parts[part] == pytest.approx(bank.true(metric_id), abs=0.005)


def test_without_any_row_nothing_is_at_risk(empty_bank: BankCuts) -> None:
    assert empty_bank.payload("money_at_risk", "30d")["headline"] == "No money is at risk"
