"""The moves between the segments, against a cross table of the stored days."""

from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest

from tests.integration.audit_cuts.altered_bank import payload_after
from tests.integration.audit_cuts.bank_cuts import MOMENT, BankCuts

LADDER = ["top", "core", "small", "dormant", "left"]
DAYS = {"7d": 7, "30d": 30, "90d": 90}


def moved_clients(bank: BankCuts, days: int) -> pd.DataFrame:
    """Every client that was there on either day: `then` and `now`."""
    stored = bank.table("heartbeat.client_segment")
    today = MOMENT.date()
    now = stored[stored["d"] == today].set_index("client_id")["segment"]
    then = stored[stored["d"] == today - timedelta(days=days)].set_index("client_id")["segment"]
    frame = pd.concat({"then": then, "now": now}, axis="columns")
    return frame.fillna({"then": "joined", "now": "left"})


def steps_down(moved: pd.DataFrame) -> pd.Series:
    """How many steps of the ladder each client went down; missing where it has none."""
    place = {segment: step for step, segment in enumerate(LADDER)}
    return moved["now"].map(place) - moved["then"].map(place)


@pytest.mark.parametrize("window", DAYS)
def test_the_matrix_is_the_cross_table_of_the_two_days(bank: BankCuts, window: str) -> None:
    rows = bank.payload("client_segments", window)["rows"]
    counted = moved_clients(bank, DAYS[window]).value_counts(["then", "now"]).to_dict()
    assert {(row["then"], row["now"]): row["clients"] for row in rows} == counted


@pytest.mark.parametrize("window", DAYS)
def test_the_shares_of_a_row_add_up_to_all_who_were_there(bank: BankCuts, window: str) -> None:
    rows = pd.DataFrame(bank.payload("client_segments", window)["rows"])
    assert rows.groupby("then")["share_of_then"].sum().tolist() == pytest.approx(
        [100.0] * rows["then"].nunique()
    )


@pytest.mark.parametrize("window", DAYS)
def test_the_bars_are_the_clients_of_each_segment(bank: BankCuts, window: str) -> None:
    moved = moved_clients(bank, DAYS[window])
    for bar in bank.payload("client_segments", window)["bars"]:
        assert bar["now"] == (moved["now"] == bar["segment"]).sum()
        assert bar["then"] == (moved["then"] == bar["segment"]).sum()


@pytest.mark.parametrize("window", DAYS)
def test_down_and_up_are_steps_of_the_ladder(bank: BankCuts, window: str) -> None:
    payload = bank.payload("client_segments", window)
    steps = steps_down(moved_clients(bank, DAYS[window]))
    assert (payload["down"], payload["up"]) == ((steps > 0).sum(), (steps < 0).sum())
    bordered = [row["clients"] for row in payload["rows"] if row["went"] == "down"]
    assert sum(bordered) == payload["down"]


def test_the_words_speak_of_the_numbers(bank: BankCuts) -> None:
    payload: dict[str, Any] = bank.payload("client_segments", "30d")
    top = next(bar for bar in payload["bars"] if bar["segment"] == "top")
    assert payload["headline"] == (
        f"{payload['down']} clients fell or left in 30 days, {payload['up']} rose"
    )
    assert f"Top clients: {top['now']} now, {top['then']} then" in payload["prose"]
    assert date.fromisoformat(payload["then"]) == date(2026, 10, 21)


def test_the_whole_history_is_long_enough_for_every_window(bank: BankCuts) -> None:
    assert "The history begins" not in bank.payload("client_segments", "90d")["prose"]


def test_the_oldest_day_stands_in_for_a_start_before_the_history(bank: BankCuts) -> None:
    payload = payload_after(
        bank,
        "client_segments",
        "30d",
        "delete from heartbeat.client_segment_day where d < '2026-11-10'",
    )
    assert "The history begins on 10 Nov, later than the 30 days" in payload["prose"]
    assert " in 10 days, " in payload["headline"]


def test_a_single_day_is_no_comparison(bank: BankCuts) -> None:
    payload = payload_after(
        bank,
        "client_segments",
        "30d",
        "delete from heartbeat.client_segment_day where d < '2026-11-20'",
    )
    assert payload["headline"] == "Only one day of segments is stored yet"


def test_a_segment_that_the_ladder_does_not_know_is_shown_behind_it(bank: BankCuts) -> None:
    payload = payload_after(
        bank,
        "client_segments",
        "30d",
        "update heartbeat.client_segment set segment = 'vip' where segment = 'top'",
    )
    assert payload["segments"][-1] == "vip"
    assert sum(row["clients"] for row in payload["rows"]) == len(moved_clients(bank, 30))


@pytest.mark.parametrize("window", DAYS)
def test_without_a_stored_day_it_says_so(empty_bank: BankCuts, window: str) -> None:
    payload = empty_bank.payload("client_segments", window)
    assert payload["headline"] == "No day of segments is stored yet"
    assert payload["rows"] == []
