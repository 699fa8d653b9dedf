"""`heartbeat up`, as a person uses it: start, look, stop, start again, and what can be wrong."""

import json
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.running_stack import HEARTBEAT, PATIENCE_SECONDS, REPOSITORY, Up

LAUNCH = """mutation { launchRun(executionParams: {selector: {
  repositoryLocationName: "heartbeat", repositoryName: "__repository__", jobName: "refresh"
}}) { __typename } }"""


@pytest.fixture
def short_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="heartbeat-up-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    folder = Path(tempfile.mkdtemp(prefix="heartbeat-up-"))
    stack = Up(folder / "home")
    stack.start()
    yield stack
    if stack.is_running:
        stack.stop(signal.SIGTERM)
    shutil.rmtree(folder)


def run_up(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HEARTBEAT, "up", "--demo"],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def the_one_line(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 1
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_the_first_start_lands_computes_and_shows_every_tile(up: Up) -> None:
    up.wait_for("Up to date")
    assert f"http://127.0.0.1:{up.ports['API']}/" in up.said()
    assert f"http://127.0.0.1:{up.ports['DAGSTER']}/" in up.said()
    metrics = up.api("/api/metrics")["metrics"]
    assert {metric["metric_id"] for metric in metrics} == {
        path.stem for path in (REPOSITORY / "metrics").glob("*.sql")
    }
    assert [metric["metric_id"] for metric in metrics if metric["signal"] != "ok"] == []
    assert all(metric["freshness"] == "fresh" for metric in metrics)
    values = {metric["metric_id"]: metric["value"] for metric in metrics}
    assert values["collateral_overdue_eur"] == 180_000
    assert values["ledger_imbalance_eur"] == 0.01
    page = httpx.get(f"http://127.0.0.1:{up.ports['API']}/", timeout=30).text
    assert [metric["code"] for metric in metrics if metric["code"] not in page] == []


def test_the_asset_graph_shows_what_a_metric_reads(up: Up) -> None:
    nodes = up.graphql("{ assetNodes { assetKey { path } dependencyKeys { path } groupName } }")
    dependencies = {
        tuple(node["assetKey"]["path"]): {tuple(key["path"]) for key in node["dependencyKeys"]}
        for node in nodes["assetNodes"]
    }
    assert dependencies["metric", "collateral_overdue_eur"] >= {
        ("webbank_core", "collateral"),
        ("webbank_core", "collateral_payment"),
    }
    groups = {node["groupName"] for node in nodes["assetNodes"]}
    assert groups >= {"webbank_core", "webbank_dict", "currency_rate_rate", "metrics"}


def test_the_schedules_run_without_being_switched_on(up: Up) -> None:
    states = up.graphql(
        """{ schedulesOrError(repositorySelector: {
              repositoryLocationName: "heartbeat", repositoryName: "__repository__"
            }) { ... on Schedules { results { name cronSchedule scheduleState { status } } } } }"""
    )["schedulesOrError"]["results"]
    assert {(each["name"], each["scheduleState"]["status"]) for each in states} == {
        ("hourly_refresh", "RUNNING"),
        ("daily_reconcile", "RUNNING"),
        ("daily_source_check", "RUNNING"),
        ("daily_benchmark", "RUNNING"),
        ("daily_segments", "RUNNING"),
        ("daily_audit", "RUNNING"),
        ("daily_hygiene", "RUNNING"),
    }


def test_a_run_of_ingest_takes_the_one_slot_of_its_pool(up: Up) -> None:
    pools = up.graphql(
        "{ instance { poolConfig { poolGranularity defaultPoolLimit }"
        "  concurrencyLimits { concurrencyKey limit } } }"
    )["instance"]
    assert pools["poolConfig"] == {"poolGranularity": "run", "defaultPoolLimit": 1}
    assert {"concurrencyKey": "ingest", "limit": 1} in pools["concurrencyLimits"]


def test_a_second_start_on_the_same_folder_is_refused_in_one_line(up: Up) -> None:
    other_ports = Up(up.home).environment
    assert "already runs with state folder" in the_one_line(run_up(other_ports))


def test_a_killed_process_comes_back(up: Up) -> None:
    victim = next(iter(up.named("heartbeat_api")))
    victim.kill()

    def serves_again() -> bool:
        try:
            return len(up.api("/api/metrics")["metrics"]) > 0
        except httpx.HTTPError:
            return False

    up.wait_until(lambda: not victim.is_running() and serves_again(), "answer of the API")


def test_ctrl_c_leaves_no_process_and_no_lock(up: Up) -> None:
    assert up.processes() != []
    assert up.stop(signal.SIGINT) == 0
    assert up.processes() == []
    leftovers = {path.name for path in up.home.rglob("*")} & {
        *("postmaster.pid", "supervisor.sock", "supervisord.pid", ".s.PGSQL.5432"),
    }
    assert leftovers == set()


def test_a_start_after_a_power_cut_in_mid_run_goes_on_with_the_same_state(up: Up) -> None:
    up.start()
    up.wait_for("the bank is there")
    up.wait_for("Up to date")
    up.graphql(LAUNCH)
    before = up.api("/api/metrics")["metrics"]
    started = "{ runsOrError(filter: {statuses: [STARTED]}) { ... on Runs { results { id } } } }"
    up.wait_until(lambda: up.graphql(started)["runsOrError"]["results"] != [], "started run")
    interrupted = up.graphql(started)["runsOrError"]["results"][0]["id"]
    up.cut_the_power()
    assert up.processes() == []

    up.start()
    up.wait_for("Up to date")
    run = up.graphql(f'{{ runOrError(runId: "{interrupted}") {{ ... on Run {{ status }} }} }}')
    assert run["runOrError"]["status"] == "FAILURE"
    after = up.api("/api/metrics")["metrics"]
    assert {m["metric_id"] for m in after} == {m["metric_id"] for m in before}
    assert [m["metric_id"] for m in after if m["signal"] != "ok"] == []
    assert up.stop(signal.SIGTERM) == 0
    assert up.processes() == []


def test_a_port_in_use_is_one_line_that_names_the_setting(short_folder: Path) -> None:
    stack = Up(short_folder / "home")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", stack.ports["DAGSTER"]))
        taken.listen()
        line = the_one_line(run_up(stack.environment))
    assert f"port {stack.ports['DAGSTER']}" in line
    assert "HEARTBEAT_DAGSTER_PORT" in line


def test_a_state_folder_that_is_a_file_is_one_line(short_folder: Path) -> None:
    stack = Up(short_folder / "home")
    stack.home.write_text("I am a file")
    line = the_one_line(run_up(stack.environment))
    assert str(stack.home) in line
    assert "HEARTBEAT_HOME" in line


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: (data / "PG_VERSION").write_text("12\n"),
        lambda data: (data / "PG_VERSION").write_text("not a version"),
        lambda data: (data / "PG_VERSION").write_text("18\n"),
        lambda data: (data / "somebody.txt").write_text("else's file"),
    ],
    ids=["older server", "garbled version", "no control file", "somebody else's folder"],
)
def test_a_broken_state_folder_is_one_line(
    short_folder: Path, damage: Callable[[Path], object]
) -> None:
    stack = Up(short_folder / "home")
    data = stack.home / "postgres"
    data.mkdir(parents=True)
    damage(data)
    line = the_one_line(run_up(stack.environment))
    assert str(data) in line
    assert "move the folder away" in line
    assert stack.processes() == []


def test_a_full_disk_is_one_line(short_folder: Path) -> None:
    stack = Up(short_folder / "home")
    stack.home.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(stack.home)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small disk here")
    try:
        line = the_one_line(run_up(stack.environment))
    finally:
        subprocess.run(["umount", str(stack.home)], check=True)
    assert "MB are free" in line
    assert "HEARTBEAT_HOME" in line


def test_a_setting_that_is_no_value_is_one_line(short_folder: Path) -> None:
    environment = Up(short_folder / "home").environment | {"HEARTBEAT_TIMEZONE": "Mars/Base"}
    line = the_one_line(run_up(environment))
    assert json.dumps("Mars/Base").strip('"') in line
    assert "HEARTBEAT_TIMEZONE" in line
