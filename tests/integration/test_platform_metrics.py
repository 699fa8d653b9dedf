"""The platform watches itself, with metrics like all others, also while nothing computes."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg import sql

from heartbeat.displays import Beat, store_beats
from heartbeat.judgement.freshness import Freshness
from heartbeat.judgement.pulse import blind_since
from heartbeat.judgement.signal import Signal
from heartbeat.judgement.status import Status
from heartbeat.metrics.compute import compute_and_store
from heartbeat.metrics.metric_file import load_metrics
from heartbeat.metrics.metric_rows import read_last_compute
from heartbeat.metrics.metric_view import MetricView, read_metrics
from heartbeat.metrics.platform_metrics import FOLDER, load_platform_metrics
from heartbeat.metrics.registry import sync
from heartbeat.platform_state import (
    DiskSpace,
    RunQueue,
    disk_space,
    read_disks,
    recording_disk,
    store_disk,
    store_queue,
)
from heartbeat.project import Project
from heartbeat.settings import Settings

AGE, QUEUE, FAILING, DISK, SCREENS = "HBRA", "HBQW", "HBFT", "HBFD", "HBDS"
GIGABYTE = 1_000_000_000


@pytest.fixture
def platform(settings: Settings, marts: psycopg.Connection) -> Project:
    """The metrics of a project that has none but those of the platform, registered."""
    project = Project(settings.project, watches_platform=True)
    sync(marts, project.metrics)
    return project


def seen(marts: psycopg.Connection, now: datetime | None = None) -> dict[str, MetricView]:
    views = read_metrics(marts, now=now or datetime.now(UTC), zone=ZoneInfo("UTC"))
    return {view.code: view for view in views}


def computed(project: Project, settings: Settings, as_of: datetime) -> dict[str, Decimal | None]:
    outcomes = compute_and_store(project.metrics.metrics, settings, as_of=as_of, run_id="run")
    return {each.metric_id: each.value for each in outcomes if each.error is None}


def test_every_file_of_the_package_can_be_used() -> None:
    loaded = load_metrics(FOLDER)
    assert loaded.problems == ()
    assert {metric.code for metric in loaded.metrics} == {AGE, QUEUE, FAILING, DISK, SCREENS}
    assert all(
        each.description and each.how_to_read and each.methodology for each in loaded.metrics
    )
    assert all(ref.schema == "heartbeat" for each in loaded.metrics for ref in each.reads)


def test_they_compute_like_every_other_on_an_empty_database(
    platform: Project, settings: Settings, marts: psycopg.Connection
) -> None:
    found = computed(platform, settings, datetime.now(UTC))
    assert found.keys() == {metric.metric_id for metric in platform.metrics.metrics}
    kept = marts.execute("select count(*) from heartbeat.metric_history").fetchone()
    assert kept == (5,)
    views = seen(marts)
    assert {view.signal for view in views.values()} == {Signal.OK}
    assert {view.freshness for view in views.values()} == {Freshness.FRESH}
    assert views[AGE].status is Status.GREEN
    assert views[AGE].norm_value == Decimal("1.5")


def test_before_the_first_refresh_has_ended_its_age_is_not_known(
    settings: Settings, marts: psycopg.Connection
) -> None:
    project = Project(settings.project, watches_platform=True)
    text = (FOLDER / "platform_dark_screens.sql").read_text(encoding="utf-8")
    for n in range(len(project.metrics.metrics) + 1):
        own = text[: text.index("-- name: value")].replace("HBDS", f"ZZZ{n}")
        file = settings.project / "metrics" / f"own_{n}.sql"
        file.write_text(own + "-- name: value\nselect 0\n", encoding="utf-8")
    project = Project(settings.project, watches_platform=True)
    sync(marts, project.metrics)
    assert seen(marts)[AGE].signal is Signal.NO_DATA
    platform = [each for each in project.metrics.metrics if each.code.startswith("HB")]
    outcomes = compute_and_store(platform, settings, as_of=datetime.now(UTC), run_id="first")
    assert [outcome.error for outcome in outcomes] == [None] * len(platform)
    view = seen(marts)[AGE]
    assert (view.value, view.status, view.signal) == (None, Status.AMBER, Signal.NO_DATA)
    computed(project, settings, datetime.now(UTC))
    assert seen(marts)[AGE].status is Status.GREEN


def test_the_age_of_the_last_refresh_grows_while_nothing_computes(
    platform: Project, settings: Settings, marts: psycopg.Connection
) -> None:
    computed(platform, settings, datetime.now(UTC))
    later = datetime.now(UTC) + timedelta(hours=5)
    view = seen(marts, later)[AGE]
    assert view.value == Decimal("5.0")
    assert view.status is Status.RED
    assert view.source_as_of == later


def test_one_metric_that_is_computed_by_hand_hides_no_schedule_that_has_stopped(
    platform: Project, settings: Settings, marts: psycopg.Connection
) -> None:
    computed(platform, settings, datetime.now(UTC))
    marts.execute("alter table heartbeat.metric_observation disable trigger user")
    for table in ("metric_history", "metric_observation"):
        marts.execute(
            sql.SQL("update {} set computed_at = computed_at - interval '3 hours'").format(
                sql.Identifier("heartbeat", table)
            )
        )
    by_hand = [metric for metric in platform.metrics.metrics if metric.code == QUEUE]
    compute_and_store(by_hand, settings, as_of=datetime.now(UTC), run_id="by hand")
    last = read_last_compute(marts)
    assert last is not None
    assert blind_since(last, datetime.now(UTC)) == last
    assert seen(marts)[AGE].status is Status.RED


def test_a_good_one_stands_behind_the_companys_and_a_red_one_before(
    platform: Project, settings: Settings, marts: psycopg.Connection
) -> None:
    text = (FOLDER / "platform_dark_screens.sql").read_text(encoding="utf-8")
    own = text.replace("HBDS", "ZZZZ").split("-- name: value")[0] + "-- name: value\nselect 0\n"
    (settings.project / "metrics" / "ours.sql").write_text(own, encoding="utf-8")
    project = Project(settings.project, watches_platform=True)
    sync(marts, project.metrics)
    computed(project, settings, datetime.now(UTC))
    assert next(iter(seen(marts))) == "ZZZZ"
    assert next(iter(seen(marts, datetime.now(UTC) + timedelta(hours=3)))) == AGE


def test_a_metric_in_error_does_not_hide_that_the_others_were_refreshed(
    platform: Project, settings: Settings, marts: psycopg.Connection
) -> None:
    computed(platform, settings, datetime.now(UTC))
    marts.execute(
        "update heartbeat.metric_history"
        " set error = 'broken', computed_at = now() - interval '9 days'"
        " where metric_id = 'platform_failing_tables'"
    )
    assert seen(marts)[AGE].status is Status.GREEN


def test_a_run_that_waits_and_a_queue_that_nobody_sees_turn_red(
    platform: Project, marts: psycopg.Connection
) -> None:
    now = datetime.now(UTC)
    store_queue(marts, RunQueue(2, now - timedelta(minutes=70), now))
    waiting = seen(marts, now)[QUEUE]
    assert (waiting.value, waiting.status) == (Decimal(70), Status.RED)
    store_queue(marts, RunQueue(0, None, now + timedelta(minutes=1)))
    assert seen(marts, now + timedelta(minutes=2))[QUEUE].value == 0
    assert seen(marts, now + timedelta(minutes=5))[QUEUE].value == 0
    unseen = seen(marts, now + timedelta(minutes=91))[QUEUE]
    assert (unseen.value, unseen.status) == (Decimal(90), Status.RED)


def test_tables_that_did_not_land_are_counted_and_dropped_ones_are_not(
    platform: Project, marts: psycopg.Connection
) -> None:
    marts.execute(
        "insert into heartbeat.table_load"
        " (schema_name, table_name, write_mode, run_id, error, dropped_at)"
        " values ('a', 'b', 'merge', 'r', 'gone', null), ('a', 'c', 'merge', 'r', null, null),"
        " ('a', 'd', 'merge', 'r', 'gone', now())"
    )
    view = seen(marts)[FAILING]
    assert (view.value, view.status) == (Decimal(1), Status.AMBER)


def test_the_tightest_disk_counts_and_a_machine_that_is_gone_does_not(
    platform: Project, marts: psycopg.Connection
) -> None:
    now = datetime.now(UTC)
    for machine, free, age in (("a", 2, 0), ("b", 50, 0), ("gone", 1, 3)):
        seen_at = now - timedelta(days=age)
        store_disk(marts, DiskSpace(machine, free * GIGABYTE, 100 * GIGABYTE, seen_at))
    view = seen(marts, now)[DISK]
    assert (view.value_text, view.status) == ("2 GB", Status.RED)


def test_dark_screens_are_counted(platform: Project, marts: psycopg.Connection) -> None:
    now = datetime.now(UTC)
    for name, first, last in (("hall", 300, 10), ("desk", 20, 10), ("lab", 300, 0)):
        for minutes in (first, last):
            at = now - timedelta(minutes=minutes)
            store_beats(marts, [Beat(name, "/", "b", at, at)])
    assert seen(marts, now)[SCREENS].value == 1


def test_a_landing_records_what_it_took_and_the_next_one_is_said_to_need_it(
    settings: Settings, marts: psycopg.Connection
) -> None:
    with recording_disk(settings, "run-1"):
        marts.execute("create table public.filled as select generate_series(1, 20000) as n")
    ((run, before, lowest, grown),) = marts.execute(
        "select run_id, free_before, free_lowest, database_after - database_before"
        " from heartbeat.refresh_disk"
    ).fetchall()
    assert run == "run-1"
    assert lowest <= before
    assert grown > 0
    marts.execute("update heartbeat.refresh_disk set free_lowest = 0, free_before = %s", [10**15])
    (disk,) = read_disks(marts)
    assert disk.refresh_bytes == 10**15
    assert disk.is_short


def test_a_state_folder_that_is_not_there_yet_has_the_disk_that_it_will_be_on(
    settings: Settings,
) -> None:
    assert (
        disk_space(settings.home / "a" / "b").size_bytes == disk_space(settings.project).size_bytes
    )


def test_a_metric_of_the_company_goes_before_one_of_the_platform(settings: Settings) -> None:
    text = (FOLDER / "platform_dark_screens.sql").read_text(encoding="utf-8")
    own = text[: text.index("-- name: value")] + "-- name: value\nselect 1 as v from bank.screen\n"
    (settings.project / "metrics" / "ours.sql").write_text(own, encoding="utf-8")
    project = Project(settings.project, watches_platform=True)
    assert [m.metric_id for m in project.metrics.metrics if m.code == SCREENS] == ["ours"]
    assert len(project.metrics.metrics) == len(load_platform_metrics())
    (note,) = project.notes
    assert str(note).endswith("metric HBDS (Screens that have gone dark) is left out for it")
    assert Project(settings.project).notes == ()


def test_they_are_off_by_one_setting(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTBEAT_PLATFORM_METRICS", "false")
    assert Project.of(Settings.load()).metrics.metrics == ()
    monkeypatch.delenv("HEARTBEAT_PLATFORM_METRICS")
    assert len(Project.of(Settings.load()).metrics.metrics) == 5
