"""The view model of an audit page."""

from datetime import timedelta

import pytest

from heartbeat.audit.audit_view import AuditCutView, AuditRegistry, AuditSnapshotView
from heartbeat_api.audit_page import CutPanel, audit_page
from tests.unit.heartbeat_api.views import NOW

CUT = AuditCutView(
    cut_id="money_at_risk",
    page="overview",
    title="Money at risk",
    prose="What could be lost.",
    windows=("7d", "30d"),
    window_default="30d",
    reads=("core.payment",),
    methodology="Summed.",
    how_to_read="Taller is worse.",
    owner=None,
    verification_state="unverified",
)
SNAPSHOT = AuditSnapshotView(
    cut_id="money_at_risk",
    window_key="30d",
    payload={"prose": "180,000 EUR is overdue."},
    spec={},
    computed_at=NOW - timedelta(hours=7),
    source_as_of=NOW - timedelta(hours=8),
    error=None,
    drawn=True,
)


def panel(window: str | None, *snapshots: AuditSnapshotView) -> CutPanel:
    stored = {(snapshot.cut_id, snapshot.window_key): snapshot for snapshot in snapshots}
    return audit_page(AuditRegistry((CUT,)), "overview", window, stored, NOW).cuts[0]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        pytest.param(None, "30d", id="default"),
        pytest.param("7d", "7d", id="asked"),
        pytest.param("365d", "30d", id="a window that the cut does not have"),
    ],
)
def test_a_cut_is_shown_over_the_asked_window_or_its_default(asked: str | None, shown: str) -> None:
    assert [link.text for link in panel(asked).windows if link.current] == [shown]


def test_the_finding_of_the_compute_stands_in_place_of_the_general_prose() -> None:
    assert panel(None, SNAPSHOT).prose == "180,000 EUR is overdue."
    assert panel(None).prose == "What could be lost."


def test_a_cut_without_a_snapshot_has_no_picture_and_no_age() -> None:
    shown = panel(None)
    assert (shown.image, shown.ages) == ("", ())


def test_a_computed_cut_shows_its_picture_and_the_ages_of_snapshot_and_source() -> None:
    shown = panel(None, SNAPSHOT)
    assert shown.image == "/audit/cuts/money_at_risk.svg?window=30d"
    assert shown.ages == ("computed 7 h ago", "source data 8 h ago")
    assert shown.alt == "Money at risk, 30d. 180,000 EUR is overdue."


def test_a_link_cannot_leave_its_place_in_the_page() -> None:
    hostile = AuditRegistry((AuditCutView(**{**CUT.__dict__, "page": '"><b>/..'}),))
    page = audit_page(hostile, '"><b>/..', None, {}, NOW)
    assert page.pages[0].href == "/audit/%22%3E%3Cb%3E%2F.."
