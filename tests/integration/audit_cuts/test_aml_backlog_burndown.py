"""The backlog of AML cases, against a count of each moment with pandas."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest

from heartbeat.judgement.wording import value_text
from tests.integration.audit_cuts.bank_cuts import MOMENT, BankCuts

CUT = "aml_backlog_burndown"
WINDOWS = [("7d", 7, 1), ("30d", 30, 1), ("90d", 90, 7)]


def aml_cases(bank: BankCuts) -> pd.DataFrame:
    """Columns created, decided (NaT when open at the moment) and decided_by."""
    cases = bank.table("aml_aml.aml_retrospective")
    created = pd.to_datetime(cases["create_at"], utc=True).dt.tz_localize(None)
    decided = pd.to_datetime(cases["decided_at"], utc=True).dt.tz_localize(None)
    found = pd.DataFrame({"created": created, "decided": decided, "by": cases["decided_by"]})
    return found[found["created"] < MOMENT]


def waiting(cases: pd.DataFrame, moment: datetime) -> "pd.Series[Any]":
    """Ages of the cases open at a moment."""
    is_open = (cases["created"] < moment) & ~(cases["decided"] < moment)
    return moment - cases[is_open]["created"]


def inside(moments: "pd.Series[Any]", begins: datetime, ends: datetime) -> int:
    return int(((moments >= begins) & (moments < ends)).sum())


@pytest.mark.parametrize(("window", "days", "length"), WINDOWS)
def test_each_row_counts_the_cases_of_its_days(
    bank: BankCuts, window: str, days: int, length: int
) -> None:
    cases = aml_cases(bank)
    since = MOMENT - timedelta(days=days)
    expected = []
    start = since.replace(hour=0, minute=0)
    if length == 7:
        start -= timedelta(days=start.weekday())
    while start < MOMENT:
        end = start + timedelta(days=length)
        begins, ends = max(start, since), min(end, MOMENT)
        ages = waiting(cases, ends)
        expected.append(
            {
                "from": f"{start:%Y-%m-%d}",
                "complete": (begins, ends) == (start, end),
                "opened": inside(cases["created"], begins, ends),
                "decided": inside(cases["decided"], begins, ends),
                "open": len(ages),
                "open_over_24h": int((ages > timedelta(hours=24)).sum()),
            }
        )
        start = end
    assert bank.payload(CUT, window)["rows"] == expected


def test_the_backlog_is_the_hand_count_of_its_metric(bank: BankCuts) -> None:
    payload = bank.payload(CUT, "30d")
    backlog = bank.true("aml_retrospective_backlog")
    assert payload["backlog"] == backlog
    assert payload["rows"][-1]["open_over_24h"] == backlog
    assert payload["headline"] == (
        f"{backlog} of {payload['open']} open AML cases have waited longer than 24 hours"
    )


def test_the_ages_are_those_of_what_is_open_now(bank: BankCuts) -> None:
    ages = waiting(aml_cases(bank), MOMENT).dt.total_seconds() / 3600
    limits = [0, 24, 72, 168, float("inf")]
    expected = [int(((ages > above) & (ages <= below)).sum()) for above, below in pairwise(limits)]
    payload = bank.payload(CUT, "7d")
    assert [bar["cases"] for bar in payload["ages"]] == expected
    assert sum(expected) == payload["open"]
    assert sum(expected[1:]) == payload["backlog"]


@pytest.mark.parametrize(("window", "days", "length"), WINDOWS)
def test_the_prose_compares_with_the_start_of_the_window(
    bank: BankCuts, window: str, days: int, length: int
) -> None:
    payload = bank.payload(CUT, window)
    before = waiting(aml_cases(bank), MOMENT - timedelta(days=days)) > timedelta(hours=24)
    assert payload["backlog_before"] == before.sum()
    had = value_text(int(before.sum()), "count") if before.any() else "none"
    assert f"{days} days ago {had} had waited longer than 24 hours." in payload["prose"]
    assert f"{value_text(payload['opened'], 'count')} cases were opened" in payload["prose"]
    assert payload["opened"] - payload["decided"] == payload["open"] - payload["open_before"]


def test_the_prose_tells_when_an_analyst_decided_last(bank: BankCuts) -> None:
    cases = aml_cases(bank)
    last = cases[cases["by"] != "rules"]["decided"].max()
    expected = f"The last decision of an analyst was on {last.day} {last:%b at %H:%M} UTC."
    assert expected in bank.payload(CUT, "30d")["prose"]


def test_without_any_row_no_case_is_open(empty_bank: BankCuts) -> None:
    payload = empty_bank.payload(CUT, "30d")
    assert payload["headline"] == "No AML case is open"
    assert payload["prose"] == (
        "In 30 days no case was opened and 0 decided. "
        "30 days ago none had waited longer than 24 hours."
    )
