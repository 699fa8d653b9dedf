"""Revenue by source, against a second computation from the clients' side of the entries."""

from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from heartbeat.judgement.wording import value_text
from tests.integration.audit_cuts.bank_cuts import MOMENT, BankCuts

CUT = "revenue_anatomy"
WINDOWS = [("7d", 7), ("30d", 30), ("90d", 90)]


def income_by_combination(bank: BankCuts, days: int) -> pd.DataFrame:
    payments = bank.table("webbank_core.payment")[["id", "type_id"]]
    types = bank.table("webbank_dict.payment_type")[["id", "code"]]
    payment_type = payments.merge(types, left_on="type_id", right_on="id").set_index("id_x")["code"]
    found = bank.revenue(days)
    return found.assign(payment_type=found["payment_id"].map(payment_type))


def bucket_starts(moments: "pd.Series[Any]", days: int) -> list[str]:
    """The day of each moment, or the Monday of its week."""
    back = [0 if days == 7 else moment.weekday() for moment in moments]
    starts = [at - timedelta(days=passed) for at, passed in zip(moments, back, strict=True)]
    return [f"{start:%Y-%m-%d}" for start in starts]


@pytest.mark.parametrize(("window", "days"), WINDOWS)
def test_each_row_is_what_clients_paid_in_that_week_for_that_combination(
    bank: BankCuts, window: str, days: int
) -> None:
    incomes = income_by_combination(bank, days)
    incomes["from"] = bucket_starts(incomes["create_time"], days)
    expected = incomes.groupby(["from", "entry_type", "payment_type"])["eur"].sum().to_dict()
    rows = bank.payload(CUT, window)["rows"]
    counted = {(row["from"], row["entry_type"], row["payment_type"]): row["eur"] for row in rows}
    assert counted == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(("window", "days"), WINDOWS)
def test_the_window_before_is_as_long_and_ends_where_the_window_begins(
    bank: BankCuts, window: str, days: int
) -> None:
    incomes = bank.revenue(2 * days)
    before = incomes[incomes["create_time"] < MOMENT - timedelta(days=days)]["eur"].sum()
    payload = bank.payload(CUT, window)
    assert payload["before_eur"] == pytest.approx(before, abs=0.02)
    assert f"the {days} days before" in payload["prose"]


def test_the_total_of_30_days_is_the_hand_count_of_the_metric(bank: BankCuts) -> None:
    payload = bank.payload(CUT, "30d")
    assert payload["total_eur"] == pytest.approx(bank.true("revenue_eur_30d"), abs=0.01)
    assert sum(row["eur"] for row in payload["rows"]) == pytest.approx(payload["total_eur"])


@pytest.mark.parametrize(("window", "days"), WINDOWS)
def test_the_headline_names_the_largest_combination_and_its_share(
    bank: BankCuts, window: str, days: int
) -> None:
    incomes = income_by_combination(bank, days)
    largest = incomes.groupby(["entry_type", "payment_type"])["eur"].sum()
    assert largest.idxmax() == ("FEE", "SWIFT_OUT")
    total = incomes["eur"].sum()
    share = value_text(100 * largest.max() / total, "%")
    assert bank.payload(CUT, window)["headline"] == (
        f"{value_text(total, 'EUR')} of revenue in {days} days, {share} of it from SWIFT out fees"
    )


def test_weeks_that_the_window_cuts_are_marked_as_partial(bank: BankCuts) -> None:
    payload = bank.payload(CUT, "30d")
    complete = {row["from"]: row["complete"] for row in payload["rows"]}
    assert complete == {
        "2026-10-19": False,
        "2026-10-26": True,
        "2026-11-02": True,
        "2026-11-09": True,
        "2026-11-16": False,
    }


def test_the_columns_are_as_high_as_the_totals(bank: BankCuts) -> None:
    payload = bank.payload(CUT, "90d")
    tops = {}
    for part in payload["columns"]:
        tops[part["column"]] = part["end"]
    assert tops["now"] == pytest.approx(payload["total_eur"])
    assert tops["before"] == pytest.approx(payload["before_eur"])


def test_without_any_row_there_is_no_revenue(empty_bank: BankCuts) -> None:
    payload = empty_bank.payload(CUT, "30d")
    assert payload["headline"] == "No revenue in 30 days"
    assert payload["prose"] == "Revenue is the same as the 30 days before."
