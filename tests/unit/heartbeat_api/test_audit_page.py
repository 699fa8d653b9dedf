"""The view model of an audit page."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from heartbeat.audit.audit_view import AuditCutView, AuditRegistry, AuditSnapshotView
from heartbeat_api.audit_page import AuditPage, CutAction, CutPanel, audit_page, cut_href
from heartbeat_api.job_line import JobLine
from tests.unit.heartbeat_api.views import NOW, ok, red

BERLIN = ZoneInfo("Europe/Berlin")
CUT = AuditCutView(
    cut_id="money_at_risk",
    page="overview",
    title="Money at risk",
    prose="What could be lost.",
    windows=("7d", "30d"),
    window_default="30d",
    reads=("core.payment",),
    metrics=("metric_cold",),
    methodology="Summed.",
    how_to_read="Taller is worse.",
    owner=None,
    verification_state="unverified",
    lapsed=False,
)
SNAPSHOT = AuditSnapshotView(
    cut_id="money_at_risk",
    window_key="30d",
    payload={"prose": "180,000 EUR is overdue.", "rows": [{"part": "overdue", "eur": 180_000}]},
    svg='<svg><clipPath id="id1"/><g clip-path="url(#id1)"/></svg>',
    computed_at=NOW - timedelta(hours=7),
    source_as_of=NOW - timedelta(hours=8),
    error=None,
)


def page(
    window: str | None = None,
    snapshot: AuditSnapshotView | None = None,
    action: CutAction | None = None,
    cut: AuditCutView = CUT,
) -> AuditPage:
    snapshots = {} if snapshot is None else {snapshot.cut_id: snapshot}
    metrics = (red("COLD"), ok("STUK"))
    return audit_page(
        AuditRegistry((cut,)), cut.page, window, snapshots, metrics, NOW, BERLIN, action
    )


def panel(snapshot: AuditSnapshotView | None = None, action: CutAction | None = None) -> CutPanel:
    return page(None, snapshot, action).cuts[0]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        pytest.param(None, "30d", id="default"),
        pytest.param("7d", "7d", id="asked"),
        pytest.param("365d", "30d", id="a window that the cut does not have"),
    ],
)
def test_a_cut_is_shown_over_the_asked_window_or_its_default(asked: str | None, shown: str) -> None:
    found = page(asked)
    assert found.cuts[0].window == shown
    assert [(link.text, link.current) for link in found.windows] == [
        ("7d", shown == "7d"),
        ("30d", shown == "30d"),
    ]
    assert [link.href for link in found.windows] == [
        "/audit/overview?window=7d",
        "/audit/overview?window=30d",
    ]


def test_no_window_is_marked_while_the_cuts_of_a_page_differ() -> None:
    weekly = replace(CUT, cut_id="weekly", window_default="7d")
    found = audit_page(AuditRegistry((CUT, weekly)), "overview", None, {}, (), NOW, BERLIN)
    assert [link.current for link in found.windows] == [False, False]


def test_the_finding_of_the_compute_stands_in_place_of_the_general_prose() -> None:
    assert panel(SNAPSHOT).prose == "180,000 EUR is overdue."
    assert panel().prose == "What could be lost."
    assert panel(SNAPSHOT).alt == "Money at risk, 30d. 180,000 EUR is overdue."


def test_a_cut_without_a_snapshot_has_no_picture_nothing_to_download_and_no_age() -> None:
    shown = panel()
    assert (shown.picture, shown.downloads, shown.computed, shown.trouble) == ("", (), "", "")


def test_a_computed_cut_says_when_it_was_and_of_which_moment_its_data_are() -> None:
    assert panel(SNAPSHOT).computed == "computed 07:00, data as of 06:00"
    unknown = replace(SNAPSHOT, source_as_of=None)
    assert panel(unknown).computed == "computed 07:00, age of the data unknown"


def test_the_ids_in_a_picture_are_its_own_on_the_page() -> None:
    assert panel(SNAPSHOT).picture == (
        '<svg><clipPath id="money_at_risk-id1"/><g clip-path="url(#money_at_risk-id1)"/></svg>'
    )


def test_a_failed_compute_leaves_the_picture_and_tells_its_age() -> None:
    failed = replace(SNAPSHOT, error="timeout", computed_at=NOW - timedelta(days=4))
    shown = panel(failed)
    assert shown.trouble == "The last compute failed: timeout · the picture is 4 d old"
    assert shown.picture.startswith("<svg>")
    never = replace(failed, svg=None, payload=None, computed_at=None, source_as_of=None)
    assert panel(never).trouble == "The last compute failed: timeout"


@pytest.mark.parametrize(
    ("hours", "text"), [(8, ""), (36, ""), (37, "data 37 h old"), (80, "data 3 d old")]
)
def test_data_beyond_a_day_and_a_half_are_called_old(hours: int, text: str) -> None:
    assert panel(replace(SNAPSHOT, source_as_of=NOW - timedelta(hours=hours))).stale == text


def test_a_table_is_offered_where_the_payload_has_one() -> None:
    assert [link.text for link in panel(SNAPSHOT).downloads] == ["PNG", "SVG", "CSV"]
    assert panel(SNAPSHOT).downloads[0].href == "/audit/cuts/money_at_risk.png?window=30d"
    payloads: list[dict[str, object]] = [{}, {"rows": []}, {"rows": [1]}, {"rows": "x"}]
    for payload in payloads:
        shown = panel(replace(SNAPSHOT, payload=payload))
        assert [link.text for link in shown.downloads] == ["PNG", "SVG"]


def test_a_cut_leads_to_the_metrics_that_it_explains_in_their_colour() -> None:
    (chip,) = panel().metrics
    assert (chip.code, chip.tier, chip.href) == ("COLD", "red", "/m/COLD")


def test_what_was_refused_stays_typed_beside_its_cut() -> None:
    shown = panel(action=CutAction("money_at_risk", "dana", "owner: no e-mail address"))
    assert (shown.owner, shown.refusal) == ("dana", "owner: no e-mail address")
    other = panel(action=CutAction("another_cut", "dana", "owner: no e-mail address"))
    assert (other.owner, other.refusal) == ("", "")


def test_a_page_is_followed_while_one_of_its_cuts_is_refreshed() -> None:
    going = CutAction("money_at_risk", job=JobLine("Drawing: 1 of 2 windows", running=True))
    assert page(action=going).running
    ended = CutAction("money_at_risk", job=JobLine("Refreshed at 13:00, in 2 s", running=False))
    assert not page(action=ended).running
    assert not page().running


def test_a_link_cannot_leave_its_place_in_the_page() -> None:
    hostile = replace(CUT, page='"><b>/..', cut_id='"><i>')
    assert page(cut=hostile).pages[0].href == "/audit/%22%3E%3Cb%3E%2F.."
    assert cut_href(hostile, "7d") == "/audit/%22%3E%3Cb%3E%2F..?window=7d#%22%3E%3Ci%3E"
