"""What the doctor says of parts that are not well; that of a whole stack is with its tests."""

import socket
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from heartbeat.displays import Beat, store_beats
from heartbeat.platform_state import disk_space
from heartbeat.refresh.dagster_client import ScheduleState
from heartbeat.settings import Settings
from heartbeat.stack.doctor import Finding, State, behind, code_schema_version, examine, skewed
from tests.integration.command_line import Run
from tests.integration.dagster_stub import Dagster, dagster
from tests.integration.tiny_project import TinyProject


def examined(settings: Settings) -> dict[str, Finding]:
    return {each.part: each for each in examine(settings)}


def test_with_everything_away_each_part_says_so_and_what_to_do(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARTBEAT_DATABASE_URL", "postgresql://nobody:hush@127.0.0.1:1/marts")
    monkeypatch.setenv("HEARTBEAT_DAGSTER_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HEARTBEAT_API_PORT", "1")
    found = examined(Settings.load())
    away = {part for part, each in found.items() if each.state is State.FAIL}
    of_marts = {"marts", "schema", "roles", "clock", "screens"}
    assert away == of_marts | {"api", "code location", "daemon", "queue", "schedules"}
    assert all(found[part].to_do for part in away)
    assert "hush" not in str(found)


def test_a_part_that_hangs_does_not_keep_the_others_waiting(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("HEARTBEAT_DAGSTER_URL", address)
        found = {each.part: each for each in examine(Settings.load(), seconds=2)}
    assert found["marts"].state is State.OK
    assert (found["queue"].state, found["queue"].told) == (State.FAIL, "no answer within 2 s")


def test_an_older_schema_and_a_newer_one_are_told(
    settings: Settings, marts: psycopg.Connection
) -> None:
    assert examined(settings)["schema"].state is State.OK
    for version, to_do in (("0001", "heartbeat migrate"), ("9999", "newer Heartbeat")):
        marts.execute("update heartbeat.schema_version set version_num = %s", [version])
        found = examined(settings)["schema"]
        assert found.state is State.FAIL
        assert found.told == f"marts has version {version}, this code {code_schema_version()}"
        assert to_do in found.to_do


def test_a_database_without_the_schema_wants_a_migration(
    settings: Settings, marts: psycopg.Connection
) -> None:
    marts.execute("drop schema heartbeat cascade")
    found = examined(settings)
    assert found["schema"].to_do == "run `heartbeat migrate`"
    assert "does not exist" in found["screens"].told


def test_a_disk_with_less_room_than_a_refresh_needs_and_a_dark_screen_are_warnings(
    settings: Settings, marts: psycopg.Connection
) -> None:
    now = datetime.now(UTC)
    machine = disk_space(settings.home).machine
    marts.execute("insert into heartbeat.disk_space values (%s, 1, 1, now())", [machine])
    marts.execute(
        "insert into heartbeat.refresh_disk values ('r', %s, now(), now(), %s, 0, 0, 1, 1)",
        [machine, 10**15],
    )
    for age in (300, 10):
        at = now - timedelta(minutes=age)
        store_beats(marts, [Beat("hall", "/", "b", at, at)])
    found = examined(settings)
    assert found["disk"].state is State.WARN
    assert "a refresh needs 1,000,000.0 GB" in found["disk"].told
    assert (found["screens"].state, found["screens"].told) == (State.WARN, "dark: hall")


def test_a_source_that_answers_one_that_does_not_and_one_that_is_not_known_here(
    tiny: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert examined(tiny.settings)["source bank"].state is State.OK
    monkeypatch.setenv("SOURCE_BANK_URL", "postgresql://nobody:hush@127.0.0.1:1/bank")
    found = examined(tiny.settings)["source bank"]
    assert found.state is State.FAIL
    assert "SOURCE_BANK_URL" in found.to_do
    assert "hush" not in found.told
    monkeypatch.delenv("SOURCE_BANK_URL")
    assert examined(tiny.settings)["source bank"].state is State.WARN


def test_a_run_that_is_queued_is_counted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dagster() as address:
        Dagster.status = "QUEUED"
        monkeypatch.setenv("HEARTBEAT_DAGSTER_URL", address)
        found = examined(Settings.load())["queue"]
    assert (found.state, found.told) == (State.OK, "0 runs in progress, 1 waiting")


@pytest.mark.parametrize(
    ("seconds", "state"),
    [(0.5, State.OK), (-3, State.WARN), (3, State.WARN), (-400, State.FAIL), (400, State.FAIL)],
)
def test_clocks_that_differ_are_told_by_how_much(seconds: float, state: State) -> None:
    found = skewed("clock", "marts", timedelta(seconds=seconds))
    assert found.state is state
    assert f"{abs(seconds):.1f} s {'ahead' if seconds > 0 else 'behind'}" in found.told


@pytest.mark.parametrize(
    ("ticked", "due", "error", "told"),
    [
        (17, 17, None, ""),
        (None, 17, None, ""),
        (17, None, None, ""),
        (16, 17, None, "hourly was due at 28 Nov 17:00, and ticked last at 28 Nov 16:00"),
        (17, 17, "no code", "hourly failed: no code"),
    ],
)
def test_a_schedule_that_has_missed_its_tick_is_told(
    settings: Settings, ticked: int | None, due: int | None, error: str | None, told: str
) -> None:
    def at(hour: int | None) -> datetime | None:
        return None if hour is None else datetime(2026, 11, 28, hour, tzinfo=UTC)

    assert behind(ScheduleState("hourly", True, at(ticked), at(due), error), settings) == told


def test_the_command_fails_in_one_line_where_a_part_fails(
    heartbeat: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARTBEAT_DAGSTER_URL", "http://127.0.0.1:1")
    result = heartbeat("doctor")
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "daemon" in result.stderr
    assert "FAIL  daemon" in result.stdout
    assert "ok    marts" in result.stdout
