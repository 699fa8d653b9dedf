"""`make containers`: image, services, a deployment, a rollback, kills, a backfill, the proxy.

The tests go on from each other, in their order. Without a Docker engine they are skipped.
"""

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.containers.trial import KEPT_UP, OPERATOR, EngineAwayError, Trial, docker

OURS = tuple(name for name in KEPT_UP if name != "marts")
METRIC = "client_balances_eur"
BACKFILLED = "vss_vss.applicant_log"
ROWS = 60_000
RANGE = 500
SCREEN = "wall"
PASSWORD = "a password of the trial"
UNVERIFIED: Any = False


@pytest.fixture(scope="module")
def trial(request: pytest.FixtureRequest) -> Iterator[Trial]:
    plugins = request.config.pluginmanager
    reporter, capture = plugins.getplugin("terminalreporter"), plugins.getplugin("capturemanager")

    def say(text: str) -> None:
        with capture.global_and_fixture_disabled():
            reporter.write_line(f"\n  {text}")

    try:
        trial = Trial(say)
    except EngineAwayError as away:
        pytest.skip(f"the containers were not tried: {away}")
    try:
        trial.prepare()
        yield trial
    finally:
        trial.end()


@contextmanager
def held(trial: Trial, table: str) -> Iterator[None]:
    """Nobody else can write a table of marts meanwhile."""
    hold = f"begin; lock table {table} in share mode; select pg_sleep(3600)"
    psql = ["psql", "-h", "/run/postgresql", "-U", "heartbeat", "-d", "marts", "-c", hold]
    docker("exec", "-d", trial.container("marts"), *psql)
    asked = f"""select count(*) from pg_locks
                 where granted and mode = 'ShareLock' and relation = '{table}'::regclass"""
    trial.wait_until(lambda: trial.marts(asked) == "1", f"lock on {table}")
    yield
    sleeping = "pid <> pg_backend_pid() and query like '%pg_sleep(3600)'"
    trial.marts(f"select pg_terminate_backend(pid) from pg_stat_activity where {sleeping}")


def wait_until_healthy(trial: Trial, *services: str) -> float:
    def healthy() -> bool:
        return all(trial.health(name) == "healthy" for name in services)

    return trial.wait_until(healthy, f"healthy {', '.join(services)}")


def versions(trial: Trial) -> set[str]:
    labels = "org.opencontainers.image.version"
    return {trial.inspected(trial.container(name))["Config"]["Labels"][labels] for name in OURS}


def values(trial: Trial) -> dict[str, Any]:
    return {each["metric_id"]: each["value"] for each in trial.get("/api/metrics")["metrics"]}


def landed(trial: Trial) -> int:
    there = trial.marts(f"select to_regclass('{BACKFILLED}') is not null")
    return int(trial.marts(f"select count(*) from {BACKFILLED}")) if there == "t" else 0


def in_image(trial: Trial, command: str) -> str:
    return docker("run", "--rm", trial.image(1), "sh", "-c", command).strip()


def test_the_image_holds_what_runs_and_nothing_to_build_with(trial: Trial) -> None:
    image = trial.inspected(trial.image(1))
    assert image["Config"]["User"] == "10001:10001"
    found = in_image(trial, "id -u; python -m pip --version 2>&1; command -v gcc cc make; ls /app")
    assert found.splitlines()[0] == "10001"
    assert "No module named pip" in found
    assert "gcc" not in found
    assert "tests" not in found
    assert "secrets" not in found
    assert in_image(trial, "find /opt /app /root /tmp -name '*.whl' 2>/dev/null; true") == ""
    trial.say(f"image: {image['Size'] / 1e6:.0f} MB, base image among it")


