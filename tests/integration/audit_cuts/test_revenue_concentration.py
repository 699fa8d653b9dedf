"""The concentration of revenue, against a ranking of the entries in pandas."""

from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from tests.integration.audit_cuts.altered_bank import payload_after
from tests.integration.audit_cuts.bank_cuts import MOMENT, BankCuts, largest_first

DAYS = {"7d": 7, "30d": 30, "90d": 90}


def paid(bank: BankCuts, window: str, *, windows_ago: int = 0) -> pd.Series:
    """Revenue by client, the largest first, of the window or of an earlier one."""
    days = DAYS[window]
    revenue = bank.revenue(days * (windows_ago + 1))
    until = MOMENT - timedelta(days=days * windows_ago)
    entries = revenue[revenue["create_time"] < until]
    return largest_first(entries.groupby("client_profile_id")["eur"].sum())


def ten_share(by_client: pd.Series) -> float:
    return float(100 * by_client.head(10).sum() / by_client.sum())


def herfindahl(by_client: pd.Series) -> float:
    return float(((100 * by_client / by_client.sum()) ** 2).sum())


@pytest.mark.parametrize("window", DAYS)
def test_the_twenty_largest_are_those_of_a_second_ranking(bank: BankCuts, window: str) -> None:
    rows = bank.payload("revenue_concentration", window)["rows"][:20]
    largest = paid(bank, window).head(20)
    assert [row["client_id"] for row in rows] == largest.index.tolist()
    assert [row["eur"] for row in rows] == pytest.approx(largest.tolist())


@pytest.mark.parametrize("window", DAYS)
def test_the_curve_adds_up_the_clients_from_the_largest_on(bank: BankCuts, window: str) -> None:
    by_client = paid(bank, window)
    curve = 100 * by_client.cumsum() / by_client.sum()
    rows = bank.payload("revenue_concentration", window)["rows"]
    places = [row["place"] for row in rows]
    assert [row["share_of_revenue"] for row in rows] == pytest.approx(
        [curve.iloc[place - 1] for place in places]
    )
    assert [row["share_of_clients"] for row in rows] == pytest.approx(
        [100 * place / len(by_client) for place in places]
    )
    assert places[-1] == len(by_client)
    assert len(rows) <= 100


@pytest.mark.parametrize("window", DAYS)
def test_both_windows_are_measured(bank: BankCuts, window: str) -> None:
    payload = bank.payload("revenue_concentration", window)
    now, before = paid(bank, window), paid(bank, window, windows_ago=1)
    assert payload["ten_share"] == pytest.approx(ten_share(now))
    assert payload["ten_share_before"] == pytest.approx(ten_share(before))
    assert payload["herfindahl"] == pytest.approx(herfindahl(now))
    assert payload["herfindahl_before"] == pytest.approx(herfindahl(before))
    assert payload["total_eur"] == pytest.approx(now.sum())


def test_the_share_of_ten_is_the_hand_count_of_its_metric(bank: BankCuts) -> None:
    payload = bank.payload("revenue_concentration", "30d")
    assert payload["ten_share"] == pytest.approx(bank.true("top10_revenue_share_30d"))


def test_the_large_payers_are_the_hand_count_of_top_tier_clients(bank: BankCuts) -> None:
    rows = bank.payload("revenue_concentration", "30d")["rows"]
    large = [row for row in rows[:20] if row["eur"] >= 500]
    assert len(large) == bank.true("top_tier_clients_30d")


@pytest.mark.parametrize("window", DAYS)
def test_half_of_the_revenue_is_told_in_clients(bank: BankCuts, window: str) -> None:
    payload: dict[str, Any] = bank.payload("revenue_concentration", window)
    by_client = paid(bank, window)
    half = int((by_client.cumsum() < by_client.sum() / 2).sum()) + 1
    assert f"came from {half} clients of {len(by_client):,}" in payload["prose"]
    assert f"client {by_client.index[0]}, paid" in payload["prose"]
    assert (
        payload["headline"] == f"Ten clients bring {round(payload['ten_share'], 1):g} % of revenue"
    )


def test_a_handful_of_clients_is_called_by_its_number(bank: BankCuts) -> None:
    three = paid(bank, "30d").index[:3].tolist()
    payload = payload_after(
        bank,
        "revenue_concentration",
        "30d",
        "delete from webbank_core.entry where account_id not in ("
        f"select id from webbank_core.account where client_profile_id in ({three[0]}, {three[1]}, "
        f"{three[2]}))",
    )
    assert payload["headline"] == "3 clients brought all revenue of 30 days"
    assert payload["ten_share"] == pytest.approx(100)


@pytest.mark.parametrize("window", DAYS)
def test_without_any_entry_there_is_no_revenue(empty_bank: BankCuts, window: str) -> None:
    payload = empty_bank.payload("revenue_concentration", window)
    assert payload["headline"] == f"No revenue in {DAYS[window]} days"
    assert payload["rows"] == []
