"""`heartbeat up`, as a person uses it: start, look, stop, start again, and what can be wrong."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.login_folder import LoginFolder
from heartbeat.metrics.platform_metrics import FOLDER
from tests.acceptance.process_tree import CHILD, FORK_SERVER, ProcessTree
from tests.acceptance.running_stack import HEARTBEAT, PATIENCE_SECONDS, REPOSITORY, Up


@pytest.fixture
def short_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="heartbeat-up-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    folder = Path(tempfile.mkdtemp(prefix="heartbeat-up-"))
    observed = {"HEARTBEAT_PLATFORM_METRICS": "on", "HEARTBEAT_LOG_FORMAT": "json"}
    stack = Up(folder / "home", variables={**SECRETS, **observed})
    stack.start()
    yield stack
    if stack.is_running:
        stack.stop(signal.SIGTERM)
    shutil.rmtree(folder)


SECRETS = {
    "HEARTBEAT_INGEST_PASSWORD": "secret-of-ingest",
    "HEARTBEAT_COMPUTE_PASSWORD": "secret-of-compute",
    "HEARTBEAT_READER_PASSWORD": "secret-of-reader",
    "HEARTBEAT_API_PASSWORD": "secret-of-api",
    "HEARTBEAT_OPERATOR_PASSWORD": "secret-of-operator",
    "HEARTBEAT_DAGSTER_PASSWORD": "secret-of-dagster",
    "HEARTBEAT_OPERATOR_TOKENS": "ada=secret-of-an-operator",
}
_DAGSTER = {"HEARTBEAT_DAGSTER_PASSWORD"}
_LANDS = {
    *("HEARTBEAT_DAGSTER_PASSWORD", "HEARTBEAT_INGEST_PASSWORD"),
    *("HEARTBEAT_COMPUTE_PASSWORD", "HEARTBEAT_READER_PASSWORD", "the sources"),
}
# by words of their command lines, the first that fits
FINDS: dict[str, set[str]] = {
    "heartbeat up": {*SECRETS, "the sources"},
    "supervisord": {*SECRETS, "the sources"},
    "dagster code-server": _DAGSTER,
    "dagster api grpc": _DAGSTER,
    "dagster._daemon": _LANDS,
    "multiprocessing": _LANDS,
    "forkserver_launcher": _LANDS,
    "dagster_guard": {*_DAGSTER, "HEARTBEAT_OPERATOR_TOKENS"},
    "heartbeat_api": {
        *("HEARTBEAT_API_PASSWORD", "HEARTBEAT_OPERATOR_PASSWORD", "HEARTBEAT_OPERATOR_TOKENS"),
    },
    "postgres": set(),
    "demo_bank": set(),
}


def run_up(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return run_heartbeat(environment, "up", "--demo")


def run_heartbeat(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HEARTBEAT, *arguments],
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
    assert "run ended with" not in up.said(), up.said()
    assert f"http://127.0.0.1:{up.ports['API']}/" in up.said()
    assert f"http://127.0.0.1:{up.ports['DAGSTER']}/" in up.said()
    metrics = up.api("/api/metrics")["metrics"]
    assert {metric["metric_id"] for metric in metrics} == {
        path.stem for path in [*(REPOSITORY / "metrics").glob("*.sql"), *FOLDER.glob("*.sql")]
    }
    assert [metric["metric_id"] for metric in metrics if metric["signal"] != "ok"] == []
    assert all(metric["freshness"] == "fresh" for metric in metrics)
    values = {metric["metric_id"]: metric["value"] for metric in metrics}
    assert values["collateral_overdue_eur"] == 180_000
    assert values["ledger_imbalance_eur"] == 0.01
    page = httpx.get(f"http://127.0.0.1:{up.ports['API']}/", timeout=30).text
    assert [metric["code"] for metric in metrics if metric["code"] not in page] == []


def test_the_doctor_finds_every_part_well_that_runs(up: Up) -> None:
    asked = subprocess.run(
        [*HEARTBEAT, "doctor", "--json"],
        env=up.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    found = {each["part"]: each for each in json.loads(asked.stdout)}
    well = {"versions", "marts", "schema", "roles", "clock", "api", "screens"}
    of_dagster = {"code location", "daemon", "queue", "schedules"}
    assert [found[part] for part in well | of_dagster if found[part]["state"] != "ok"] == []
    # only the daemon's environment has the addresses of the sources
    assert found["source webbank"]["state"] == "warn"
    assert asked.returncode == 0, asked.stderr


def test_prometheus_is_told_what_the_wall_shows(up: Up) -> None:
    text = httpx.get(f"http://127.0.0.1:{up.ports['API']}/metrics", timeout=30).text
    told = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(told["heartbeat_dagster_up"]) == 1
    assert float(told["heartbeat_tables"]) == 34
    reds = sum(metric["status"] == "red" for metric in up.api("/api/metrics")["metrics"])
    assert float(told['heartbeat_metrics{state="red"}']) == reds
    assert any(name.startswith("heartbeat_refresh_disk_bytes{") for name in told)


def test_every_process_writes_one_document_an_event(up: Up) -> None:
    written: dict[str, set[str]] = {}
    for name in ("api", "daemon", "webserver", "code-location"):
        lines = (up.home / "logs" / f"{name}.log").read_text(encoding="utf-8").splitlines()
        documents = [json.loads(line) for line in lines]
        assert all({"time", "level", "logger", "message"} <= each.keys() for each in documents)
        written[name] = {each["process"] for each in documents}
        if name == "daemon":
            assert any(each.get("run_id") and each.get("step") for each in documents)
    assert written["api"] == {"api"}
    assert written["webserver"] == {"webserver"}
    assert written["daemon"] >= {"daemon", "worker"}


def test_each_process_finds_only_the_secrets_of_its_work(up: Up) -> None:
    up.wait_for("Up to date")
    found: dict[str, set[str]] = {}
    for process in up.named(""):
        with suppress(psutil.Error):
            # the command of a guard holds that of its process as JSON
            command = " ".join(process.cmdline()).replace('", "', " ")
            variables = process.environ()
            kind = next((words for words in FINDS if words in command), command)
            secrets = {
                name
                for name, secret in SECRETS.items()
                if any(secret in value for value in variables.values())
            }
            if any(name.startswith("SOURCE_") for name in variables):
                secrets.add("the sources")
            found.setdefault(kind, set()).update(secrets)
            passwords = {each.read_text() for each in (up.home / "logins").iterdir()}
            assert not passwords & set(variables.values())
    assert {"dagster._daemon", "dagster_guard", "heartbeat_api", "postgres"} <= set(found)
    too_many = {kind: secrets - FINDS.get(kind, set()) for kind, secrets in found.items()}
    assert {kind: names for kind, names in too_many.items() if names} == {}
    assert found["dagster._daemon"] == _LANDS


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
    line = the_one_line(run_up(other_ports))
    assert "already runs with state folder" in line
    assert f"process {ProcessTree(up).pid('up')} " in line
    assert "heartbeat down" in line


def test_a_second_stack_on_the_same_database_is_refused_and_told_whose_it_is(
    up: Up, short_folder: Path
) -> None:
    other = Up(short_folder / "home")
    server = EmbeddedPostgres(up.home / "postgres", logins=LoginFolder(up.home / "logins"))
    # with other passwords of the logins it would be refused before
    given = {"HEARTBEAT_DATABASE_URL": server.url("marts"), **SECRETS}
    environment = other.environment | given
    refused = run_heartbeat(environment, "up")
    assert refused.returncode == 1
    line = refused.stderr.strip().splitlines()[-1]
    assert "another daemon works on this database: heartbeat daemon, " in line
    assert str(up.home)[:20] in line
    assert other.processes() == []


def test_ps_shows_every_process_and_that_it_answers(up: Up) -> None:
    shown = run_heartbeat(up.environment, "ps").stdout.splitlines()
    for name in ("api", "code-location", "daemon", "webserver", "marts"):
        (line,) = (each for each in shown if each.split()[0] == name)
        assert line.rstrip().endswith("answers"), line
        assert str(ProcessTree(up).pid(name)) in line


def test_whatever_is_killed_comes_back(up: Up) -> None:
    tree = ProcessTree(up)
    up.wait_until(tree.is_whole, "whole tree")
    before = {metric["metric_id"] for metric in up.api("/api/metrics")["metrics"]}
    names = (CHILD, FORK_SERVER, "daemon", "guard of webserver", "api", "marts")
    killed = {name: tree.send(name, signal.SIGKILL) for name in names}
    up.wait_until(lambda: not any(map(psutil.pid_exists, killed.values())), "end of what is killed")
    up.wait_until(tree.is_whole, "whole tree")
    assert {metric["metric_id"] for metric in up.api("/api/metrics")["metrics"]} == before


def test_after_supervisord_was_killed_everything_is_started_again(up: Up) -> None:
    tree = ProcessTree(up)
    killed = tree.send("supervisord", signal.SIGKILL)
    up.wait_until(lambda: tree.is_whole() and tree.pid("supervisord") != killed, "whole tree")
    assert "supervisord has ended; starting everything again" in up.said()


def test_a_start_after_up_was_killed_ends_what_it_left_and_goes_on(up: Up) -> None:
    tree = ProcessTree(up)
    before = tree.pids()
    up.kill()
    assert set(tree.pids()) & set(before), "what it had started lives on"
    up.start()
    up.wait_for("Ending what is left of an earlier `heartbeat up`")
    up.wait_for("Cockpit")
    assert not set(tree.pids()) & set(before)


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
    asked = {"metric_ids": "all", "trigger": "api"}
    address = f"http://127.0.0.1:{up.ports['API']}/api/metrics/recompute"
    operator = {"Authorization": "Bearer secret-of-an-operator"}
    httpx.post(address, json=asked, headers=operator, timeout=60).raise_for_status()
    before = up.api("/api/metrics")["metrics"]
    started = "{ runsOrError(filter: {statuses: [STARTED]}) { ... on Runs { results { id } } } }"
    up.wait_until(lambda: up.graphql(started)["runsOrError"]["results"] != [], "started run")
    interrupted = up.graphql(started)["runsOrError"]["results"][0]["id"]
    up.cut_the_power()
    assert up.processes() == []

    up.start()
    up.wait_for("Up to date")
    run = f'{{ runOrError(runId: "{interrupted}") {{ ... on Run {{ status }} }} }}'
    up.wait_until(lambda: up.graphql(run)["runOrError"]["status"] == "FAILURE", "end of the run")
    after = up.api("/api/metrics")["metrics"]
    assert {m["metric_id"] for m in after} == {m["metric_id"] for m in before}
    assert [m["metric_id"] for m in after if m["signal"] != "ok"] == []


def test_down_ends_what_a_killed_up_has_left(up: Up) -> None:
    up.kill()
    ended = run_heartbeat(up.environment, "down")
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "Everything has ended.")
    assert "daemon (process " in ended.stdout
    assert up.processes() == []
    assert run_heartbeat(up.environment, "down").stdout == "Nothing runs.\n"
    assert run_heartbeat(up.environment, "ps").stdout == "Nothing runs.\n"


def test_a_port_in_use_is_one_line_that_names_the_setting(short_folder: Path) -> None:
    stack = Up(short_folder / "home")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", stack.ports["DAGSTER"]))
        taken.listen()
        line = the_one_line(run_up(stack.environment))
    assert f"port {stack.ports['DAGSTER']}" in line
    assert f"process {os.getpid()}, " in line
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