def test_the_wall_has_numbers_after_a_fresh_start(trial: Trial) -> None:
    began = time.monotonic()
    seconds = trial.up()
    expected = {path.stem for path in (trial.content / "metrics").glob("*.sql")}

    def full() -> bool:
        found = values(trial)
        return expected <= found.keys() and None not in found.values()

    trial.wait_until(full, "wall with a number on every tile")
    waited = time.monotonic() - began
    trial.say(f"fresh start: up in {seconds:.0f} s, numbers on the wall after {waited:.0f} s")
    page = httpx.get(trial.api_url, timeout=30).text
    assert [
        each["code"] for each in trial.get("/api/metrics")["metrics"] if each["code"] not in page
    ] == []
    trial.wait_until(
        lambda: trial.inspected(first_runs(trial))["State"]["Status"] == "exited",
        "end of first-runs",
    )
    state = trial.inspected(first_runs(trial))["State"]
    assert state["ExitCode"] == 0
    assert "Up to date." in trial.compose("logs", "--no-color", "first-runs")
    trial.say(f"first runs have ended after {time.monotonic() - began:.0f} s")


def first_runs(trial: Trial) -> str:
    """Its container, which has ended."""
    labels = {"project": trial.name, "service": "first-runs"}
    chosen = [f"label=com.docker.compose.{name}={value}" for name, value in labels.items()]
    return docker("ps", "-aq", *(word for each in chosen for word in ("--filter", each))).strip()


def test_every_service_says_that_it_is_healthy(trial: Trial) -> None:
    wait_until_healthy(trial, *KEPT_UP)
    for line in memory(trial):
        trial.say(line)


def memory(trial: Trial) -> list[str]:
    shown = "{{.Name}}: {{.MemUsage}}, {{.PIDs}} threads"
    return docker(
        "stats", "--no-stream", "--format", shown, *map(trial.container, KEPT_UP)
    ).splitlines()


@pytest.mark.parametrize("service", KEPT_UP)
def test_a_container_can_write_nowhere_but_where_it_must(trial: Trial, service: str) -> None:
    container = trial.container(service)
    for path in ("/probe", "/usr/probe", "/app/probe", "/project/probe", "/etc/probe"):
        touched = subprocess.run(
            ["docker", "exec", container, "touch", path],
            capture_output=True,
            text=True,
            check=False,
        )
        assert touched.returncode != 0
        assert re.search("Read-only file system|No such file", touched.stderr)
    status = docker("exec", container, "cat", "/proc/1/status")
    assert "NoNewPrivs:\t1" in status
    if service in OURS:
        assert re.search(r"^Uid:\s10001\s10001\s10001\s10001$", status, re.M)
        assert re.search(r"^Cap(?:Prm|Eff|Bnd):\s(?!0+$)", status, re.M) is None


def test_no_secret_is_in_what_the_engine_knows_of_a_container(trial: Trial) -> None:
    known = {file.name: file.read_text().strip() for file in trial.secrets.iterdir()}
    passwords = [value for value in known.values() if value] + [trial.token]
    for service in KEPT_UP:
        told = json.dumps(trial.inspected(trial.container(service)))
        assert [each for each in passwords if each in told] == []
    everything = trial.compose("logs", "--no-color")
    assert [each for each in passwords if each in everything] == []


@pytest.mark.parametrize("service", KEPT_UP)
def test_a_service_sees_the_secrets_of_its_job_only(trial: Trial, service: str) -> None:
    seen = set(docker("exec", trial.container(service), "ls", "/run/secrets").split())
    assert seen < {file.name for file in trial.secrets.iterdir()}
    assert ("database_url" in seen) is False
    assert any(name.startswith("source_") for name in seen) is (service == "daemon")


def test_nobody_writes_without_a_token_and_an_operator_does(trial: Trial) -> None:
    address = f"{trial.api_url}/api/metrics/recompute"
    body = {"metric_ids": [METRIC]}
    for headers in (
        {},
        {"Authorization": "Bearer 0123456789abcdef0123"},
        {"X-Forwarded-Email": OPERATOR},
        {"X-Forwarded-For": "127.0.0.1"},
    ):
        refused = httpx.post(address, json=body, headers=headers, timeout=30)
        assert refused.status_code in (401, 403), headers
    assert trial.refresh(METRIC) == "success"


