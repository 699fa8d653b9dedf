"""What a start runs at once, and what it leaves to the schedules."""

import json
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from rich.console import Console

from heartbeat.settings import Settings
from heartbeat.stack.first_runs import FIRST_RUNS, FirstRuns, outcome_line

EVERY_JOB = ["refresh", "benchmark", "segment"]
"""An empty project has no audit cut to draw."""


class Dagster(BaseHTTPRequestHandler):
    """A webserver whose runs end as soon as they are launched, as a test says."""

    runs: ClassVar[list[dict[str, Any]]] = []
    launched: ClassVar[list[str]] = []
    outcomes: ClassVar[list[tuple[str, str]]] = []
    """Status and reason of failure of the next runs; then all succeed."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        body = json.dumps({"data": self._answer(asked["query"], asked["variables"])}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        if "assetNodes" in query:
            return {"assetNodes": [{"assetKey": {"path": ["metric", "m"]}, "dependencyKeys": []}]}
        if "launchRun" in query:
            job = variables["params"]["selector"]["jobName"]
            self.launched.append(job)
            run = self.add(job, *(self.outcomes.pop(0) if self.outcomes else ("SUCCESS", "")))
            return {"launchRun": {"__typename": "LaunchRunSuccess", "run": {"runId": run}}}
        if "Materialized" in query:
            (found,) = [each for each in self.runs if each["runId"] == variables["run"]]
            status, found["status"] = found["status"], found.pop("becomes", found["status"])
            made: list[str] = []
            return {
                "runOrError": {
                    "__typename": "Run",
                    "status": status,
                    "assetMaterializations": made,
                }
            }
        return {"runsOrError": {"__typename": "Runs", "results": self._found(variables["filter"])}}

    def _found(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            run
            for run in reversed(self.runs)
            if run["jobName"] == wanted.get("pipelineName", run["jobName"])
            and run["runId"] in wanted.get("runIds", [run["runId"]])
            and run["status"] in wanted.get("statuses", [run["status"]])
        ]

    @classmethod
    def add(
        cls,
        job: str,
        status: str = "SUCCESS",
        reason: str = "STEP_FAILURE",
        *,
        age: float = 0,
        **other: Any,
    ) -> str:
        began = time.time() - age
        run_id = f"{len(cls.runs):08}-0000-4000-8000-000000000000"
        tags = [{"key": "dagster/failure_reason", "value": reason}]
        run = {"runId": run_id, "jobName": job, "status": status, "tags": tags, "allPools": []}
        times = {"creationTime": began, "startTime": began, "endTime": began}
        cls.runs.append(run | times | {"assetSelection": None} | other)
        return run_id

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def dagster(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Dagster]]:
    """A webserver without any run, and a project whose files are two days old."""
    Dagster.runs, Dagster.launched, Dagster.outcomes = [], [], []
    content = settings.project / "metrics" / "m.sql"
    content.write_text("select 1")
    write_at(content, time.time() - 2 * 86400)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Dagster)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("HEARTBEAT_DAGSTER_URL", f"http://127.0.0.1:{server.server_port}")
    yield Dagster
    server.shutdown()
    thread.join()
    server.server_close()


def write_at(file: Path, moment: float) -> None:
    os.utime(file, (moment, moment))


def started() -> list[str]:
    """What a start launches now."""
    Dagster.launched = []
    FirstRuns(Settings.load(), Console(quiet=True)).run()
    return Dagster.launched


def test_the_first_start_runs_everything_and_the_next_one_nothing(dagster: type[Dagster]) -> None:
    assert started() == EVERY_JOB
    assert started() == []


def test_a_refresh_of_the_last_hour_is_good_enough_and_so_is_a_reconcile(
    dagster: type[Dagster],
) -> None:
    started()
    for run in dagster.runs:
        run["startTime"] -= 7200
        run["creationTime"] -= 7200
    assert started() == ["refresh"]
    dagster.runs = [run for run in dagster.runs if run["startTime"] < time.time() - 3600]
    dagster.add("reconcile", age=60)
    assert started() == []


def test_a_refresh_of_a_part_is_none_of_the_whole(dagster: type[Dagster]) -> None:
    started()
    dagster.runs[0].update(startTime=time.time() - 7200, creationTime=time.time() - 7200)
    dagster.add("refresh", assetSelection=[{"path": ["metric", "m"]}])
    assert started() == ["refresh"]


def test_what_failed_is_run_again(dagster: type[Dagster]) -> None:
    started()
    dagster.add("refresh", "FAILURE")
    dagster.add("segment", "CANCELED")
    assert started() == ["refresh", "segment"]


def test_a_changed_file_is_run_at_once(dagster: type[Dagster], settings: Settings) -> None:
    started()
    write_at(settings.project / "metrics" / "m.sql", time.time() + 1)
    assert started() == EVERY_JOB


def test_what_was_computed_before_anything_had_landed_is_computed_again(
    dagster: type[Dagster],
) -> None:
    dagster.add("refresh", "FAILURE")
    dagster.add("benchmark")
    assert started() == EVERY_JOB


def test_a_run_that_is_going_on_is_waited_for_and_is_enough(dagster: type[Dagster]) -> None:
    started()
    dagster.add("refresh", "STARTED", becomes="SUCCESS")
    assert started() == []


def test_a_run_that_nobody_carries_out_any_more_is_waited_for_and_made_up_for(
    dagster: type[Dagster],
) -> None:
    started()
    dagster.add("refresh", "STARTED", becomes="FAILURE")
    assert started() == ["refresh"]


def test_first_runs_that_failed_are_counted_for_the_line_at_the_end(
    dagster: type[Dagster],
) -> None:
    dagster.outcomes = [("FAILURE", "STEP_FAILURE"), ("SUCCESS", ""), ("CANCELED", "")]
    assert FirstRuns(Settings.load(), Console(quiet=True)).run() == 2
    assert outcome_line(2) == "2 first runs failed: `heartbeat today` says why."
    assert FirstRuns(Settings.load(), Console(quiet=True)).run() == 0
    assert outcome_line(0) == "Up to date."


def test_the_titles_are_plain_words() -> None:
    assert [first.title for first in FIRST_RUNS] == [
        "Landing tables, computing metrics",
        "Computing benchmarks",
        "Computing client segments",
        "Drawing audit cuts",
    ]


def test_a_run_that_is_lost_is_launched_once_more_and_one_that_failed_is_not(
    dagster: type[Dagster],
) -> None:
    dagster.outcomes = [("FAILURE", "START_TIMEOUT"), ("SUCCESS", ""), ("FAILURE", "STEP_FAILURE")]
    assert started() == ["refresh", "refresh", "benchmark", "segment"]
