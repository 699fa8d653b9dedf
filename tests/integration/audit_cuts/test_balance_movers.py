"""The movers, against the balance log in pandas."""

from datetime import datetime, timedelta

import pandas as pd
import pytest

from tests.integration.audit_cuts.altered_bank import payload_after
from tests.integration.audit_cuts.bank_cuts import MOMENT, BankCuts, largest_first

DAYS = {"7d": 7, "30d": 30, "90d": 90}


def balances(bank: BankCuts, until: datetime) -> pd.Series:
    """The balance of each account at a moment, in euro at the rates of the anchor."""
    log = bank.table("webbank_core.account_balance_log").sort_values(["timestamp", "id"])
    last = log[log["timestamp"] < until].groupby("account_id")[["balance"]].last()
    rates = bank.euro_rates()
    rates = rates[rates["d"] == rates["d"].max()].set_index("currency")["per_eur"]
    currency = bank.table("webbank_core.account").set_index("id")["currency"]
    euro: pd.Series = last["balance"] / last.join(currency)["currency"].map(rates)
    return euro


def held(bank: BankCuts, window: str) -> pd.DataFrame:
    """Each client's balance `now` and `then`, and the `change`."""
    now = balances(bank, MOMENT)
    then = balances(bank, MOMENT - timedelta(days=DAYS[window])).reindex(now.index).fillna(0)
    owners = bank.table("webbank_core.account").set_index("id")["client_profile_id"]
    accounts = pd.DataFrame({"now": now, "then": then}).join(owners)
    frame = accounts.groupby("client_profile_id").sum()
    return frame.assign(change=frame["now"] - frame["then"])


@pytest.mark.parametrize("window", DAYS)
def test_the_movers_are_the_eight_of_each_side(bank: BankCuts, window: str) -> None:
    rows = bank.payload("balance_movers", window)["rows"]
    change = held(bank, window)["change"]
    expected = pd.concat([-largest_first(-change).head(8), largest_first(change).head(8)])
    assert [row["client_id"] for row in rows] == expected.index.tolist()
    assert [row["change_eur"] for row in rows] == pytest.approx(expected.tolist())


@pytest.mark.parametrize("window", DAYS)
def test_each_mover_shows_both_balances(bank: BankCuts, window: str) -> None:
    clients = held(bank, window)
    for row in bank.payload("balance_movers", window)["rows"]:
        assert row["balance_eur"] == pytest.approx(clients["now"][row["client_id"]])
        assert row["balance_then_eur"] == pytest.approx(clients["then"][row["client_id"]])


@pytest.mark.parametrize("window", DAYS)
def test_what_came_and_left_is_summed_over_all_clients(bank: BankCuts, window: str) -> None:
    payload = bank.payload("balance_movers", window)
    change = held(bank, window)["change"]
    assert payload["came_eur"] == pytest.approx(change[change > 0].sum())
    assert payload["gone_eur"] == pytest.approx(change[change < 0].sum())
    assert payload["came_eur"] + payload["gone_eur"] == pytest.approx(payload["change_eur"])


@pytest.mark.parametrize("window", DAYS)
def test_the_sum_is_the_hand_count_of_client_balances(bank: BankCuts, window: str) -> None:
    total = bank.payload("balance_movers", window)["balance_eur"]
    assert total == pytest.approx(bank.true("client_balances_eur"))


def test_the_change_of_a_week_is_the_hand_count_of_the_outflow(bank: BankCuts) -> None:
    change = bank.payload("balance_movers", "7d")["change_pct"]
    assert change == pytest.approx(bank.true("balance_outflow_pct_7d"))


@pytest.mark.parametrize("window", DAYS)
def test_the_words_speak_of_the_eight_largest_falls(bank: BankCuts, window: str) -> None:
    payload = bank.payload("balance_movers", window)
    falls = [row["change_eur"] for row in payload["rows"] if row["way"] == "fall"]
    share = 100 * sum(falls) / payload["gone_eur"]
    assert f"{round(share, 1):g} % of it from the 8 largest falls" in payload["prose"]
    direction = "rose" if payload["change_eur"] > 0 else "fell"
    assert payload["headline"].startswith(
        f"Balances {direction} {round(abs(payload['change_pct']), 1):g} % in {DAYS[window]} days"
    )


STILL = "delete from webbank_core.account_balance_log where timestamp >= '2026-11-13 08:30'"


def test_balances_that_stand_still_have_no_movers(bank: BankCuts) -> None:
    payload = payload_after(bank, "balance_movers", "7d", STILL)
    assert payload["headline"] == "No client's balance fell in 7 days"
    assert payload["rows"] == []
    assert "±€0 against 7 days ago" in payload["prose"]


def test_a_lone_fall_is_told_in_the_singular(bank: BankCuts) -> None:
    payload = payload_after(
        bank,
        "balance_movers",
        "7d",
        STILL,
        "insert into webbank_core.account_balance_log "
        "(id, account_id, balance, available, timestamp) "
        "select 1e12::bigint, account_id, balance - 1000, 0, '2026-11-19' "
        "from webbank_core.account_balance_log join webbank_core.account a on a.id = account_id "
        "where a.currency = 'EUR' order by timestamp desc, account_balance_log.id desc limit 1",
    )
    assert payload["headline"].endswith("; one client took out €1k")
    assert "€1k left from 1 client, 100 % of it from the largest fall." in payload["prose"]


@pytest.mark.parametrize("window", DAYS)
def test_without_a_balance_nobody_moves(empty_bank: BankCuts, window: str) -> None:
    payload = empty_bank.payload("balance_movers", window)
    assert payload["headline"] == "No client holds a balance"
    assert payload["rows"] == []