def test_the_ports_are_on_this_machine_only_and_the_grpc_port_on_none(trial: Trial) -> None:
    for service in KEPT_UP:
        ports = trial.inspected(trial.container(service))["NetworkSettings"]["Ports"] or {}
        bound = [each["HostIp"] for places in ports.values() for each in places or ()]
        assert bound == (["127.0.0.1"] if service in ("webserver", "api") else [])
    connect = "import socket; socket.create_connection((sys.argv[1], 4266), 5)"
    for service, reaches in (("webserver", True), ("api", False)):
        tried = subprocess.run(
            [
                "docker",
                "exec",
                trial.container(service),
                "python",
                "-c",
                f"import sys; {connect}",
                "code-location",
            ],
            capture_output=True,
            check=False,
        )
        assert (tried.returncode == 0) is reaches


@pytest.mark.parametrize("service", KEPT_UP)
def test_a_killed_container_comes_back_and_a_refresh_works(trial: Trial, service: str) -> None:
    """The kernel kills it, not `docker kill`, after which the engine would let it rest."""
    container = trial.container(service)
    state = trial.inspected(container)["State"]
    kill = ["--entrypoint", "kill", trial.image(1), "-9", str(state["Pid"])]
    docker("run", "--rm", "--pid", "host", "--user", "0", *kill)
    began = time.monotonic()
    trial.wait_until(
        lambda: trial.inspected(container)["State"]["StartedAt"] != state["StartedAt"],
        f"new {service}",
    )
    wait_until_healthy(trial, service)
    healthy = time.monotonic() - began
    trial.wait_until(lambda: trial.refresh(METRIC) == "success", "refresh that succeeds")
    refreshed = time.monotonic() - began
    trial.say(f"{service} killed: healthy after {healthy:.0f} s, refreshed after {refreshed:.0f} s")


def test_a_stopped_daemon_ends_its_run_itself(trial: Trial) -> None:
    launched = graphql(
        trial,
        """mutation { launchRun(executionParams: {selector: {
          repositoryLocationName: "heartbeat", repositoryName: "__repository__",
          jobName: "reconcile"
        }}) { ... on LaunchRunSuccess { run { runId } } } }""",
    )["launchRun"]["run"]["runId"]
    fields = "{ ... on Run { status stepStats { stepKey } } }"
    asked = f'{{ runOrError(runId: "{launched}") {fields} }}'
    trial.wait_until(
        lambda: graphql(trial, asked)["runOrError"]["stepStats"] != [], "step of a run"
    )
    began = time.monotonic()
    trial.compose("stop", "daemon")
    trial.say(f"daemon with a run in progress: stopped in {time.monotonic() - began:.0f} s")
    assert graphql(trial, asked)["runOrError"]["status"] in ("FAILURE", "CANCELED", "SUCCESS")
    trial.compose("start", "daemon")
    wait_until_healthy(trial, *KEPT_UP)
    trial.wait_until(lambda: trial.refresh(METRIC) == "success", "refresh that succeeds")


def graphql(trial: Trial, query: str) -> Any:
    headers = {"Authorization": f"Bearer {trial.token}"}
    return httpx.post(
        f"{trial.dagster_url}/graphql", json={"query": query}, headers=headers, timeout=30
    ).json()["data"]


def test_a_backfill_that_is_killed_goes_on_where_it_was_and_survives_a_deployment(
    trial: Trial,
) -> None:
    statement = f"""
        insert into vss.applicant_log (id, applicant_id, state, create_time)
        select 10000000 + n, gen_random_uuid(), 'NEW', now() - interval '1 day'
          from generate_series(1, {ROWS}) as n"""
    trial.bank("vss", statement)
    trial.bank("vss", "analyze vss.applicant_log")
    trial.marts(f"drop table {BACKFILLED}")
    file = trial.content / "sources" / "vss.yaml"
    file.write_text(f"{file.read_text()}\nfirst_load_rows: {RANGE}\n")
    source = int(trial.bank("vss", "select count(*) from vss.applicant_log"))
    chosen = ("--source", "vss", "--table", "applicant_log")

    first = f"{trial.name}-backfill-1"
    trial.begin_backfill(first, *chosen)
    trial.wait_until(lambda: landed(trial) > 2 * RANGE, "a few ranges")
    docker("kill", first)
    reached = landed(trial)
    assert 0 < reached < source

    second = f"{trial.name}-backfill-2"
    trial.begin_backfill(second, *chosen)
    trial.wait_until(lambda: landed(trial) > reached + RANGE, "a few more ranges")
    with held(trial, BACKFILLED):
        trial.say(f"image of the next version built in {trial.build(2):.0f} s")
        deploy(trial, 2)
        state = trial.inspected(second)["State"]
        assert state["Status"] == "running", docker("logs", second)
        assert landed(trial) < source
    assert docker("wait", second).strip() == "0", docker("logs", second)
    assert landed(trial) == source
    trial.say(
        f"backfill: {reached:,} of {source:,} rows before a kill, all of them after a deployment"
    )
    for name in (first, second):
        docker("rm", name)


