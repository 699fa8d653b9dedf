"""The steps of outgoing payments on the bank, against the state log replayed with pandas."""

from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from heartbeat.audit.audit_snapshot import draw_cut
from tests.integration.audit_cuts.bank_cuts import MOMENT, BankCuts
from tests.integration.demo_platform import ANCHOR

CUT = "outgoing_payment_journey"
WINDOWS = {"7d": 7, "30d": 30, "90d": 90}
NOW = pd.Timestamp(MOMENT)


def outgoing(bank: BankCuts) -> pd.DataFrame:
    payments, types = bank.table("webbank_core.payment"), bank.table("webbank_dict.payment_type")
    out = types[types["direction"] == "OUT"]["id"]
    found: pd.DataFrame = payments[
        payments["type_id"].isin(out) & (payments["create_time"] < NOW)
    ].rename(columns={"id": "payment_id", "state_id": "own_state"})
    return found


def logged(bank: BankCuts) -> pd.DataFrame:
    """The state log of outgoing payments up to the moment, with codes, in its order."""
    states = bank.table("webbank_dict.payment_state").set_index("id")["code"]
    log = bank.table("webbank_core.payment_state_log")
    log = log[log["timestamp"] < NOW].assign(state=lambda each: each["state_id"].map(states))
    found: pd.DataFrame = log.merge(outgoing(bank)[["payment_id", "create_time"]]).sort_values(
        ["payment_id", "timestamp", "id"]
    )
    return found


def steps(bank: BankCuts, days: int) -> pd.DataFrame:
    """One row a step: from, to, seconds, at."""
    log = logged(bank)
    log = log[(log["create_time"] >= NOW - timedelta(days=days)) & (log["state"] != "CREATED")]
    by_payment = log.groupby("payment_id")
    source = by_payment["state"].shift().fillna("CREATED")
    since = by_payment["timestamp"].shift().fillna(log["create_time"])
    found: pd.DataFrame = pd.DataFrame(
        {
            "from": source,
            "to": log["state"],
            "seconds": (log["timestamp"] - since).dt.total_seconds(),
            "at": log["timestamp"],
        }
    )
    return found


@pytest.mark.parametrize(("window", "days"), WINDOWS.items())
def test_every_step_is_counted_and_timed_alike(bank: BankCuts, window: str, days: int) -> None:
    told = {
        (row["from_state"], row["to_state"]): row
        for row in bank.payload(CUT, window)["rows"]
        if row["to_state"] is not None
    }
    found = steps(bank, days)
    grouped = found.groupby(["from", "to"])["seconds"]
    assert {step: row["payments"] for step, row in told.items()} == grouped.size().to_dict()
    for step, row in told.items():
        seconds = grouped.get_group(step)
        assert row["total_s"] == pytest.approx(seconds.sum())
        assert row["p50_s"] == pytest.approx(seconds.quantile(0.5))
        assert row["p90_s"] == pytest.approx(seconds.quantile(0.9))
    assert len(told) > 8


@pytest.mark.parametrize(("window", "days"), WINDOWS.items())
def test_the_headline_is_of_the_step_that_takes_the_most_time(
    bank: BankCuts, window: str, days: int
) -> None:
    found = steps(bank, days)
    ends = {"EXECUTED", "REJECTED", "CANCELLED", "RETURNED"}
    on_the_way = found[~found["from"].isin(ends)].groupby(["from", "to"])["seconds"].sum()
    slowest: Any = on_the_way.idxmax()
    source, target = slowest
    share = 100 * on_the_way.max() / on_the_way.sum()
    headline = bank.payload(CUT, window)["headline"]
    assert headline.startswith(f"{share:.1f} % of the time is {source.lower()} to {target.lower()}")


def test_the_pace_of_the_last_day_shows_the_slow_clearing(bank: BankCuts) -> None:
    found = steps(bank, 7)
    slow = found[(found["from"] == "PROCESSING") & (found["to"] == "EXECUTED")]
    last_day = slow[slow["at"] >= NOW - timedelta(hours=24)]["seconds"].median()
    row = next(
        row
        for row in bank.payload(CUT, "7d")["rows"]
        if (row["from_state"], row["to_state"]) == ("PROCESSING", "EXECUTED")
    )
    assert row["p50_last_24h_s"] == pytest.approx(last_day)
    assert last_day > 2 * slow["seconds"].median()


@pytest.mark.parametrize("window", WINDOWS)
def test_what_is_open_is_counted_by_state_whenever_it_was_created(
    bank: BankCuts, window: str
) -> None:
    states = bank.table("webbank_dict.payment_state").set_index("id")
    payments = outgoing(bank)
    ended = logged(bank)["payment_id"][logged(bank)["state_id"].map(states["is_terminal"])]
    closed = payments["own_state"].map(states["is_terminal"]) & (payments["update_time"] < NOW)
    waiting = payments[~closed & ~payments["payment_id"].isin(ended)]
    payload = bank.payload(CUT, window)
    told = {
        row["from_state"]: (row["payments"], row["older_than_24h"], row["oldest_s"])
        for row in payload["rows"]
        if row["to_state"] is None
    }
    ages = NOW - waiting["create_time"]
    assert payload["open"] == len(waiting) > 0
    assert sum(number for number, _, _ in told.values()) == len(waiting)
    assert max(oldest for _, _, oldest in told.values()) == ages.max().total_seconds()
    assert payload["stuck"] == int((ages > timedelta(hours=24)).sum())


@pytest.mark.parametrize("window", WINDOWS)
def test_the_stuck_are_those_of_the_metric(bank: BankCuts, window: str) -> None:
    assert bank.payload(CUT, window)["stuck"] == bank.true("outgoing_stuck_payments")


def test_four_days_earlier_one_was_stuck_that_has_ended_since(bank: BankCuts) -> None:
    cuts = {cut.cut_id: cut for cut in bank.platform.project.cuts.cuts}
    earlier = ANCHOR - timedelta(days=4)
    drawn = draw_cut(cuts[CUT], "7d", bank.platform.settings, as_of=earlier)
    at = earlier.replace(tzinfo=None)
    states = bank.table("webbank_dict.payment_state").set_index("id")
    log = logged(bank)
    ended = log[log["state_id"].map(states["is_terminal"]) & (log["timestamp"] < at)]["payment_id"]
    payments = outgoing(bank)
    closed = payments["own_state"].map(states["is_terminal"]) & (payments["update_time"] < at)
    old = payments["create_time"] < at - timedelta(hours=24)
    stuck = payments[old & ~closed & ~payments["payment_id"].isin(ended)]
    assert drawn.payload["stuck"] == len(stuck) > 0


@pytest.mark.parametrize("window", WINDOWS)
def test_without_any_row_nothing_took_a_step(empty_bank: BankCuts, window: str) -> None:
    payload = empty_bank.payload(CUT, window)
    assert payload["headline"] == f"No outgoing payment took a step in {WINDOWS[window]} days"
    assert payload["prose"] == "No outgoing payment is open."
    assert payload["rows"] == []
