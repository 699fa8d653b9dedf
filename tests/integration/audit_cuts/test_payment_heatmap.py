"""The week of outgoing payments, against a second count of each hour with pandas."""

from datetime import timedelta

import pandas as pd
import pytest

from heartbeat.judgement.wording import value_text
from tests.integration.audit_cuts.bank_cuts import MOMENT, BankCuts

CUT = "payment_heatmap"
WINDOWS = [("7d", 7), ("30d", 30), ("90d", 90)]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def outgoing(bank: BankCuts, *, since: int, until: int = 0) -> pd.DataFrame:
    """Outgoing payments created between so many days ago, with weekday, hour, eur, is_outside."""
    types = bank.table("webbank_dict.payment_type")
    out = types[types["direction"] == "OUT"]["id"]
    payments = bank.table("webbank_core.payment")
    payments = payments[
        payments["type_id"].isin(out)
        & (payments["create_time"] >= MOMENT - timedelta(days=since))
        & (payments["create_time"] < MOMENT - timedelta(days=until))
    ]
    payments = payments.assign(d=payments["create_time"].dt.normalize()).merge(bank.euro_rates())
    weekday, hour = payments["create_time"].dt.day_of_week, payments["create_time"].dt.hour
    return payments.assign(
        weekday=weekday.map(DAYS.__getitem__),
        hour=hour,
        eur=payments["amount"] / payments["per_eur"],
        is_outside=(weekday == 6) | (hour < 9) | (hour >= 21),
    )


@pytest.mark.parametrize(("window", "days"), WINDOWS)
def test_each_cell_holds_the_payments_and_euros_of_its_hour(
    bank: BankCuts, window: str, days: int
) -> None:
    slots = outgoing(bank, since=days).groupby(["weekday", "hour"])["eur"].agg(["count", "sum"])
    rows = {(row["weekday"], row["hour"]): row for row in bank.payload(CUT, window)["rows"]}
    assert len(rows) == 7 * 24
    counted = {slot: row["payments"] for slot, row in rows.items() if row["payments"]}
    assert counted == slots["count"].to_dict()
    euros = {slot: row["eur"] for slot, row in rows.items() if row["payments"]}
    assert euros == pytest.approx(slots["sum"].to_dict())


@pytest.mark.parametrize(("window", "days"), WINDOWS)
def test_a_cell_is_divided_by_the_hours_of_its_kind_in_the_window(
    bank: BankCuts, window: str, days: int
) -> None:
    minutes = pd.date_range(MOMENT - timedelta(days=days), MOMENT, freq="min", inclusive="left")
    frame = pd.DataFrame({"weekday": minutes.day_name(), "hour": minutes.hour})
    expected = (frame.groupby(["weekday", "hour"]).size() / 60).to_dict()
    rows = bank.payload(CUT, window)["rows"]
    hours = {(row["weekday"], row["hour"]): row["hours"] for row in rows}
    assert hours == pytest.approx(expected)
    for row in rows:
        assert row["payments_an_hour"] == pytest.approx(row["payments"] / row["hours"])


@pytest.mark.parametrize(("window", "days"), WINDOWS)
def test_the_prose_compares_what_came_outside_working_time_with_the_window_before(
    bank: BankCuts, window: str, days: int
) -> None:
    now, before = outgoing(bank, since=days), outgoing(bank, since=2 * days, until=days)
    payload = bank.payload(CUT, window)
    assert payload["payments"] == len(now)
    assert payload["payments_outside"] == now["is_outside"].sum()
    assert payload["payments_before"] == len(before)
    assert payload["payments_outside_before"] == before["is_outside"].sum()
    for share in (
        now["is_outside"].mean(),
        before["is_outside"].mean(),
        now[now["is_outside"]]["eur"].sum() / now["eur"].sum(),
    ):
        assert value_text(100 * share, "%") in payload["prose"]


@pytest.mark.parametrize(("window", "days"), WINDOWS)
def test_the_headline_names_the_busiest_hour(bank: BankCuts, window: str, days: int) -> None:
    payload = bank.payload(CUT, window)
    rates = {(row["weekday"], row["hour"]): row["payments_an_hour"] for row in payload["rows"]}
    (weekday, hour), rate = max(rates.items(), key=lambda each: each[1])
    share = value_text(100 * rate / sum(rates.values()), "%")
    assert payload["headline"].startswith(
        f"{weekday} {hour:02}\u2013{hour + 1:02} h is the busiest"
    )
    assert share in payload["headline"]


def test_the_euros_a_day_add_up_to_those_of_the_window(bank: BankCuts) -> None:
    payload = bank.payload(CUT, "30d")
    a_day = sum(hour["eur_a_day"] for hour in payload["euros"])
    assert a_day == pytest.approx(outgoing(bank, since=30)["eur"].sum() / 30)
    assert [hour["busiest"] for hour in payload["euros"]].count(True) == 1


def test_without_any_row_no_payment_went_out(empty_bank: BankCuts) -> None:
    payload = empty_bank.payload(CUT, "7d")
    assert payload["headline"] == "No outgoing payment in 7 days"
    assert payload["prose"] == "In the 7 days before there was no outgoing payment."
