"""What stands where on the wall."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

import pytest

from heartbeat.judgement.signal import Signal
from heartbeat.judgement.status import Status
from heartbeat.metrics.metric_rows import MetricProse
from heartbeat.metrics.metric_view import MetricView, in_wall_order
from heartbeat_api.database import UnavailableError
from heartbeat_api.face import face
from heartbeat_api.holder import Reading
from heartbeat_api.snapshot import Snapshot
from heartbeat_api.wall import Wall, layout, wall
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
    [(0, "r0"), (1, "r1"), (2, "r2"), (3, "r3"), (4, "r4"), (5, "r8"), (8, "r8"), (11, "r8")],
)
def test_the_layout_follows_the_number_of_reds(number: int, name: str) -> None:
    assert wall_of(reds(number)).layout.reds == name


@pytest.mark.parametrize("number", [0, 1, 8, 9, 31])
def test_every_red_is_a_tile_or_a_line(number: int) -> None:
    shown = wall_of(reds(number))
    codes = [tile.code for tile in shown.reds] + [line.code for line in shown.lines]
    assert codes == [f"R{n:03d}" for n in range(number)]
    assert len(shown.reds) == min(number, 8)
    assert shown.counts.red == number


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
    assert face(view, NOW).tier == tier


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
    ],
)
def test_the_state_is_said_in_words(view: MetricView, state: str, new: bool) -> None:
    shown = face(view, NOW)
    assert (shown.state, shown.new) == (state, new)


def test_a_value_without_a_band_is_compared_with_the_line_it_crossed() -> None:
    assert face(red(), NOW).compare == "above the alert line of 60"


def test_a_value_with_a_band_is_compared_with_what_is_typical() -> None:
    assert face(red(delta_text="+37 vs typical 9"), NOW).compare == "+37 vs typical 9"


def test_a_failed_compute_shows_the_last_good_value_and_its_age() -> None:
    shown = face(failed(ok(computed_at=NOW - timedelta(hours=11))), NOW)
    assert (shown.trouble, shown.last_value, shown.brief) == (
        "Compute error",
        "5, 11 h ago",
        "error",
    )


def test_a_metric_without_a_value_never_reads_as_zero() -> None:
    nothing = ok(value=None, value_text=None, computed_at=None, signal=Signal.NO_DATA)
    shown = face(replace(nothing, status=Status.AMBER), NOW)
    assert (shown.figure, shown.value, shown.brief) == ("—", "—", "no data")
    assert (shown.trouble, shown.last_value) == ("No data yet", "no value yet")


def test_the_age_of_the_source_is_judged_at_the_time_of_the_wall() -> None:
    shown = face(ok(source_as_of=NOW - timedelta(hours=52)), NOW)
    assert (shown.source_age, shown.source_freshness) == ("52 h", "red")


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


def test_a_lost_database_is_named_with_the_age_of_what_is_shown() -> None:
    snapshot = Snapshot(NOW - timedelta(minutes=23), (ok(),), NO_PROSE)
    shown = wall(Reading(snapshot, "connection refused"), NOW, UTC_ZONE)
    assert shown.lost == "NO DATABASE for 23 min"
    assert [line.code for line in shown.oks] == ["STUK"]


def test_a_wall_without_any_snapshot_is_refused_with_the_reason() -> None:
    with pytest.raises(UnavailableError, match="connection refused"):
        wall(Reading(None, "connection refused"), NOW, UTC_ZONE)


@pytest.mark.parametrize(
    ("computed_at", "text"),
    [
        pytest.param(NOW - timedelta(minutes=15), "13:45", id="today"),
        pytest.param(NOW - timedelta(days=2), "18 May 14:00", id="an earlier day"),
        pytest.param(None, "none yet", id="never"),
    ],
)
def test_the_data_time_is_written_in_the_business_time_zone(computed_at: object, text: str) -> None:
    snapshot = Snapshot(NOW, (ok(computed_at=computed_at),), NO_PROSE)
    shown = wall(Reading(snapshot, None), NOW, ZoneInfo("Europe/Berlin"))
    assert (shown.data_time, shown.clock, shown.zone) == (text, "14:00", "CEST")


@pytest.mark.parametrize(
    ("red_tiles", "medium", "lines", "oks", "density"),
    [
        pytest.param(4, 6, 0, 7, "roomy", id="four reds over few others"),
        pytest.param(4, 1, 0, 26, "tight", id="four reds over many others"),
        pytest.param(8, 0, 0, 7, "roomy", id="eight reds over few others"),
        pytest.param(8, 0, 8, 15, "tight", id="eight reds over many others"),
        pytest.param(8, 0, 37, 0, "tight tightest", id="eight reds over too many others"),
    ],
)
def test_reds_shrink_when_others_take_their_height(
    red_tiles: int, medium: int, lines: int, oks: int, density: str
) -> None:
    assert layout(red_tiles, medium, lines, oks).density == density
