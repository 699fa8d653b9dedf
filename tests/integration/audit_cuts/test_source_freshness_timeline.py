"""Gaps in loads and rates, against a second search with pandas on a log written by hand."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pandas as pd
import psycopg
import pytest

from heartbeat.audit.audit_snapshot import draw_cut
from heartbeat.embedded_postgres import EmbeddedPostgres
from tests.conftest import open_to_logins
from tests.integration.audit_cuts.bank_cuts import MOMENT, BankCuts
from tests.integration.demo_platform import ANCHOR

CUT = "source_freshness_timeline"
RATES = "Exchange rates"
LOAD = """
insert into heartbeat.table_load_log
    (schema_name, table_name, started_at, finished_at, polled_at, write_mode, error, run_id)
values (%s, %s, %s, %s, %s, 'merge', %s, 'test')
"""
Interval = tuple[datetime, datetime]


def hourly(since: datetime, *silences: Interval) -> list[datetime]:
    """A poll each hour up to the anchor, none strictly inside a silence."""
    hours = int((ANCHOR - since) / timedelta(hours=1))
    polls = [since + timedelta(hours=hour) for hour in range(hours + 1)]
    return [poll for poll in polls if not any(begins < poll < ends for begins, ends in silences)]


def ago(hours: int) -> datetime:
    return ANCHOR - timedelta(hours=hours)


@pytest.fixture(scope="module")
def watched_bank(bank: BankCuts, postgres: EmbeddedPostgres) -> Iterator[BankCuts]:
    """A copy of the marts with 20 days of hourly loads: overlapping gaps, a failed load, a rest."""
    polls = {
        ("ledger", "entry"): hourly(ago(480), (ago(105), ago(100)), (ago(300), ago(297))),
        ("ledger", "account"): hourly(ago(480), (ago(102), ago(98)), (ago(50), ago(48))),
        ("ledger_dict", "state"): hourly(ago(480)),
        ("screening", "hit"): hourly(ago(48), (ago(7), ago(-1))),
    }
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute("create database watched_cut_marts template cut_marts")
        url = postgres.url("watched_cut_marts")
        open_to_logins(url)
        with psycopg.connect(url) as connection:
            connection.execute("truncate heartbeat.table_load_log")
            for (schema, table), moments in polls.items():
                for moment in moments:
                    connection.execute(LOAD, [schema, table, moment, moment, moment, None])
            failed = ago(103)
            connection.execute(LOAD, ["ledger", "entry", failed, failed, failed, "no route"])
        settings = bank.platform.settings.model_copy(update={"explicit_database_url": url})
        yield BankCuts(replace(bank.platform, settings=settings))
        admin.execute("drop database watched_cut_marts with (force)")


def observations(bank: BankCuts) -> pd.DataFrame:
    """Columns source, part, at: good polls and rates before the moment."""
    log = bank.table("heartbeat.table_load_log")
    good = log[log["error"].isna()]
    polls = pd.DataFrame(
        {
            "source": good["schema_name"],
            "part": good["table_name"],
            "at": pd.to_datetime(good["polled_at"], utc=True).dt.tz_localize(None),
        }
    )
    rates = bank.table("currency_rate_rate.rate")
    pairs = pd.DataFrame(
        {"source": RATES, "part": rates["base"] + rates["quote"], "at": rates["rate_time"]}
    )
    found = pd.concat([polls, pairs])
    return found[found["at"] < MOMENT]


def expected_gaps(bank: BankCuts, days: int) -> list[dict[str, Any]]:
    """Gaps that reach into the window, those of one source that overlap as one."""
    gaps: list[dict[str, Any]] = []
    for source, rows in observations(bank).groupby("source"):
        least = timedelta(hours=2) if source == RATES else timedelta(hours=2, minutes=30)
        silences = []
        for _, part in rows.groupby("part"):
            moments = [*sorted(part["at"]), MOMENT]
            pairs = pairwise(moments)
            silences += [(since, until) for since, until in pairs if until - since > least]
        for since, until in sorted(silences):
            hours = (until - since) / timedelta(hours=1)
            last = gaps[-1] if gaps else None
            if last and last["source"] == source and since < last["until"]:
                last["until"] = max(last["until"], until)
                last["hours"] = max(last["hours"], hours)
            else:
                gaps.append({"source": source, "since": since, "until": until, "hours": hours})
    return [gap for gap in gaps if gap["until"] > MOMENT - timedelta(days=days)]


def as_counted(row: dict[str, Any]) -> dict[str, Any]:
    since, until = pd.to_datetime([row["since"], row["until"] or ANCHOR], utc=True)
    return {**row, "since": since.tz_localize(None), "until": until.tz_localize(None)}


def by_source(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["source"], row["since"]))


@pytest.mark.parametrize(("window", "days", "gaps"), [("7d", 7, 3), ("30d", 30, 4), ("90d", 90, 4)])
def test_each_row_is_a_gap_of_a_source(
    watched_bank: BankCuts, window: str, days: int, gaps: int
) -> None:
    counted = [as_counted(row) for row in watched_bank.payload(CUT, window)["rows"]]
    expected = expected_gaps(watched_bank, days)
    assert by_source(counted) == by_source(expected)
    assert len(counted) == gaps


def test_gaps_of_two_tables_that_overlap_are_one_as_long_as_its_longest_silence(
    watched_bank: BankCuts,
) -> None:
    rows = watched_bank.payload(CUT, "7d")["rows"]
    (gap,) = [as_counted(row) for row in rows if row["source"] == "ledger"]
    assert gap["since"] == MOMENT - timedelta(hours=105)
    assert gap["until"] == MOMENT - timedelta(hours=98)
    assert gap["hours"] == 5


def test_what_is_silent_now_is_the_headline(watched_bank: BankCuts) -> None:
    payload = watched_bank.payload(CUT, "30d")
    assert payload["headline"] == "screening has been silent for 7 h"
    assert "1 source is silent now." in payload["prose"]
    assert "Exchange rates were silent for 30 h, up to 17 Nov 16:01." in payload["prose"]


def test_moments_are_told_by_the_business_clock(watched_bank: BankCuts) -> None:
    settings = watched_bank.platform.settings.model_copy(update={"timezone": "Asia/Kolkata"})
    cuts = {cut.cut_id: cut for cut in watched_bank.platform.project.cuts.cuts}
    drawn = draw_cut(cuts[CUT], "30d", settings, as_of=ANCHOR)
    # five and a half hours after 16:01 UTC
    assert "up to 17 Nov 21:31." in str(drawn.payload["prose"])


@pytest.mark.parametrize(("window", "hours"), [("30d", 720), ("90d", 2160)])
def test_before_its_first_load_a_source_has_neither_strip_nor_gap(
    watched_bank: BankCuts, window: str, hours: int
) -> None:
    payload = watched_bank.payload(CUT, window)
    strips = {strip["source"]: strip for strip in payload["strips"]}
    assert (strips["screening"]["start"], strips["screening"]["end"]) == (hours - 48, hours)
    assert strips["screening"]["label"] == "screening, watched from 18 Nov"
    assert strips[RATES]["start"] == 0
    assert min(m["start"] for m in payload["marks"] if m["source"] == "screening") == hours - 7


def test_a_gap_before_the_window_counts_in_the_window_before(watched_bank: BankCuts) -> None:
    prose = watched_bank.payload(CUT, "7d")["prose"]
    assert prose.startswith(
        "3 of 4 sources had gaps in 7 days; in the 7 days before there was 1 gap."
    )


@pytest.mark.parametrize("window", ["7d", "30d", "90d"])
def test_the_silence_of_all_pairs_is_the_longest_gap_of_the_rates(
    bank: BankCuts, window: str
) -> None:
    rows = [row for row in bank.payload(CUT, window)["rows"] if row["source"] == RATES]
    assert [row["hours"] for row in rows] == [30.0]
    assert rows[0]["since"].startswith("2026-11-16T10:01:00")
    assert rows[0]["until"].startswith("2026-11-17T16:01:00")


def test_a_copy_that_stands_still_is_a_gap_though_it_is_loaded(bank: BankCuts) -> None:
    payload = bank.payload(CUT, "30d")
    assert payload["headline"] == "card_management_card has been silent for 50 h"
    assert {row["source"] for row in payload["rows"] if row["until"] is None} == {
        "card_management_card",
        "card_management_dict",
    }


def test_without_any_row_no_source_has_delivered(empty_bank: BankCuts) -> None:
    payload = empty_bank.payload(CUT, "30d")
    assert payload["headline"] == "No source has delivered yet"
    assert payload["prose"] == "Neither a load nor an exchange rate is known."
    assert payload["rows"] == []
