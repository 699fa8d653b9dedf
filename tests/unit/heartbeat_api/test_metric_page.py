"""The page behind a tile."""

from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from heartbeat.judgement.status import Band
from heartbeat.metrics.metric_rows import MetricProse, Restatement
from heartbeat.metrics.verification import VerificationState
from heartbeat_api.metric_page import metric_page
from tests.unit.heartbeat_api.views import NOW, red

PROSE = MetricProse("Open payments.", "Each one is money on hold.", "Counted in the ledger.", "")
BERLIN = ZoneInfo("Europe/Berlin")


def test_the_contract_lists_lines_target_and_band_with_their_unit() -> None:
    view = red(
        unit="h",
        target_value=Decimal(5),
        target_due_date=date(2026, 12, 31),
        typical=Band(9.0, 2.0, 56),
    )
    facts = {fact.name: fact.text for fact in metric_page(view, PROSE, NOW, BERLIN).facts}
    assert facts["Norm"] == "20 h"
    assert facts["Alert"] == "60 h"
    assert facts["Target"] == "5 h by 31 Dec 2026"
    assert facts["Typical"] == "9 h ± 2 h over 56 days"
    assert facts["Computed"] == "20 May 2026 13:45 CEST"


def test_what_is_not_set_is_a_dash() -> None:
    view = red(norm_value=None, computed_at=None)
    facts = {fact.name: fact.text for fact in metric_page(view, PROSE, NOW, BERLIN).facts}
    assert {facts[name] for name in ("Norm", "Target", "Typical", "Computed", "Owner")} == {"—"}


def test_texts_that_the_author_left_out_have_no_heading() -> None:
    titles = [section.title for section in metric_page(red(), PROSE, NOW, BERLIN).sections]
    assert titles == ["What it is", "What red means", "How it is counted"]


def test_why_it_is_not_verified_is_told_and_since_when() -> None:
    lapsed = red(
        verification_state=VerificationState.UNVERIFIED,
        verification_reason="changed after it was verified by dana: the value statement",
    )
    facts = {fact.name: fact.text for fact in metric_page(lapsed, PROSE, NOW, BERLIN).facts}
    assert facts["Verification"] == (
        "changed after it was verified by dana: the value statement, since 31 Mar 2026"
    )
    assert "Restated" not in facts


def test_days_that_were_restated_are_marked_with_what_they_were() -> None:
    days = [Restatement(date(2026, 5, 19 - ago), Decimal(3), Decimal(12), NOW) for ago in range(7)]
    view = red(restated=tuple(days), unit="h")
    facts = {fact.name: fact.text for fact in metric_page(view, PROSE, NOW, BERLIN).facts}
    assert facts["Restated"].startswith("19 May 12 h → 3 h, 18 May 12 h → 3 h, ")
    assert facts["Restated"].endswith("15 May 12 h → 3 h, and 2 days more")
