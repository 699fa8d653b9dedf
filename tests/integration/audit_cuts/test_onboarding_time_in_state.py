"""Times in the states of onboarding on the bank, against working time counted day by day."""

from datetime import datetime, time, timedelta
from typing import Any

import pandas as pd
import pytest

from heartbeat.audit.audit_snapshot import draw_cut
from heartbeat.judgement.wording import value_text
from tests.integration.audit_cuts.bank_cuts import MOMENT, BankCuts
from tests.integration.demo_platform import ANCHOR

CUT = "onboarding_time_in_state"
WINDOWS = {"7d": 7, "30d": 30, "90d": 90}
STATES = ["CREATED", "SUBMITTED", "KYC_IN_PROGRESS", "AML_REVIEW", "DOCS_REQUESTED", "APPROVED"]
NOW = pd.Timestamp(MOMENT)
QUANTILES = {"p10": 0.1, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9}


def working_hours(begins: datetime, ends: datetime) -> float:
    """Hours on Monday to Saturday from 9 to 21, added up day by day."""
    day, total = begins.date(), timedelta()
    while day <= ends.date():
        opens, closes = datetime.combine(day, time(9)), datetime.combine(day, time(21))
        if day.isoweekday() < 7:
            total += max(min(ends, closes) - max(begins, opens), timedelta())
        day += timedelta(days=1)
    return total.total_seconds() / 3600


def stays(bank: BankCuts, zone: str = "UTC") -> pd.DataFrame:
    """Every stay in a state of onboarding; of those that have ended, hours by clock and at work."""
    states = bank.table("webbank_dict.profile_state").set_index("id")["code"]
    log = bank.table("webbank_core.client_profile_state_log")
    log = log[log["timestamp"] < NOW].sort_values(["client_profile_id", "timestamp", "id"])
    log = log.assign(
        state=log["profile_state"].map(states),
        left_at=log.groupby("client_profile_id")["timestamp"].shift(-1),
    )
    found: pd.DataFrame = log[log["state"].isin(STATES)].copy()
    found["clock"] = (found["left_at"] - found["timestamp"]).dt.total_seconds() / 3600
    local = found[["timestamp", "left_at"]].apply(
        lambda each: each.dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None)
    )
    recent = found["left_at"] >= NOW - timedelta(days=90)
    found["working time"] = [
        working_hours(begins.to_pydatetime(), ends.to_pydatetime()) if counts else None
        for begins, ends, counts in zip(local["timestamp"], local["left_at"], recent, strict=True)
    ]
    return found


def assert_equal(payload: Any, found: pd.DataFrame, days: int) -> None:
    ended = found[found["left_at"] >= NOW - timedelta(days=days)]
    rows = {(row["state"], row["time"]): row for row in payload["rows"]}
    assert {state for state, _ in rows} == set(ended["state"])
    for (state, kind), row in rows.items():
        hours = ended[ended["state"] == state][kind].astype(float)
        assert row["stays"] == len(hours)
        for name, share in QUANTILES.items():
            expected = hours.quantile(share)
            assert row[f"{name}_hours"] == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("window", "days"), WINDOWS.items())
def test_every_quantile_is_counted_alike_on_the_clock_and_at_work(
    bank: BankCuts, window: str, days: int
) -> None:
    assert_equal(bank.payload(CUT, window), stays(bank), days)


def test_working_time_is_that_of_the_business_time_zone(bank: BankCuts) -> None:
    zone = "America/New_York"
    settings = bank.platform.settings.model_copy(update={"timezone": zone})
    cuts = {cut.cut_id: cut for cut in bank.platform.project.cuts.cuts}
    drawn = draw_cut(cuts[CUT], "30d", settings, as_of=ANCHOR)
    assert_equal(drawn.payload, stays(bank, zone), 30)


@pytest.mark.parametrize(
    ("begins", "ends", "hours"),
    [
        ("2026-11-16 08:00", "2026-11-16 10:30", 1.5),
        ("2026-11-14 20:00", "2026-11-16 10:00", 2),
        ("2026-11-15 10:00", "2026-11-15 12:00", 0),
        ("2026-11-16 22:00", "2026-11-17 08:00", 0),
        ("2026-11-09 09:00", "2026-11-16 09:00", 72),
    ],
    ids=["before opening", "over a Sunday", "on a Sunday", "at night", "a week"],
)
def test_the_second_count_of_working_time_is_right(begins: str, ends: str, hours: float) -> None:
    assert working_hours(datetime.fromisoformat(begins), datetime.fromisoformat(ends)) == hours


@pytest.mark.parametrize("window", WINDOWS)
def test_who_waits_now_is_whose_last_row_is_the_state(bank: BankCuts, window: str) -> None:
    found = stays(bank)
    waiting = found[found["left_at"].isna()]
    for row in bank.payload(CUT, window)["rows"]:
        of_state = waiting[waiting["state"] == row["state"]]
        assert row["waiting_now"] == len(of_state)
        if len(of_state):
            oldest = (NOW - of_state["timestamp"].min()).total_seconds() / 3600
            assert row["oldest_waiting_hours"] == pytest.approx(oldest)


def test_the_oldest_in_review_are_those_of_the_metric(bank: BankCuts) -> None:
    found = stays(bank)
    review = found[found["left_at"].isna() & found["state"].isin(["KYC_IN_PROGRESS", "AML_REVIEW"])]
    ages = (NOW - review["timestamp"]).dt.total_seconds() / 3600
    assert ages.quantile(0.9) == pytest.approx(bank.true("onboarding_review_oldest_age_h"))
    rows = {row["state"]: row for row in bank.payload(CUT, "30d")["rows"]}
    told = [rows[state] for state in ("KYC_IN_PROGRESS", "AML_REVIEW")]
    assert sum(row["waiting_now"] for row in told) == len(review)
    assert max(row["oldest_waiting_hours"] for row in told) == pytest.approx(ages.max())


@pytest.mark.parametrize("window", WINDOWS)
def test_the_headline_is_of_the_slowest_state_in_which_the_bank_is_waited_for(
    bank: BankCuts, window: str
) -> None:
    payload = bank.payload(CUT, window)
    clock = {
        row["state"]: row["p50_hours"]
        for row in payload["rows"]
        if row["time"] == "clock" and row["state"] not in ("CREATED", "DOCS_REQUESTED")
    }
    slowest = max(clock, key=lambda state: float(clock[state]))
    name = {"AML_REVIEW": "AML review", "KYC_IN_PROGRESS": "KYC"}[slowest]
    assert payload["headline"].startswith(f"{name} takes {value_text(clock[slowest], 'h')}, ")


@pytest.mark.parametrize("window", WINDOWS)
def test_without_any_row_nobody_left_a_state(empty_bank: BankCuts, window: str) -> None:
    payload = empty_bank.payload(CUT, window)
    days = WINDOWS[window]
    assert payload["headline"] == f"No client left a state of onboarding in {days} days"
    assert payload["prose"] == "There is no stay to measure. Nobody waits for the bank now."
    assert payload["rows"] == []
