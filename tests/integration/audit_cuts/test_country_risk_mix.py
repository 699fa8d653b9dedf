"""Revenue by country and risk, against the profiles and the entries in pandas."""

from datetime import timedelta

import pandas as pd
import pytest

from tests.integration.audit_cuts.altered_bank import payload_after
from tests.integration.audit_cuts.bank_cuts import MOMENT, BankCuts, largest_first

DAYS = {"7d": 7, "30d": 30, "90d": 90}
RISKS = {1: "low", 2: "medium", 3: "high"}


def paid(bank: BankCuts, window: str, *, windows_ago: int = 0) -> pd.DataFrame:
    """One row a client that paid: country, risk, country_risk, eur."""
    days = DAYS[window]
    revenue = bank.revenue(days * (windows_ago + 1))
    until = MOMENT - timedelta(days=days * windows_ago)
    eur = revenue[revenue["create_time"] < until].groupby("client_profile_id")["eur"].sum()
    profiles = bank.table("webbank_core.client_profile").set_index("id")
    countries = bank.table("webbank_dict.country").set_index("iso2")
    client = eur.reset_index()["client_profile_id"]
    code = client.map(profiles["country"])
    return pd.DataFrame(
        {
            "country": code.map(countries["name"]),
            "risk": client.map(profiles["risk_level"]).map(RISKS),
            "country_risk": code.map(countries["risk"]).map(RISKS),
            "eur": eur.to_numpy(),
        }
    )


def share_of(part: pd.DataFrame, whole: pd.DataFrame) -> float:
    return float(100 * part["eur"].sum() / whole["eur"].sum())


@pytest.mark.parametrize("window", DAYS)
def test_each_cell_is_what_its_clients_paid(bank: BankCuts, window: str) -> None:
    rows = bank.payload("country_risk_mix", window)["rows"]
    clients = paid(bank, window)
    cells = clients.groupby(["country", "risk"])["eur"].agg(["sum", "count"])
    counted = {(row["country"], row["risk"]): row["clients"] for row in rows}
    assert counted == cells["count"].to_dict()
    for row in rows:
        eur = cells["sum"][row["country"], row["risk"]]
        assert row["eur"] == pytest.approx(eur)
        assert row["share"] == pytest.approx(100 * eur / clients["eur"].sum())


@pytest.mark.parametrize("window", DAYS)
def test_the_country_with_the_most_revenue_stands_first(bank: BankCuts, window: str) -> None:
    by_country = paid(bank, window).groupby("country")["eur"].sum()
    expected = largest_first(by_country).index.tolist()
    assert bank.payload("country_risk_mix", window)["countries"] == [*expected, "All"]


@pytest.mark.parametrize("window", DAYS)
def test_the_high_risk_share_is_told_of_both_windows(bank: BankCuts, window: str) -> None:
    payload = bank.payload("country_risk_mix", window)
    now, before = paid(bank, window), paid(bank, window, windows_ago=1)
    high, high_before = now[now["risk"] == "high"], before[before["risk"] == "high"]
    assert payload["high_share"] == pytest.approx(share_of(high, now))
    assert payload["high_share_before"] == pytest.approx(share_of(high_before, before))
    assert payload["headline"] == (
        f"High-risk clients bring {round(payload['high_share'], 1):g} % of revenue"
    )
    assert f"{len(high)} clients of {len(now):,} who paid" in payload["prose"]


def test_the_sum_of_a_month_is_the_hand_count_of_revenue(bank: BankCuts) -> None:
    payload = bank.payload("country_risk_mix", "30d")
    assert payload["total_eur"] == pytest.approx(bank.true("revenue_eur_30d"))


def test_a_country_is_shown_with_its_own_rating(bank: BankCuts) -> None:
    words = bank.payload("country_risk_mix", "90d")["words"]
    shown = {word["country"]: word["text"] for word in words if word["column"] == "country"}
    clients = paid(bank, "90d").drop_duplicates("country").set_index("country")
    assert shown == clients["country_risk"].to_dict()


def test_the_last_row_counts_all_who_paid(bank: BankCuts) -> None:
    words = bank.payload("country_risk_mix", "90d")["words"]
    last = {word["column"]: word["text"] for word in words if word["country"] == "All"}
    clients = paid(bank, "90d")
    high = share_of(clients[clients["risk"] == "high"], clients)
    assert last["clients"] == f"{len(clients):,}"
    assert last["high"] == f"{round(high, 1):g} %"


def test_where_nobody_is_rated_high_it_says_so(bank: BankCuts) -> None:
    payload = payload_after(
        bank, "country_risk_mix", "30d", "update webbank_core.client_profile set risk_level = 1"
    )
    assert payload["headline"] == "No revenue from high-risk clients in 30 days"
    assert payload["columns"] == ["low", "clients", "country"]


def test_a_client_without_a_profile_is_unknown_and_not_rated(bank: BankCuts) -> None:
    payload = payload_after(
        bank, "country_risk_mix", "30d", "delete from webbank_core.client_profile"
    )
    assert payload["countries"] == ["Unknown", "All"]
    assert [row["risk"] for row in payload["rows"]] == ["not rated"]


def test_beyond_ten_countries_the_rest_stands_together(bank: BankCuts) -> None:
    payload = payload_after(
        bank,
        "country_risk_mix",
        "30d",
        "update webbank_core.client_profile set country = 'XA' where country = 'LT' and id % 2 = 0",
        "update webbank_core.client_profile set country = 'XB' where country = 'LV' and id % 2 = 0",
    )
    assert payload["countries"][-2:] == ["Other", "All"]
    assert len(payload["countries"]) == 12
    assert sum(row["eur"] for row in payload["rows"]) == pytest.approx(payload["total_eur"])


@pytest.mark.parametrize("window", DAYS)
def test_without_any_entry_there_is_no_revenue(empty_bank: BankCuts, window: str) -> None:
    payload = empty_bank.payload("country_risk_mix", window)
    assert payload["headline"] == f"No revenue in {DAYS[window]} days"
    assert payload["rows"] == []
