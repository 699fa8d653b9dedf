"""What was kept long enough goes, and nothing else."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dagster import AssetCheckKey, DagsterInstance, ExecuteInProcessResult

from heartbeat.settings import Settings
from heartbeat_assets.hygiene import remove_old_runs
from tests.integration.tiny_project import COUNT, HYGIENE, TinyProject

DAY = timedelta(days=1)
CHECKED = AssetCheckKey(COUNT, "within_its_lines")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with DagsterInstance.from_config(str(home)) as made:
        yield made


def runs(tiny: TinyProject, instance: DagsterInstance, job: str) -> ExecuteInProcessResult:
    definition = tiny.definitions().resolve_job_def(job)
    return definition.execute_in_process(instance=instance)


def test_runs_that_ended_long_ago_go_with_their_events_and_logs(
    tiny: TinyProject, instance: DagsterInstance
) -> None:
    old = runs(tiny, instance, "refresh").run_id
    waiting = instance.create_run_for_job(tiny.definitions().resolve_job_def("refresh")).run_id
    log = Path(instance.storage_directory()) / old / "compute_logs" / "step.out"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("printed")
    orphan = Path(instance.storage_directory()) / "0-deleted-in-the-ui" / "compute_logs"
    orphan.mkdir(parents=True)
    os.utime(orphan, (0, 0))
    time.sleep(0.01)
    now = datetime.now(UTC)
    assert remove_old_runs(instance, now - DAY) == 0
    assert instance.has_run(old)
    assert check_results(instance) > 0
    assert not orphan.exists()
    assert remove_old_runs(instance, now) == 1
    assert [run.run_id for run in instance.get_runs()] == [waiting]
    assert instance.all_logs(old) == []
    assert check_results(instance) == 0
    assert not log.exists()


def check_results(instance: DagsterInstance) -> int:
    storage = instance.event_log_storage
    found = storage.get_asset_check_execution_history(CHECKED, limit=10)
    return len(found)


def test_old_observations_and_leftovers_go_and_the_history_stays(
    tiny: TinyProject, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARTBEAT_KEEP_OBSERVATIONS_DAYS", "100")
    tiny.settings = Settings.load()
    runs(tiny, instance, "refresh")
    left = tiny.settings.dlt_home / "source_that_is_gone"
    left.mkdir(parents=True)
    os.utime(left, (0, 0))
    fresh = tiny.settings.dlt_home / "source_that_comes"
    fresh.mkdir()
    with psycopg.connect(tiny.settings.database_url, autocommit=True) as marts:
        observe(marts, "payments", age=99 * DAY)
        observe(marts, "payments", age=101 * DAY)
        marts.execute(
            "insert into heartbeat.table_load_log"
            " (schema_name, table_name, started_at, finished_at, write_mode, run_id)"
            " select 'bank_core', 'fee', now() - age, now() - age, 'replace', 'old'"
            " from (values (interval '99 days'), (interval '101 days')) as old (age)"
        )
        marts.execute("update bank_core._dlt_loads set inserted_at = now() - interval '20 days'")
        history = rows(marts, "metric_history")
        before = rows(marts, "metric_observation"), rows(marts, "table_load_log")
        definitions = tiny.definitions()
        result = definitions.resolve_job_def("hygiene").execute_in_process(instance=instance)
        (event,) = result.asset_materializations_for_node("heartbeat__hygiene")
        assert {name: value.value for name, value in event.metadata.items()} == {
            "runs": 0,
            "observations": 1,
            "table_loads": 1,
            "dlt_loads": 1,
            "dlt_folders": 1,
            "displays": 0,
            "refresh_disks": 0,
        }
        assert event.asset_key == HYGIENE
        after = rows(marts, "metric_observation"), rows(marts, "table_load_log")
        assert after == (before[0] - 1, before[1] - 1)
        assert rows(marts, "metric_history") == history
    assert not left.exists()
    assert fresh.exists()
    assert runs(tiny, instance, "refresh").success


def observe(marts: psycopg.Connection[Any], metric_id: str, *, age: timedelta) -> None:
    marts.execute(
        "insert into heartbeat.metric_observation"
        " (metric_id, as_of, computed_at, v, seconds, run_id)"
        " values (%(id)s, now() - %(age)s, now() - %(age)s, 1, 0, %(age)s::text)",
        {"id": metric_id, "age": age},
    )


def rows(marts: psycopg.Connection[Any], table: str) -> int:
    row = marts.execute(f"select count(*) from heartbeat.{table}".encode()).fetchone()
    assert row is not None
    count: int = row[0]
    return count
