"""The reasons of rejections on the bank, against a replay of the state log with pandas."""

from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from heartbeat.judgement.wording import value_text
from tests.integration.audit_cuts.bank_cuts import MOMENT, BankCuts

CUT = "rejection_reasons"
WINDOWS = {"7d": 7, "30d": 30, "90d": 90}


def rejected(bank: BankCuts, days: int, ends: pd.Timestamp) -> pd.DataFrame:
    """The outgoing payments of a span that were rejected before its end, with `at` and `reason`."""
    payments, types = bank.table("webbank_core.payment"), bank.table("webbank_dict.payment_type")
    log, states = (
        bank.table("webbank_core.payment_state_log"),
        bank.table("webbank_dict.payment_state").set_index("code")["id"],
    )
    reasons = bank.table("webbank_dict.reject_reason").rename(
        columns={"id": "reject_reason_id", "code": "reason"}
    )
    first = (
        log[(log["state_id"] == states["REJECTED"]) & (log["timestamp"] < ends)]
        .groupby("payment_id")["timestamp"]
        .min()
        .rename("at")
    )
    begins = ends - timedelta(days=days)
    spanned = payments[(payments["create_time"] >= begins) & (payments["create_time"] < ends)]
    outgoing = spanned.merge(
        types[types["direction"] == "OUT"][["id", "code", "rail"]].rename(
            columns={"id": "type_id", "code": "type"}
        )
    )
    found = outgoing.merge(first, left_on="id", right_index=True)
    return found.merge(reasons, on="reject_reason_id", how="left").fillna(
        {"reason": "NO_REASON_GIVEN"}
    )


def outgoing_payments(bank: BankCuts, days: int, ends: pd.Timestamp) -> int:
    payments, types = bank.table("webbank_core.payment"), bank.table("webbank_dict.payment_type")
    outgoing = payments["type_id"].isin(types[types["direction"] == "OUT"]["id"])
    begins = ends - timedelta(days=days)
    return int(
        (outgoing & (payments["create_time"] >= begins) & (payments["create_time"] < ends)).sum()
    )


@pytest.mark.parametrize(("window", "days"), WINDOWS.items())
def test_every_row_is_counted_alike(bank: BankCuts, window: str, days: int) -> None:
    step = "day" if days == 7 else "week"
    told = {
        (row["reason"], row["type"], row[step]): row["rejected"]
        for row in bank.payload(CUT, window)["rows"]
    }
    found = rejected(bank, days, pd.Timestamp(MOMENT))
    starts = found["at"].dt.normalize()
    if step == "week":
        starts -= pd.to_timedelta(starts.dt.day_of_week, unit="D")
    counted = found.assign(d=starts.dt.strftime("%Y-%m-%d")).groupby(["reason", "type", "d"]).size()
    assert told == counted.to_dict()
    assert len(told) > 5


@pytest.mark.parametrize(("window", "days"), WINDOWS.items())
def test_reasons_stand_by_number_with_their_share_so_far_and_what_they_were(
    bank: BankCuts, window: str, days: int
) -> None:
    reasons = bank.payload(CUT, window)["reasons"]
    now = rejected(bank, days, pd.Timestamp(MOMENT))["reason"].value_counts()
    before = rejected(bank, days, pd.Timestamp(MOMENT) - timedelta(days=days))
    assert {each["reason"]: each["now"] for each in reasons} == now.to_dict()
    assert [each["now"] for each in reasons] == sorted(now, reverse=True)
    assert {each["reason"]: each["before"] for each in reasons} == {
        reason: int((before["reason"] == reason).sum()) for reason in now.index
    }
    assert reasons[-1]["text"].endswith("(100 %)")
    assert bank.payload(CUT, window)["rejected_before"] == len(before)


@pytest.mark.parametrize(("window", "days"), WINDOWS.items())
def test_the_matrices_add_up_to_the_reasons(bank: BankCuts, window: str, days: int) -> None:
    payload = bank.payload(CUT, window)
    for part in ("types", "times"):
        cells: pd.DataFrame = pd.DataFrame(payload[part])
        by_label = cells.groupby("label")["number"].sum().to_dict()
        assert by_label == {each["label"]: each["now"] for each in payload["reasons"]}


def test_on_the_rails_of_the_reject_rate_the_wall_counts_the_same(bank: BankCuts) -> None:
    found = rejected(bank, 7, pd.Timestamp(MOMENT))
    of_rails = {
        *("SWIFT_OUT", "INTERNAL_OUT", "CARD_SETTLEMENT", "FEE", "FX_EXCHANGE"),
    }
    told = sum(
        row["rejected"] for row in bank.payload(CUT, "7d")["rows"] if row["type"] in of_rails
    )
    payments = bank.table("webbank_core.payment")
    types = bank.table("webbank_dict.payment_type")
    rails = types[types["code"].isin(of_rails)]["id"]
    created = payments[
        payments["type_id"].isin(rails)
        & (payments["create_time"] >= MOMENT - timedelta(days=7))
        & (payments["create_time"] < MOMENT)
    ]
    assert told == found["type"].isin(of_rails).sum()
    assert 100 * told / len(created) == pytest.approx(bank.true("payment_reject_rate_7d"))


@pytest.mark.parametrize(("window", "days"), WINDOWS.items())
def test_the_words_are_made_of_the_numbers(bank: BankCuts, window: str, days: int) -> None:
    payload = bank.payload(CUT, window)
    leading = next(each for each in payload["reasons"] if each["kind"] == "leading")
    share = 100 * leading["now"] / payload["rejected"]
    assert payload["headline"].startswith(f"{payload['rejected']:,} payments were rejected in")
    assert f"{value_text(share, '%')} for {leading['label'].lower()}" in payload["headline"]
    assert payload["payments"] == outgoing_payments(bank, days, pd.Timestamp(MOMENT))
    assert f"of {payload['payments']:,} outgoing payments" in payload["prose"]


def test_the_correspondent_who_rejects_since_yesterday_is_named(bank: BankCuts) -> None:
    payload: Any = bank.payload(CUT, "7d")
    (told,) = (each for each in payload["reasons"] if each["reason"] == "CORRESPONDENT_REJECT")
    assert told["kind"] == "leading"
    assert payload["headline"].endswith(f"({told['before']} to {told['now']})")
    assert "Correspondent reject rose most" in payload["prose"]
    assert "all of it SWIFT" in payload["prose"]


@pytest.mark.parametrize("window", WINDOWS)
def test_without_any_row_nothing_was_rejected(empty_bank: BankCuts, window: str) -> None:
    payload = empty_bank.payload(CUT, window)
    assert payload["headline"] == f"No payment was rejected in {WINDOWS[window]} days"
    assert payload["rows"] == []
