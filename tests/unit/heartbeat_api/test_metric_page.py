"""The page behind a tile."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from heartbeat.audit.audit_view import AuditCutView, AuditRegistry
from heartbeat.judgement.status import Band
from heartbeat.metrics.backtest import backtest
from heartbeat.metrics.metric import Direction
from heartbeat.metrics.metric_rows import DayValue, MetricProse, Observation, Restatement
from heartbeat.metrics.metric_view import MetricView
from heartbeat.metrics.verification import VerificationState
from heartbeat.refresh.job import JobState, Phase, Progress, RefreshJob
from heartbeat_api.job_line import job_line
from heartbeat_api.metric_page import Draft, MetricPage, backtest_texts, metric_page
from heartbeat_api.snapshot import Snapshot
from tests.unit.heartbeat_api.views import NOW, amber, ok, red

PROSE = MetricProse("Open payments.", "Each one is money on hold.", "Counted in the ledger.", "")
BERLIN = ZoneInfo("Europe/Berlin")


def page_of(view: MetricView, *others: MetricView, **more: Any) -> MetricPage:
    metrics = (view, *others)
    snapshot = Snapshot(
        NOW,
        metrics,
        {metric.metric_id: PROSE for metric in metrics},
        watchlists=more.pop("watchlists", {}),
        cuts=more.pop("cuts", AuditRegistry(())),
    )
    return metric_page(view, snapshot, NOW, BERLIN, **more)


def test_the_contract_lists_lines_target_and_band_with_their_unit() -> None:
    view = red(
        unit="h",
        target_value=Decimal(5),
        target_due_date=date(2026, 12, 31),
        typical=Band(9.0, 2.0, 56),
    )
    facts = {fact.name: fact.text for fact in page_of(view).facts}
    assert facts["Norm"] == "20 h"
    assert facts["Alert"] == "60 h"
    assert facts["Target"] == "5 h by 31 Dec 2026"
    assert facts["Typical"] == "9 h ± 2 h over 56 days"
    assert facts["Computed"] == "20 May 2026 13:45 CEST"


def test_what_is_not_set_is_a_dash() -> None:
    view = red(norm_value=None, computed_at=None)
    facts = {fact.name: fact.text for fact in page_of(view).facts}
    assert {facts[name] for name in ("Norm", "Target", "Typical", "Computed", "Owner")} == {"—"}


def test_texts_that_the_author_left_out_have_no_heading() -> None:
    titles = [section.title for section in page_of(red()).sections]
    assert titles == ["What it is", "What red means", "How it is counted"]


def test_why_it_is_not_verified_is_told_and_since_when() -> None:
    lapsed = red(
        verification_state=VerificationState.UNVERIFIED,
        verification_reason="changed after it was verified by dana: the value statement",
    )
    facts = {fact.name: fact.text for fact in page_of(lapsed).facts}
    assert facts["Verification"] == (
        "changed after it was verified by dana: the value statement, since 31 Mar 2026"
    )
    assert "Restated" not in facts


def test_days_that_were_restated_are_marked_with_what_they_were() -> None:
    days = [Restatement(date(2026, 5, 19 - ago), Decimal(3), Decimal(12), NOW) for ago in range(7)]
    view = red(restated=tuple(days), unit="h")
    facts = {fact.name: fact.text for fact in page_of(view).facts}
    assert facts["Restated"].startswith("19 May 12 h → 3 h, 18 May 12 h → 3 h, ")
    assert facts["Restated"].endswith("15 May 12 h → 3 h, and 2 days more")


def test_the_place_on_the_wall_and_the_ways_to_its_neighbours() -> None:
    metrics = (red("R001"), red("R002"), amber("AMBR"), ok("GOOD"))
    snapshot = Snapshot(NOW, metrics, {each.metric_id: PROSE for each in metrics})
    second = metric_page(metrics[1], snapshot, NOW, BERLIN)
    assert (second.place, second.previous, second.following) == ("2 of 2 red", "/m/R001", "/m/AMBR")
    first = metric_page(metrics[0], snapshot, NOW, BERLIN)
    assert (first.place, first.previous) == ("1 of 2 red", "/m/GOOD")


def test_cuts_that_are_registered_are_links_to_their_place() -> None:
    cut = AuditCutView(
        *("client_segments", "clients", "Client segments", "Prose.", ["30d"], "30d", []),
        metrics=[red().metric_id],
        methodology="",
        how_to_read="",
        owner=None,
        verification_state="unverified",
        lapsed=False,
    )
    other = replace(cut, cut_id="money_at_risk", metrics=["another_metric"])
    page = page_of(red(cuts=("client_segments", "gone")), cuts=AuditRegistry((cut, other)))
    assert [(link.text, link.href) for link in page.cuts] == [
        ("Client segments", "/audit/clients#client_segments")
    ]


def test_runs_tell_their_value_or_why_there_is_none() -> None:
    runs = (
        Observation(NOW, NOW - timedelta(hours=1), Decimal(46), "red", None, 0.3, "b"),
        Observation(NOW, NOW - timedelta(days=2), None, None, "timeout 60 s", 60.0, "a"),
    )
    shown = page_of(red(), runs=runs).runs
    assert [(run.at, run.value, run.outcome, run.failed) for run in shown] == [
        ("13:00", "46", "red", False),
        ("18 May 14:00", "—", "timeout 60 s", True),
    ]


def test_the_form_holds_the_present_lines_and_what_was_typed_instead() -> None:
    view = red(norm_value=Decimal("20.50"), alert_value=Decimal("1E+2"))
    assert page_of(view).fields == {
        "norm_value": "20.5",
        "alert_value": "100",
        "target_value": "",
        "target_due_date": "",
    }
    typed = page_of(view, draft=Draft({"norm_value": "twenty"}, "norm_value: no number"))
    assert (typed.fields["norm_value"], typed.draft.refusal) == ("twenty", "norm_value: no number")


def test_without_a_watchlist_one_is_offered() -> None:
    assert [(each.name, each.on) for each in page_of(red()).watchlists] == [("board", False)]
    view = red()
    lists = {"board": frozenset[str](), "ops": frozenset({view.metric_id})}
    shown = page_of(view, watchlists=lists)
    assert [(each.name, each.on) for each in shown.watchlists] == [("board", False), ("ops", True)]
    assert shown.face.watched


@pytest.mark.parametrize(
    ("alert", "text"),
    [
        (30, "30: would have been red 2 times in 10 days, longest 2 days"),
        (50, "50: would have been red once in 10 days, longest 1 day"),
        (70, "70: would never have been red in 10 days"),
    ],
)
def test_a_backtest_is_a_sentence(alert: int, text: str) -> None:
    values = [1, 40, 1, 1, 40, 60, 1, 1, 1, 1]
    days = [
        DayValue(date(2026, 5, 1) + timedelta(days=n), Decimal(v)) for n, v in enumerate(values)
    ]
    lines = {"alert": Decimal(alert), "norm": None}
    assert backtest_texts(backtest(days, Direction.LOWER_IS_BETTER, lines, None)) == (text,)


def job(**changes: Any) -> RefreshJob:
    fields: dict[str, Any] = {
        "job_id": "1",
        "state": JobState.RUNNING,
        "phase": Phase.LANDING,
        "schema": "bank_core",
        "tables": Progress(1, 3, ()),
        "metrics": Progress(0, 1, ()),
        "cuts": Progress(0, 0, ()),
        "trigger": "ui",
        "queue_place": None,
        "queued_at": NOW,
        "started_at": NOW,
        "ended_at": None,
        "elapsed_seconds": 1.94,
        "estimated_seconds": None,
        "reason": None,
    }
    return RefreshJob(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "text", "running"),
    [
        ({}, "Refreshing: 1 of 3 tables landed, 0 of 1 computed", True),
        (
            {"tables": Progress(3, 3, ("bank_core.fee", "bank_core.tax"))},
            "Refreshing: 1 of 3 tables landed, 2 failed, 0 of 1 computed",
            True,
        ),
        (
            {
                "phase": Phase.COMPUTING,
                "tables": Progress(0, 0, ()),
                "metrics": Progress(0, 0, ()),
                "cuts": Progress(1, 3, ()),
            },
            "Drawing: 1 of 3 windows",
            True,
        ),
        (
            {"state": JobState.QUEUED, "phase": Phase.WAITING, "queue_place": 2},
            "The refresh waits, 2 in the queue",
            True,
        ),
        (
            {"state": JobState.SUCCESS, "phase": Phase.ENDED, "ended_at": NOW},
            "Refreshed at 14:00, in 1.9 s",
            False,
        ),
        (
            {
                "state": JobState.LOST,
                "phase": Phase.ENDED,
                "ended_at": NOW,
                "reason": "its worker is gone",
            },
            "The refresh of 14:00 is lost: its worker is gone",
            False,
        ),
    ],
    ids=["landing", "failed tables", "drawing", "waiting", "success", "lost"],
)
def test_a_refresh_is_told_until_it_has_ended(
    changes: dict[str, Any], text: str, running: bool
) -> None:
    line = job_line(job(**changes), NOW, BERLIN)
    assert (line.text, line.running) == (text, running)
