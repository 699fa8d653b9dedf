"""The silence of the largest clients, against the entries in pandas."""

from datetime import datetime, timedelta

import pandas as pd
import pytest

from tests.integration.audit_cuts.altered_bank import payload_after
from tests.integration.audit_cuts.bank_cuts import MOMENT, BankCuts, largest_first

DAYS = {"7d": 7, "30d": 30, "90d": 90}


def paid(bank: BankCuts, days: int) -> pd.Series:
    return largest_first(bank.revenue(days).groupby("client_profile_id")["eur"].sum())


def last_business(bank: BankCuts) -> pd.Series:
    """The moment of the last posted PRINCIPAL entry of each client."""
    entries = bank.table("webbank_core.entry")
    types = bank.table("webbank_dict.entry_type").set_index("code")["id"]
    states = bank.table("webbank_dict.entry_state").set_index("code")["id"]
    clients = bank.table("webbank_core.account").set_index("id")["client_profile_id"]
    posted = entries[
        (entries["entry_type_id"] == types["PRINCIPAL"])
        & (entries["entry_state_id"] == states["POSTED"])
        & (entries["create_time"] < MOMENT)
    ]
    latest: pd.Series = posted.groupby(posted["account_id"].map(clients))["create_time"].max()
    return latest


@pytest.mark.parametrize("window", DAYS)
def test_the_twenty_are_those_who_paid_the_most_in_ninety_days(bank: BankCuts, window: str) -> None:
    rows = sorted(bank.payload("dormancy_watchlist", window)["rows"], key=lambda row: row["rank"])
    largest = paid(bank, 90).head(20)
    assert [row["client_id"] for row in rows] == largest.index.tolist()
    assert [row["revenue_90d_eur"] for row in rows] == pytest.approx(largest.tolist())


@pytest.mark.parametrize("window", DAYS)
def test_the_table_shows_the_revenue_of_the_window(bank: BankCuts, window: str) -> None:
    of_window = paid(bank, DAYS[window])
    for row in bank.payload("dormancy_watchlist", window)["rows"]:
        expected = of_window.get(row["client_id"], 0.0)
        assert row["revenue_window_eur"] == pytest.approx(expected)


@pytest.mark.parametrize("window", DAYS)
def test_the_longest_silence_stands_first(bank: BankCuts, window: str) -> None:
    rows = bank.payload("dormancy_watchlist", window)["rows"]
    latest = last_business(bank)
    assert [datetime.fromisoformat(row["last_business"]) for row in rows] == sorted(
        latest[row["client_id"]] for row in rows
    )
    assert [row["days"] for row in rows] == pytest.approx(
        [(MOMENT - latest[row["client_id"]]) / timedelta(days=1) for row in rows]
    )


@pytest.mark.parametrize("window", DAYS)
def test_the_silent_are_the_hand_count_of_the_metric(bank: BankCuts, window: str) -> None:
    payload = bank.payload("dormancy_watchlist", window)
    silent = [row for row in payload["rows"] if row["group"] == "silent"]
    assert len(silent) == payload["silent"] == bank.true("top_tier_dormant_clients")
    assert all(row["days"] > 14 for row in silent)


@pytest.mark.parametrize("window", DAYS)
def test_the_words_name_the_longest_silent_client(bank: BankCuts, window: str) -> None:
    payload = bank.payload("dormancy_watchlist", window)
    first = payload["rows"][0]
    assert payload["headline"] == "1 of the 20 largest clients has been silent for 14 days"
    assert payload["prose"].startswith(
        f"Client {first['client_id']}, number {first['rank']} by revenue, has been silent for "
        f"{int(first['days'])} d, the longest of them."
    )


def test_what_the_silent_paid_is_set_against_the_days_before(bank: BankCuts) -> None:
    assert "; in the 60 days before, €" in bank.payload("dormancy_watchlist", "30d")["prose"]
    assert "days before" not in bank.payload("dormancy_watchlist", "90d")["prose"]


def without_business(client: int) -> str:
    return (
        "delete from webbank_core.entry where entry_type_id = 1 and account_id in ("
        f"select id from webbank_core.account where client_profile_id = {client})"
    )


def test_a_client_that_never_moved_money_is_the_most_silent(bank: BankCuts) -> None:
    client = paid(bank, 90).index[0]
    payload = payload_after(bank, "dormancy_watchlist", "30d", without_business(client))
    assert payload["headline"] == "2 of the 20 largest clients have been silent for 14 days"
    assert payload["prose"].startswith(
        f"Client {client}, number 1 by revenue, has never moved money."
    )
    assert payload["rows"][0]["silence_text"] == "never"


def test_silence_is_not_told_where_there_is_none(bank: BankCuts) -> None:
    silent = bank.payload("dormancy_watchlist", "30d")["rows"][0]["client_id"]
    payload = payload_after(
        bank,
        "dormancy_watchlist",
        "30d",
        "delete from webbank_core.entry where account_id in ("
        f"select id from webbank_core.account where client_profile_id = {silent})",
    )
    assert payload["headline"] == "None of the 20 largest clients has been silent for 14 days"
    assert "The silent" not in payload["prose"]


def test_a_lone_client_is_not_counted_among_twenty(bank: BankCuts) -> None:
    client = paid(bank, 90).index[0]
    payload = payload_after(
        bank,
        "dormancy_watchlist",
        "30d",
        "delete from webbank_core.entry where account_id not in ("
        f"select id from webbank_core.account where client_profile_id = {client})",
    )
    assert payload["headline"] == "The only client who paid has not been silent for 14 days"


@pytest.mark.parametrize("window", DAYS)
def test_without_any_entry_there_is_nobody_to_watch(empty_bank: BankCuts, window: str) -> None:
    payload = empty_bank.payload("dormancy_watchlist", window)
    assert payload["headline"] == "No client paid anything in 90 days"
    assert payload["rows"] == []