def deploy(trial: Trial, number: int) -> None:
    """Another version, and how long the API was away meanwhile."""
    away: list[float] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            began = time.monotonic()
            try:
                httpx.get(f"{trial.api_url}/healthz", timeout=5).raise_for_status()
            except httpx.HTTPError:
                away.append(time.monotonic() - began + 0.1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        seconds = trial.up(number)
        healthy = wait_until_healthy(trial, *KEPT_UP)
    finally:
        done.set()
        watcher.join()
    assert versions(trial) == {trial.version(number)}
    trial.say(
        f"version {number}: up in {seconds:.0f} s, all healthy {healthy:.0f} s later, "
        f"the API away for {sum(away):.0f} s"
    )


def test_the_deployed_version_works_and_so_does_the_one_before_after_a_rollback(
    trial: Trial,
) -> None:
    trial.wait_until(lambda: trial.refresh(METRIC) == "success", "refresh that succeeds")
    before = values(trial)
    deploy(trial, 1)
    trial.wait_until(lambda: trial.refresh(METRIC) == "success", "refresh that succeeds")
    assert values(trial).keys() == before.keys()


def test_the_proxy_says_who_asks_and_believes_nobody(trial: Trial) -> None:
    hashed = docker(
        "run", "--rm", trial.caddy_image, "caddy", "hash-password", "--plaintext", PASSWORD
    ).strip()
    users = trial.secrets / "proxy_users"
    users.chmod(0o600)
    users.write_text("".join(f"{name} {hashed}\n" for name in (OPERATOR, SCREEN)))
    trial.up(1, profile="proxy")
    wait_until_healthy(trial, "proxy")
    with httpx.Client(base_url=trial.proxy_url, verify=UNVERIFIED, timeout=60) as client:
        assert client.get("/").status_code == 401
        assert client.get("/", headers={"X-Forwarded-Email": OPERATOR}).status_code == 401
        assert (
            client.get("/", headers={"Authorization": f"Bearer {trial.token}"}).status_code == 401
        )
        read = client.get("/", auth=(SCREEN, PASSWORD))
        assert read.status_code == 200
        assert "strict-transport-security" in read.headers

        path, body = "/api/metrics/recompute", {"metric_ids": [METRIC]}
        for name in ("X-Forwarded-Email", "x-forwarded-email", "X_Forwarded_Email"):
            spoofed = client.post(
                path, json=body, auth=(SCREEN, PASSWORD), headers={name: OPERATOR}
            )
            assert spoofed.status_code in (401, 403), name
        verified = client.patch(
            f"/api/metrics/{METRIC}/verification",
            json={"owner": "eve@company.example", "reason": "who is it?"},
            auth=(OPERATOR, PASSWORD),
            headers={"X-Forwarded-Email": "mallory@company.example"},
        )
        assert verified.status_code == 200, verified.text
    told = httpx.get(f"{trial.api_url}/api/metrics/{METRIC}", timeout=30).text
    assert "eve@company.example" in told
    log = trial.marts("select string_agg(to_jsonb(c)::text, ' ') from heartbeat.change_log as c")
    assert OPERATOR in log
    assert "mallory" not in log
