"""Times of processing on the bank, against a second computation with pandas."""

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.integration.audit_cuts.bank_cuts import MOMENT, BankCuts, largest_first

CUT = "processing_time_distribution"
WINDOWS = {"7d": 7, "30d": 30, "90d": 90}
SPANS = ["under 10 s", "10–60 s", "1–10 min", "10–60 min", "1–4 h", "4–24 h", "over 1 d"]
LIMITS = [10, 60, 600, 3_600, 14_400, 86_400]


def executed(bank: BankCuts, days: int, ends: pd.Timestamp) -> pd.DataFrame:
    """The outgoing payments executed in a span, with `rail`, `seconds`, `hour` and `span`."""
    log, payments = bank.table("webbank_core.payment_state_log"), bank.table("webbank_core.payment")
    states = bank.table("webbank_dict.payment_state").set_index("code")["id"]
    types = bank.table("webbank_dict.payment_type")
    done = log[
        (log["state_id"] == states["EXECUTED"])
        & (log["timestamp"] >= ends - timedelta(days=days))
        & (log["timestamp"] < ends)
    ]
    outgoing = types[types["direction"] == "OUT"][["id", "rail"]].rename(columns={"id": "type_id"})
    found = done[["payment_id", "timestamp"]].merge(
        payments[["id", "type_id", "create_time"]], left_on="payment_id", right_on="id"
    )
    found = found.merge(outgoing)
    seconds = (found["timestamp"] - found["create_time"]).dt.total_seconds()
    timed: pd.DataFrame = found.assign(
        seconds=seconds,
        hour=found["create_time"].dt.hour // 3 * 3,
        span=[SPANS[at] for at in np.searchsorted(LIMITS, seconds, side="right")],
    )
    return timed


@pytest.mark.parametrize(("window", "days"), WINDOWS.items())
def test_every_payment_is_in_the_cell_of_its_rail_hour_and_time(
    bank: BankCuts, window: str, days: int
) -> None:
    told = {
        (row["rail"], row["submitted_from_hour"], row["time_taken"]): row["payments"]
        for row in bank.payload(CUT, window)["rows"]
    }
    found = executed(bank, days, pd.Timestamp(MOMENT))
    assert told == found.groupby(["rail", "hour", "span"]).size().to_dict()
    assert sum(told.values()) > 500


@pytest.mark.parametrize(("window", "days"), WINDOWS.items())
def test_the_three_slowest_rails_are_shown_with_their_medians(
    bank: BankCuts, window: str, days: int
) -> None:
    rails = bank.payload(CUT, window)["rails"]
    now = executed(bank, days, pd.Timestamp(MOMENT)).groupby("rail")["seconds"].median()
    ends = pd.Timestamp(MOMENT) - timedelta(days=days)
    before = executed(bank, days, ends).groupby("rail")["seconds"].median()
    slowest = largest_first(now)[:3]
    assert [rail["rail"] for rail in rails] == list(slowest.index)
    for rail in rails:
        assert rail["median_seconds"] == pytest.approx(slowest[rail["rail"]])
        assert rail["median_before_seconds"] == pytest.approx(before[rail["rail"]])


@pytest.mark.parametrize(("window", "days"), WINDOWS.items())
def test_a_cell_says_which_part_of_its_hours_took_so_long(
    bank: BankCuts, window: str, days: int
) -> None:
    panel = bank.payload(CUT, window)["rails"][0]
    found = executed(bank, days, pd.Timestamp(MOMENT))
    of_rail = found[found["rail"] == panel["rail"]]
    for cell in panel["cells"]:
        of_hours = of_rail[of_rail["hour"] == int(cell["hours"])]
        share = 100 * float((of_hours["span"] == cell["span"]).mean())
        shown = "" if share == 0 else "<1" if share < 1 else f"{share:.0f}"
        assert cell["text"] == shown
    shares = [bar["share"] for bar in panel["histogram"]]
    assert sum(shares) == pytest.approx(100)


def test_the_median_of_swift_is_that_of_its_metric(bank: BankCuts) -> None:
    rails: Any = {rail["rail"]: rail for rail in bank.payload(CUT, "7d")["rails"]}
    true = bank.true("outgoing_other_processing_time_p50_min_7d")
    assert rails["SWIFT"]["median_seconds"] / 60 == pytest.approx(true)


@pytest.mark.parametrize("window", WINDOWS)
def test_the_words_name_the_slowest_rail(bank: BankCuts, window: str) -> None:
    payload = bank.payload(CUT, window)
    assert payload["headline"].startswith("Half of the SWIFT payments take over ")
    assert payload["headline"].endswith(" before")
    assert f"executed in {WINDOWS[window]} days" in payload["prose"]
    assert "SEPA credit" in payload["prose"].partition("The medians of the others: ")[2]


def test_hours_of_the_day_are_not_set_apart_where_they_take_equally_long(
    tied_bank: BankCuts,
) -> None:
    prose = tied_bank.payload(CUT, "30d")["prose"]
    assert "took more than a day" in prose
    assert "Submitted from" not in prose


@pytest.mark.parametrize("window", WINDOWS)
def test_without_any_row_nothing_was_executed(empty_bank: BankCuts, window: str) -> None:
    payload = empty_bank.payload(CUT, window)
    assert payload["headline"] == f"No payment was executed in {WINDOWS[window]} days"
    assert payload["rows"] == []
    assert empty_bank.drawn(CUT, window).chart.svg.startswith("<svg")
