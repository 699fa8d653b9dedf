"""How payments ended, against the state log replayed with pandas."""

from datetime import timedelta

import pandas as pd
import pytest

from heartbeat.judgement.wording import value_text
from tests.integration.audit_cuts.bank_cuts import MOMENT, BankCuts

CUT = "payment_outcomes"
WINDOWS = [("7d", 7), ("30d", 30), ("90d", 90)]
OUTCOMES = ["executed", "rejected", "cancelled", "returned", "open"]
FAILURES = ["rejected", "cancelled", "returned"]


def outcomes(bank: BankCuts, *, since: int, until: int) -> pd.DataFrame:
    """Outgoing payments created between so many days ago: code, rail, outcome at the end of it."""
    end = MOMENT - timedelta(days=until)
    states = bank.table("webbank_dict.payment_state")
    log = bank.table("webbank_core.payment_state_log").merge(
        states, left_on="state_id", right_on="id", suffixes=("", "_state")
    )
    log = log[log["is_terminal"] & (log["timestamp"] < end)]
    last = log.sort_values(["timestamp", "id"]).groupby("payment_id")["code"].last()
    types = bank.table("webbank_dict.payment_type").set_index("id")
    payments = bank.table("webbank_core.payment")
    payments = payments[
        (payments["type_id"].map(types["direction"]) == "OUT")
        & (payments["create_time"] >= MOMENT - timedelta(days=since))
        & (payments["create_time"] < end)
    ]
    # the log of a few executions is committed late
    executed = states.set_index("code").loc["EXECUTED", "id"]
    known = (payments["state_id"] == executed) & (payments["update_time"] < end)
    fallback = known.map({True: "EXECUTED", False: "OPEN"})
    return pd.DataFrame(
        {
            "code": payments["type_id"].map(types["code"]),
            "rail": payments["type_id"].map(types["rail"]),
            "outcome": payments["id"].map(last).fillna(fallback).str.lower(),
        }
    )


@pytest.mark.parametrize(("window", "days"), WINDOWS)
def test_each_type_counts_its_payments_by_their_last_state(
    bank: BankCuts, window: str, days: int
) -> None:
    ended = outcomes(bank, since=days, until=0)
    expected = pd.crosstab(ended["code"], ended["outcome"]).reindex(columns=OUTCOMES, fill_value=0)
    rows = bank.payload(CUT, window)["rows"]
    assert {row["type"]: [row[outcome] for outcome in OUTCOMES] for row in rows} == {
        code: list(counts) for code, counts in zip(expected.index, expected.to_numpy(), strict=True)
    }
    assert sum(row["payments"] for row in rows) == len(ended)


@pytest.mark.parametrize(("window", "days"), WINDOWS)
def test_the_window_before_is_judged_at_its_own_end(bank: BankCuts, window: str, days: int) -> None:
    ended = outcomes(bank, since=2 * days, until=days)
    failed = ended[ended["outcome"].isin(FAILURES)]
    payload = bank.payload(CUT, window)
    assert payload["payments_before"] == len(ended)
    assert payload["failed_before"] == len(failed)
    share = value_text(100 * len(failed) / len(ended), "%")
    assert f"against {share} in the {days} days before" in payload["prose"]


def test_the_reject_rate_of_7_days_is_the_hand_count_of_the_metric(bank: BankCuts) -> None:
    payload = bank.payload(CUT, "7d")
    rails = bank.table("webbank_dict.payment_type").set_index("code")["rail"]
    rows = [row for row in payload["rows"] if rails[row["type"]] in {"SWIFT", "BOOK", "CARD"}]
    rate = 100 * sum(row["rejected"] for row in rows) / sum(row["payments"] for row in rows)
    assert rate == pytest.approx(bank.true("payment_reject_rate_7d"))
    assert f"On SWIFT, book and card {value_text(rate, '%')} were rejected" in payload["prose"]


@pytest.mark.parametrize(("window", "days"), WINDOWS)
def test_types_are_sorted_by_the_share_that_failed(bank: BankCuts, window: str, days: int) -> None:
    rows = bank.payload(CUT, window)["rows"]
    shares = [sum(row[each] for each in FAILURES) / row["payments"] for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert [row["failed_percent"] / 100 for row in rows] == pytest.approx(shares)


def test_the_correspondent_that_rejects_makes_swift_the_headline(bank: BankCuts) -> None:
    ended = outcomes(bank, since=7, until=0)
    swift = ended[ended["code"] == "SWIFT_OUT"]["outcome"].isin(FAILURES).mean()
    all_types = ended["outcome"].isin(FAILURES).mean()
    assert bank.payload(CUT, "7d")["headline"] == (
        f"{value_text(100 * swift, '%')} of SWIFT payments failed in 7 days, "
        f"{value_text(100 * all_types, '%')} of all"
    )


@pytest.mark.parametrize("window", ["7d", "30d", "90d"])
def test_each_bar_is_cut_without_gaps_up_to_100_percent(bank: BankCuts, window: str) -> None:
    payload = bank.payload(CUT, window)
    for name in payload["names"]:
        bars = [bar for bar in payload["bars"] if bar["name"] == name]
        assert [bar["start"] for bar in bars] == [0, *(bar["end"] for bar in bars[:-1])]
        assert bars[-1]["end"] == 100


def test_without_any_row_no_payment_went_out(empty_bank: BankCuts) -> None:
    payload = empty_bank.payload(CUT, "30d")
    assert payload["headline"] == "No outgoing payment in 30 days"
    assert payload["prose"] == "In the 30 days before there was no outgoing payment."
