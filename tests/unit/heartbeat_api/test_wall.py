"""What stands where on the wall."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from zoneinfo import ZoneInfo

import pytest

from heartbeat.judgement.signal import Signal
from heartbeat.judgement.status import Status
from heartbeat.landing.landing_state import RESTORED, FailedLoad, LandingState
from heartbeat.metrics.metric_rows import MetricProse
from heartbeat.metrics.metric_view import MetricView, in_wall_order
from heartbeat.platform_state import DiskSpace
from heartbeat_api.database import UnavailableError
from heartbeat_api.face import face
from heartbeat_api.holder import Reading
from heartbeat_api.shell import Shell
from heartbeat_api.snapshot import Snapshot
from heartbeat_api.template import render
from heartbeat_api.wall import Wall, wall
from tests.unit.heartbeat_api.views import NOW, amber, failed, ok, red

UTC_ZONE = ZoneInfo("UTC")
NO_PROSE: Mapping[str, MetricProse] = MappingProxyType({})


def wall_of(metrics: Sequence[MetricView], failure: str | None = None) -> Wall:
    snapshot = Snapshot(NOW, in_wall_order(metrics), NO_PROSE)
    return wall(Reading(snapshot, failure), NOW, UTC_ZONE)


def reds(number: int) -> list[MetricView]:
    return [red(f"R{n:03d}") for n in range(number)]


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0, "r0"),
        (1, "r1"),
        (2, "r2"),
        (3, "r3"),
        (4, "r4"),
        (5, "r8 r6"),
        (6, "r8 r6"),
        (7, "r8"),
        (11, "r8"),
    ],
)
def test_the_layout_follows_the_number_of_reds(number: int, name: str) -> None:
    assert wall_of(reds(number)).layout.reds == name


@pytest.mark.parametrize(
    ("number", "pages"),
    [(0, []), (1, [1]), (8, [8]), (9, [8, 1]), (11, [8, 3]), (31, [8, 8, 8, 7])],
)
def test_every_red_is_a_tile_of_a_page_that_has_room_for_eight(
    number: int, pages: list[int]
) -> None:
    shown = wall_of(reds(number))
    codes = [tile.code for page in shown.pages for tile in page]
    assert codes == [f"R{n:03d}" for n in range(number)]
    assert [len(page) for page in shown.pages] == pages
    assert [line.code for line in shown.more_reds] == codes[8:]
    assert (shown.counts.red, shown.lines) == (number, ())


@pytest.mark.parametrize(
    ("red_count", "amber_count", "broken_count", "tiles"),
    [
        pytest.param(4, 6, 0, True, id="six ambers fill the row"),
        pytest.param(4, 7, 0, False, id="a seventh amber makes lines of all"),
        pytest.param(4, 5, 2, True, id="two without signal share a place"),
        pytest.param(4, 5, 3, False, id="three without signal take two places"),
        pytest.param(5, 1, 0, False, id="beside two rows of reds ambers are lines"),
        pytest.param(0, 6, 0, True, id="without a red"),
    ],
)
def test_ambers_and_no_signals_are_tiles_while_they_fit(
    red_count: int, amber_count: int, broken_count: int, tiles: bool
) -> None:
    ambers = [amber(f"A{n:03d}") for n in range(amber_count)]
    broken = [failed(ok(f"E{n:03d}")) for n in range(broken_count)]
    shown = wall_of([*reds(red_count), *ambers, *broken])
    assert len(shown.ambers) == (amber_count if tiles else 0)
    assert sum(map(len, shown.unknown_pairs)) == (broken_count if tiles else 0)
    assert len(shown.lines) == (0 if tiles else amber_count + broken_count)


@pytest.mark.parametrize(
    ("view", "tier"),
    [
        pytest.param(red(), "red", id="red"),
        pytest.param(failed(red()), "red", id="a red that fails to compute stays red"),
        pytest.param(amber(), "amber", id="amber"),
        pytest.param(failed(amber()), "unknown", id="an amber that fails to compute"),
        pytest.param(failed(ok()), "unknown", id="an ok that fails to compute"),
        pytest.param(
            ok(value=None, value_text=None, status=Status.AMBER, signal=Signal.NO_DATA),
            "unknown",
            id="no data yet",
        ),
        pytest.param(ok(), "ok", id="ok"),
    ],
)
def test_a_metric_gets_the_box_of_its_status_and_signal(view: MetricView, tier: str) -> None:
    assert face(view, NOW, UTC_ZONE).tier == tier


@pytest.mark.parametrize(
    ("view", "state", "new"),
    [
        pytest.param(red(since=NOW - timedelta(days=87)), "red 87 d", False, id="old red"),
        pytest.param(red(since=NOW - timedelta(hours=5)), "new 5 h", True, id="new red"),
        pytest.param(red(since=NOW - timedelta(hours=24)), "red 24 h", False, id="a day old"),
        pytest.param(
            failed(red(since=NOW - timedelta(hours=11))), "error 11 h", False, id="failing red"
        ),
        pytest.param(amber(since=NOW - timedelta(days=6)), "for 6 d", False, id="amber"),
        pytest.param(
            red(since=NOW - timedelta(days=89), since_at_least=True),
            "red for at least 89 d",
            False,
            id="red since history begins",
        ),
        pytest.param(
            red(since=NOW - timedelta(hours=5), since_at_least=True),
            "red for at least 5 h",
            False,
            id="nobody knows whether it is new",
        ),
        pytest.param(
            amber(since=NOW - timedelta(days=89), since_at_least=True),
            "for at least 89 d",
            False,
            id="amber since history begins",
        ),
    ],
)
def test_the_state_is_said_in_words(view: MetricView, state: str, new: bool) -> None:
    shown = face(view, NOW, UTC_ZONE)
    least = "at least " if shown.at_least else ""
    assert (f"{shown.state} {least}{shown.since.text}", shown.new) == (state, new)


@pytest.mark.parametrize(
    ("changes", "why", "compare"),
    [
        pytest.param({}, "above alert 60", "", id="a line, no band"),
        pytest.param(
            {"delta_text": "+90 vs typical 9"}, "above alert 60", "+90 vs typical 9", id="both"
        ),
        pytest.param(
            {"reason": "99 is 3 σ above typical 9", "delta_text": "+90 vs typical 9"},
            "3 σ above typical 9",
            "",
            id="the band itself",
        ),
    ],
)
def test_a_red_says_why_it_is_red_before_what_is_typical(
    changes: Mapping[str, object], why: str, compare: str
) -> None:
    shown = face(red("STUK", **changes), NOW, UTC_ZONE)
    assert (shown.why, shown.compare) == (why, compare)
    tile = render("wall.html", **_page_of(red("STUK", **changes))).partition('<div class="dl">')[2]
    told = re.sub(r"<[^>]+>", "", tile.partition("</div>")[0])
    assert told == " · ".join(filter(None, (why, compare)))


def _page_of(view: MetricView) -> Mapping[str, object]:
    snapshot = Snapshot(NOW, (view,), NO_PROSE)
    shell = Shell(docs=False, feedback=None, zone=UTC_ZONE)
    return {
        "wall": wall(Reading(snapshot, None), NOW, UTC_ZONE),
        "frame": shell.frame("/", snapshot, NOW),
    }


def test_money_is_one_figure_of_one_size() -> None:
    page = render("wall.html", **_page_of(red(unit="EUR", value=Decimal(180_000))))
    assert re.search(r'<div class="v n5">€180k</div>', page)


def test_a_failed_compute_shows_the_last_good_value_and_its_age() -> None:
    shown = face(failed(ok(computed_at=NOW - timedelta(hours=11))), NOW, UTC_ZONE)
    assert (shown.trouble, shown.last_value, shown.brief) == ("Compute error", "5", "error")
    assert shown.last_good is not None
    assert shown.last_good.text == "11 h"


def test_a_failed_compute_tells_why_in_whole_words() -> None:
    words = "core.fee is gone since 28 Nov 14:17; renamed to fees?"
    shown = face(replace(failed(red()), error=f"stuck.sql:11: {words}"), NOW, UTC_ZONE)
    assert shown.error.replace("\u200b", "") == words
    long = face(replace(failed(red()), error=f"{words}\n" * 9), NOW, UTC_ZONE).error
    assert long.endswith(" …")
    assert set(long.replace("\u200b", "").split()) <= {*words.split(), "…"}
    assert face(red(), NOW, UTC_ZONE).error == ""


def test_a_metric_without_a_value_never_reads_as_zero() -> None:
    nothing = ok(value=None, value_text=None, computed_at=None, signal=Signal.NO_DATA)
    shown = face(replace(nothing, status=Status.AMBER), NOW, UTC_ZONE)
    assert (shown.figure, shown.value, shown.brief) == ("—", "—", "no data")
    assert (shown.trouble, shown.last_value, shown.last_good) == (
        "No data yet",
        "no value yet",
        None,
    )


def test_the_age_of_the_source_is_judged_at_the_time_of_the_wall() -> None:
    shown = face(ok(source_as_of=NOW - timedelta(hours=52)), NOW, UTC_ZONE)
    assert shown.source_age is not None
    assert (shown.source_age.text, shown.source_freshness) == ("52 h", "red")


@pytest.mark.parametrize(
    ("metrics", "headline"),
    [
        pytest.param([], "No metric is registered yet.", id="nothing"),
        pytest.param([ok()], "No red. All within norms.", id="all ok"),
        pytest.param([amber(), ok("BALS")], "No red. 1 amber to watch.", id="amber"),
        pytest.param(
            [amber(), failed(ok("BALS"))],
            "No red. 1 amber and 1 without signal to watch.",
            id="both",
        ),
        pytest.param([red()], "", id="a red needs no headline"),
    ],
)
def test_a_wall_without_red_says_so(metrics: Sequence[MetricView], headline: str) -> None:
    assert wall_of(metrics).headline == headline


def never_computed(code: str) -> MetricView:
    return ok(
        code,
        value=None,
        value_text=None,
        computed_at=None,
        status=Status.AMBER,
        signal=Signal.NO_DATA,
    )


OF_PLATFORM = [
    replace(ok(f"HB{n}"), metric_id=name, reads=("heartbeat.platform_screen",))
    for n, name in enumerate(("platform_dark_screens", "platform_failing_tables"))
]


@pytest.mark.parametrize(
    ("metrics", "headline", "icon"),
    [
        pytest.param(
            [never_computed("BALS"), never_computed("STUK"), ok("FEES"), *OF_PLATFORM],
            "No data yet: the first refresh has not ended.",
            "unknown",
            id="under way",
        ),
        pytest.param(
            [never_computed("BALS"), ok("STUK"), ok("FEES")],
            "No red. 1 without signal to watch.",
            "ok",
            id="one that is new",
        ),
        pytest.param(
            [failed(ok("BALS")), failed(ok("STUK"))],
            "No red. 2 without signal to watch.",
            "unknown",
            id="nothing speaks",
        ),
    ],
)
def test_a_wall_without_a_number_does_not_look_like_health(
    metrics: Sequence[MetricView], headline: str, icon: str
) -> None:
    shown = wall_of(metrics)
    assert shown.headline == headline
    page = render("wall.html", wall=shown, frame=_page_of(ok())["frame"])
    assert f'#s-{icon}"' in page.partition('<p class="calm">')[2].partition("</p>")[0]


def test_while_nothing_new_can_be_read_the_age_of_what_is_shown_is_told() -> None:
    snapshot = Snapshot(NOW - timedelta(minutes=23), (ok(),), NO_PROSE)
    shown = wall(Reading(snapshot, "connection refused"), NOW, UTC_ZONE)
    assert shown.lost is not None
    assert shown.lost.text == "23 min"
    assert [line.code for line in shown.oks] == ["STUK"]


def test_an_engine_that_computes_nothing_is_told_with_its_last_compute() -> None:
    snapshot = Snapshot(NOW, (ok(),), NO_PROSE, last_compute=NOW - timedelta(hours=3))
    assert wall(Reading(snapshot, None), NOW, ZoneInfo("Europe/Berlin")).data.blind == "11:00"
    assert wall_of([ok()]).data.blind == ""


def disk(machine: str, free: int, needed: int | None) -> DiskSpace:
    return DiskSpace(machine, free * 10**8, 10**12, NOW, needed and needed * 10**8)


@pytest.mark.parametrize(
    ("disks", "told"),
    [
        ([], ""),
        ([disk("a", 1, None)], ""),
        ([disk("a", 30, 30)], ""),
        ([disk("a", 21, 30)], "disk: 2.1 GB free, a refresh needs 3.0 GB"),
        (
            [disk("a", 0, 30), disk("b", 90, 30)],
            "disk of a: 0 MB free, a refresh needs 3.0 GB",
        ),
    ],
)
def test_a_disk_with_less_room_than_a_refresh_needs_is_told(
    disks: Sequence[DiskSpace], told: str
) -> None:
    snapshot = Snapshot(NOW, (ok(),), NO_PROSE, disks=tuple(disks))
    shown = wall(Reading(snapshot, None), NOW, UTC_ZONE)
    assert shown.data.disk == told
    frame = Shell(False, None, UTC_ZONE).frame("/", snapshot, NOW)
    assert (f"<span>{told}</span>" in render("wall.html", wall=shown, frame=frame)) == bool(told)


def test_a_watchlist_shows_its_metrics_only_in_the_order_of_the_wall() -> None:
    metrics = in_wall_order([ok("BALS"), red("R001"), red("R002"), amber("STUK")])
    chosen = frozenset({metrics[0].metric_id, metrics[3].metric_id})
    snapshot = Snapshot(NOW, metrics, NO_PROSE, watchlists={"board": chosen})
    shown = wall(Reading(snapshot, None), NOW, UTC_ZONE, "board")
    assert [face.code for face in (*shown.pages[0], *shown.oks)] == [
        metrics[0].code,
        metrics[3].code,
    ]
    everything = wall(Reading(snapshot, None), NOW, UTC_ZONE)
    assert [tile.watched for tile in everything.pages[0]] == [True, False]


def test_a_version_stays_while_only_clocks_go_on_and_changes_with_a_number() -> None:
    snapshot = Snapshot(NOW, in_wall_order([red(), ok("BALS")]), NO_PROSE)
    now_and_later = [
        wall(Reading(snapshot, None), NOW + timedelta(minutes=minutes), UTC_ZONE)
        for minutes in (0, 1)
    ]
    assert now_and_later[0].version == now_and_later[1].version
    changed = Snapshot(NOW, in_wall_order([red(value_text="61"), ok("BALS")]), NO_PROSE)
    after = wall(Reading(changed, None), NOW, UTC_ZONE)
    assert after.version != now_and_later[0].version
    assert after.oks[0].version == now_and_later[0].oks[0].version
    assert after.pages[0][0].version != now_and_later[0].pages[0][0].version


def test_a_version_changes_when_a_source_becomes_stale_by_itself() -> None:
    snapshot = Snapshot(NOW, (ok(source_as_of=NOW - timedelta(hours=20)),), NO_PROSE)
    fresh, stale = (
        wall(Reading(snapshot, None), NOW + timedelta(hours=hours), UTC_ZONE) for hours in (0, 40)
    )
    assert fresh.version != stale.version


def test_a_wall_without_any_snapshot_is_refused_with_the_reason() -> None:
    with pytest.raises(UnavailableError, match="connection refused"):
        wall(Reading(None, "connection refused"), NOW, UTC_ZONE)


@pytest.mark.parametrize(
    ("source_as_of", "text"),
    [
        pytest.param(NOW - timedelta(minutes=15), "13:45", id="today"),
        pytest.param(NOW - timedelta(days=2), "18 May 14:00", id="an earlier day"),
        pytest.param(None, "none yet", id="never"),
    ],
)
def test_source_time_and_clock_are_of_the_business_time_zone(
    source_as_of: object, text: str
) -> None:
    shell = Shell(docs=False, feedback=None, zone=ZoneInfo("Europe/Berlin"))
    frame = shell.frame("/", Snapshot(NOW, (ok(source_as_of=source_as_of),), NO_PROSE), NOW)
    assert (frame.data.time, frame.clock, frame.zone_name) == (text, "14:00:00", "CEST")


def test_the_header_counts_what_comes_from_an_old_source() -> None:
    ages = {"A": timedelta(minutes=5), "B": timedelta(hours=52), "C": timedelta(days=9)}
    stale = [ok(code=code, source_as_of=NOW - age) for code, age in ages.items()]
    assert wall_of(stale).data.stale == "2 stale"
    assert wall_of(stale[:1]).data.stale == ""
    assert wall_of([*stale, ok("D", source_as_of=None)]).data.stale == "2 stale, 1 of unknown age"
    no_value = ok("D", source_as_of=None, value=None)
    assert wall_of([no_value, ok("E", source_as_of=None, reads=())]).data.stale == ""


def test_the_header_tells_the_oldest_poll_among_what_is_shown() -> None:
    old = ok("OLD", source_as_of=NOW - timedelta(hours=3))
    not_shown = ok("NONE", value=None, source_as_of=NOW - timedelta(hours=9))
    snapshot = Snapshot(
        NOW, (ok(), old, not_shown), NO_PROSE, watchlists={"board": frozenset(["metric_stuk"])}
    )
    reading = Reading(snapshot, None)
    assert wall(reading, NOW, UTC_ZONE).data.time == "09:00"
    assert wall(reading, NOW, UTC_ZONE, "board").data.time == "11:19"


REFUSED = [FailedLoad(f"bank.t{n}", None, "connection refused", NOW) for n in range(3)]
UNLANDED = [FailedLoad(f"bank.v{n}", None, RESTORED, NOW + timedelta(hours=1)) for n in range(3)]
BROKEN_OFF = [FailedLoad(f"bank.u{n}", NOW, None, NOW) for n in range(2)]


@pytest.mark.parametrize(
    ("tables", "failed", "text"),
    [
        pytest.param(9, [], "", id="all landed"),
        pytest.param(3, REFUSED, "refresh failed 12:00: 3 tables refused", id="all refused"),
        pytest.param(9, REFUSED[:1], "refresh failed 12:00: 1 of 9 tables refused", id="partly"),
        pytest.param(1, REFUSED[:1], "refresh failed 12:00: 1 table refused", id="the only one"),
        pytest.param(
            9, BROKEN_OFF, "refresh broke off 12:00: 2 of 9 tables not landed", id="a run that died"
        ),
        pytest.param(
            9,
            [*REFUSED, *BROKEN_OFF],
            "refresh failed 12:00: 3 of 9 tables refused, 2 not landed",
            id="both",
        ),
        pytest.param(
            3, UNLANDED, "3 tables not landed since the restore", id="a restore and no refresh"
        ),
        pytest.param(
            9,
            [*REFUSED[:1], *UNLANDED],
            "refresh failed 12:00: 1 of 9 tables refused, 3 not landed since the restore",
            id="a refresh that failed after a restore",
        ),
        pytest.param(
            3,
            [replace(load, at=None) for load in REFUSED],
            "refresh failed: 3 tables refused",
            id="before the moment was written down",
        ),
    ],
)
def test_what_a_refresh_did_not_land_stands_in_the_header_and_changes_the_version(
    tables: int, failed: Sequence[FailedLoad], text: str
) -> None:
    snapshot = Snapshot(NOW, (ok(),), NO_PROSE, landing=LandingState(tables, tuple(failed)))
    shown = wall(Reading(snapshot, None), NOW, UTC_ZONE)
    assert shown.data.refresh == text
    assert (shown.version != wall_of([ok()]).version) == bool(text)


@pytest.mark.parametrize(
    ("now", "reload"),
    [
        ("2026-05-20T02:09:00Z", "2026-05-20T02:10:00Z"),
        ("2026-05-20T02:10:00Z", "2026-05-21T02:10:00Z"),
    ],
    ids=["before", "after"],
)
def test_a_wall_loads_itself_anew_at_night(now: str, reload: str) -> None:
    snapshot = Snapshot(NOW, (ok(),), NO_PROSE)
    moment = datetime.fromisoformat(now)
    shown = wall(Reading(snapshot, None), moment, ZoneInfo("Europe/Berlin"))
    assert shown.reload_at == int(datetime.fromisoformat(reload).timestamp())
