"""Dagster's web server behind its guard, with a code location of one metric, as processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from heartbeat.database import prepare_databases
from heartbeat.refresh.dagster_client import DagsterClient, DagsterError
from heartbeat.settings import Settings
from tests.acceptance.running_stack import PATIENCE_SECONDS, free_ports
from tests.integration.tiny_project import METRIC

RUNS = "{ runsOrError { ... on Runs { results { runId } } } }"
_SELECTOR = 'repositoryLocationName: "heartbeat", repositoryName: "__repository__"'
SCHEDULES = f"""{{ schedulesOrError(repositorySelector: {{{_SELECTOR}}}) {{
  ... on Schedules {{ results {{ name scheduleState {{ id status }} }} }} }} }}"""
LAUNCH = f"""mutation {{ launchRun(executionParams: {{
  selector: {{{_SELECTOR}, jobName: "refresh"}}, runConfigData: {{}} }}) {{
  __typename ... on PythonError {{ message }} }} }}"""


@dataclass(frozen=True)
class GuardedDagster:
    """The web server, and what the API and the command line see of it."""

    settings: Settings
    folder: Path

    @property
    def url(self) -> str:
        return self.settings.own_dagster_url

    def loads(self) -> bool:
        with closing(DagsterClient.of(self.settings)) as client:
            return client.loaded()

    def launches(self, job: str) -> str:
        with closing(DagsterClient.of(self.settings)) as client:
            return client.launch(job)

    def reads(self, query: str) -> Any:
        answer = httpx.post(f"{self.url}/graphql", json={"query": query}, timeout=60)
        return answer.json()["data"]

    def runs(self) -> int:
        return len(self.reads(RUNS)["runsOrError"]["results"])

    def running_schedules(self) -> int:
        found = self.reads(SCHEDULES)["schedulesOrError"]["results"]
        return sum(each["scheduleState"]["status"] == "RUNNING" for each in found)

    def schedule_id(self, name: str) -> str:
        found = self.reads(SCHEDULES)["schedulesOrError"]["results"]
        return str(next(each["scheduleState"]["id"] for each in found if each["name"] == name))

    @property
    def log(self) -> str:
        return (self.folder / "webserver.log").read_text()


@contextmanager
def guarded_dagster(
    marts_url: str, folder: Path, variables: Mapping[str, str]
) -> Iterator[GuardedDagster]:
    """Run both processes until the block ends."""
    for name in ("sources", "metrics", "audit_cuts"):
        (folder / "project" / name).mkdir(parents=True)
    metric = METRIC.format(metric_id="five", code="FIVE", sql="select 5")
    (folder / "project" / "metrics" / "five.sql").write_text(metric, encoding="utf-8")
    dagster, code = free_ports(2)
    own = {
        "HEARTBEAT_DATABASE_URL": marts_url,
        "HEARTBEAT_HOME": str(folder / "home"),
        "HEARTBEAT_PROJECT": str(folder / "project"),
        "HEARTBEAT_DAGSTER_PORT": str(dagster),
        "HEARTBEAT_CODE_PORT": str(code),
        **variables,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in own.items():
            patch.setenv(name, value)
        settings = Settings.load()
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HEARTBEAT_")}
    prepare_databases(settings)
    processes = [
        _serve(name, folder, {**inherited, **own}) for name in ("code-location", "webserver")
    ]
    try:
        found = GuardedDagster(settings, folder)
        _wait_for(found, processes)
        yield found
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(PATIENCE_SECONDS)


def _serve(name: str, folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.log").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "heartbeat", "serve", name],
            env=dict(environment),
            stdout=output,
            stderr=output,
        )


def _wait_for(found: GuardedDagster, processes: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _loaded(found):
        assert all(process.poll() is None for process in processes), found.log
        assert time.monotonic() < deadline, found.log
        time.sleep(0.3)


def _loaded(found: GuardedDagster) -> bool:
    try:
        return found.loads()
    except DagsterError:
        return False
