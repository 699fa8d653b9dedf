"""The funnel of onboarding on the bank, against the state log replayed client by client."""

from datetime import timedelta

import pandas as pd
import pytest

from tests.integration.audit_cuts.bank_cuts import MOMENT, BankCuts

CUT = "onboarding_funnel"
WINDOWS = {"7d": 7, "30d": 30, "90d": 90}
STATES = ["CREATED", "SUBMITTED", "KYC_IN_PROGRESS", "AML_REVIEW", "APPROVED", "ACTIVE"]
MATURITY = timedelta(days=30)


def journeys(bank: BankCuts, days: int, seen: pd.Timestamp) -> list[dict[str, pd.Timestamp]]:
    """Of each client of a cohort, when it first was in each state, as it stood at `seen`."""
    states = bank.table("webbank_dict.profile_state").set_index("id")["code"]
    log = bank.table("webbank_core.client_profile_state_log")
    log = log.assign(state=log["profile_state"].map(states)).sort_values(["timestamp", "id"])
    first_ever = log[log["state"] == "CREATED"].groupby("client_profile_id")["timestamp"].min()
    closes = seen - MATURITY
    cohort = first_ever[(first_ever >= closes - timedelta(days=days)) & (first_ever < closes)]
    rows = log[log["client_profile_id"].isin(cohort.index) & (log["timestamp"] < seen)]
    firsts = rows.drop_duplicates(["client_profile_id", "state"])
    return [
        dict(zip(each["state"], each["timestamp"], strict=True))
        for _, each in firsts.groupby("client_profile_id")
    ]


def place(journey: dict[str, pd.Timestamp]) -> int:
    return max(at for at, state in enumerate(STATES) if state in journey)


def reached(found: list[dict[str, pd.Timestamp]]) -> list[int]:
    return [sum(place(journey) >= at for journey in found) for at in range(len(STATES))]


def median_seconds(found: list[dict[str, pd.Timestamp]], at: int) -> float | None:
    source, target = STATES[at : at + 2]
    spans = [
        (journey[target] - journey[source]).total_seconds()
        for journey in found
        if source in journey and target in journey
    ]
    return float(pd.Series(spans).median()) if spans else None


@pytest.mark.parametrize(("window", "days"), WINDOWS.items())
def test_each_step_counts_who_got_as_far_now_and_in_the_window_before(
    bank: BankCuts, window: str, days: int
) -> None:
    rows = bank.payload(CUT, window)["rows"]
    now = journeys(bank, days, pd.Timestamp(MOMENT))
    before = journeys(bank, days, pd.Timestamp(MOMENT) - timedelta(days=days))
    assert [row["clients"] for row in rows] == reached(now)
    assert [row["before_clients"] for row in rows] == reached(before)
    assert rows[0]["clients"] > 50


@pytest.mark.parametrize(("window", "days"), WINDOWS.items())
def test_who_got_no_further_is_told_by_what_became_of_them(
    bank: BankCuts, window: str, days: int
) -> None:
    found = journeys(bank, days, pd.Timestamp(MOMENT))
    for at, row in enumerate(bank.payload(CUT, window)["rows"]):
        stopped = [journey for journey in found if place(journey) == at]
        assert row["rejected"] == sum("REJECTED" in journey for journey in stopped)
        assert row["withdrew"] == sum("WITHDRAWN" in journey for journey in stopped)
        assert row["lost"] == (len(stopped) if at + 1 < len(STATES) else 0)


@pytest.mark.parametrize(("window", "days"), WINDOWS.items())
def test_the_time_of_a_step_is_the_median_of_those_who_took_it(
    bank: BankCuts, window: str, days: int
) -> None:
    found = journeys(bank, days, pd.Timestamp(MOMENT))
    *steps, last = bank.payload(CUT, window)["rows"]
    for at, row in enumerate(steps):
        assert row["median_seconds"] == pytest.approx(median_seconds(found, at))
    assert last["median_seconds"] is None


def test_over_30_days_the_conversion_is_that_of_the_metric(bank: BankCuts) -> None:
    rows = bank.payload(CUT, "30d")["rows"]
    assert rows[-1]["share"] == pytest.approx(bank.true("onboarding_conversion_funnel"))


@pytest.mark.parametrize("window", WINDOWS)
def test_the_headline_names_the_step_with_the_largest_loss(bank: BankCuts, window: str) -> None:
    payload = bank.payload(CUT, window)
    *steps, _ = payload["rows"]
    worst = max(steps, key=lambda row: int(row["lost"]))
    assert f"Between {worst['step']} and " in payload["headline"]
    assert f"{worst['lost']} of {worst['clients']} were lost" in payload["headline"]
    assert f"Of {payload['rows'][0]['clients']} clients created from " in payload["prose"]
    assert f"Of those lost after {worst['step']}, " in payload["prose"]


@pytest.mark.parametrize("window", WINDOWS)
def test_without_any_row_no_client_was_created(empty_bank: BankCuts, window: str) -> None:
    payload = empty_bank.payload(CUT, window)
    assert payload["headline"] == f"No client was created in the {WINDOWS[window]} days looked at"
    assert [row["clients"] for row in payload["rows"]] == [0] * len(STATES)
