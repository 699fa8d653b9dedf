"""A running stack on a bank of two tables and three metrics, whose computes can be held up."""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from heartbeat.connection_string import of_database
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.settings import Settings
from tests.acceptance.running_stack import PATIENCE_SECONDS, Up
from tests.integration.tiny_project import CUT, TinyProject

_LOOK_SECONDS = 0.2
"""Looking costs processor time, of the test and of the servers, which others need."""

_SCHEDULES = """{ schedulesOrError(repositorySelector: {
    repositoryLocationName: "heartbeat", repositoryName: "__repository__"
}) { ... on Schedules { results { scheduleState { id } } } } }"""
_STOP_SCHEDULE = """mutation { stopRunningSchedule(id: "%s") {
    ... on ScheduleStateResult { scheduleState { status } } ... on PythonError { message }
} }"""

GATE = "select pg_advisory_lock_shared(42)"
GATED_CUT = (
    CUT.replace('["7d"]', '["7d", "30d"]')
    .replace("    rows =", f"    if window == '30d':\n        conn.execute('{GATE}')\n    rows =")
    .replace('return {"values"', 'return {"prose": f"{rows[0]} payments.", "values"')
)
"""A cut whose second window waits at the gate."""


@dataclass(frozen=True)
class RefreshedBank:
    """The stack, the server of its source, and what a person does with them."""

    up: Up
    source: "SourceServer"
    marts_url: str
    dagster_database_url: str

    def charges(self, fee_id: int, eur: int) -> None:
        """A fee in the source, when it can be reached."""
        with psycopg.connect(self.source.url) as source:
            source.execute("insert into core.fee values (%s, %s)", [fee_id, eur])

    def charged(self) -> float:
        """The sum of all fees in the source."""
        with psycopg.connect(self.source.url) as source:
            row = source.execute("select sum(eur) from core.fee").fetchone()
        assert row is not None
        return float(row[0])

    def asks(self, *metric_ids: str, trigger: str = "ui") -> dict[str, Any]:
        """The answer to a request for those metrics, or all."""
        wanted = {"metric_ids": list(metric_ids) or "all", "trigger": trigger}
        answer = httpx.post(f"{self.api}/api/metrics/recompute", json=wanted, timeout=60)
        assert answer.status_code == 202, answer.text
        ticket: dict[str, Any] = answer.json()
        assert answer.headers["location"] == f"/api/metrics/recompute/{ticket['job_id']}"
        return ticket

    def asks_when_it_can(self, *metric_ids: str) -> str:
        """The job of a request that is repeated while the answer is 503, as `Retry-After` says."""
        wanted = {"metric_ids": list(metric_ids) or "all"}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                answer = httpx.post(f"{self.api}/api/metrics/recompute", json=wanted, timeout=60)
                if answer.status_code == 202:
                    return str(answer.json()["job_id"])
                assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
            time.sleep(0.5)
        raise AssertionError(self.logs())

    def job(self, job_id: str) -> dict[str, Any]:
        """What the API says of a job."""
        job: dict[str, Any] = self.up.api(f"/api/metrics/recompute/{job_id}")
        return job

    def ends(self, job_id: str) -> dict[str, Any]:
        """The job when it has ended, whatever is restarted meanwhile."""
        self.waits_until(lambda: self.phase(job_id) == "ended")
        return self.job(job_id)

    def phase(self, job_id: str) -> str | None:
        """The phase of a job; None while nobody can tell."""
        with suppress(httpx.HTTPError):
            phase: str | None = self.job(job_id).get("phase")
            return phase
        return None

    def waits_until(self, condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.logs()
            time.sleep(_LOOK_SECONDS)

    def value(self, metric_id: str) -> float | None:
        value: float | None = self.up.api(f"/api/metrics/{metric_id}")["value"]
        return value

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """While this lasts, no compute of `both` ends."""
        with psycopg.connect(self.marts_url, autocommit=True) as connection:
            connection.execute("select pg_advisory_lock(42)")
            yield

    def opens_the_gate(self) -> None:
        """Authors' SQL may not wait for a lock of anybody's; the gate of these tests is one."""
        with psycopg.connect(self.marts_url) as marts:
            marts.execute(
                "grant execute on function pg_advisory_lock_shared(bigint) to heartbeat_reader"
            )

    def landed(self, job_id: str) -> list[tuple[str, str | None]]:
        """Table and error of what a run landed."""
        return self.rows(
            "select table_name, error from heartbeat.table_load_log where run_id = %s order by 1",
            [job_id],
        )

    def rows(self, query: str, parameters: list[object] | None = None) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.marts_url) as marts:
            return marts.execute(query.encode(), parameters).fetchall()

    def runs(self, *statuses: str) -> list[dict[str, Any]]:
        """Dagster's runs in those statuses, or all."""
        chosen = f"(filter: {{statuses: [{', '.join(statuses)}]}})" if statuses else ""
        query = (
            f"{{ runsOrError{chosen} {{ ... on Runs {{ results {{ runId jobName status }} }} }} }}"
        )
        found: list[dict[str, Any]] = self.up.graphql(query)["runsOrError"]["results"]
        return found

    def stops_the_schedules(self) -> None:
        """From here on nothing runs that the test did not ask for, whatever the hour."""
        for schedule in self.up.graphql(_SCHEDULES)["schedulesOrError"]["results"]:
            stopped = self.up.graphql(_STOP_SCHEDULE % schedule["scheduleState"]["id"])
            status = stopped["stopRunningSchedule"]["scheduleState"]["status"]
            assert status == "STOPPED", stopped
        self.waits_until(lambda: self.runs("QUEUED", "STARTING", "STARTED") == [])

    def has_status(self, job_id: str, status: str) -> None:
        """Dagster keeps that status of a run, as if it had been interrupted there."""
        with psycopg.connect(self.dagster_database_url) as dagster:
            dagster.execute("update runs set status = %s where run_id = %s", [status, job_id])

    def logs(self) -> str:
        """The end of every log, for the message of a failed test."""
        files = sorted((self.up.home / "logs").glob("*.log"))
        return "\n".join(f"== {each.name}\n{each.read_text()[-1500:]}" for each in files)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.up.ports['API']}"


class SourceServer:
    """The server of the source, which a test can kill and start again."""

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedPostgres(folder)
        self._server.prepare()
        self.url = self._server.url("postgres")
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._server.command(), user=self._server.system_user, stderr=subprocess.DEVNULL
        )
        while not self._server.answers():
            assert self._process.poll() is None
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill the server, and wait until its children have noticed."""
        children = psutil.Process(self._process.pid).children()
        self._process.kill()
        self._process.wait()
        psutil.wait_procs(children, timeout=PATIENCE_SECONDS)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait()


@contextmanager
def refreshed_bank() -> Iterator[RefreshedBank]:
    """The stack after its first refresh; it is stopped at the end, and nothing is left of it."""
    folder = Path(tempfile.mkdtemp(prefix="heartbeat-refresh-"))
    for name in ("sources", "metrics", "audit_cuts"):
        (folder / "project" / name).mkdir(parents=True)
    server = SourceServer(folder / "source")
    with pytest.MonkeyPatch.context() as environment:
        variables = {
            "HEARTBEAT_PROJECT": str(folder / "project"),
            "SOURCE_BANK_URL": server.url,
            # as long as a test may hold a compute up at the gate
            "HEARTBEAT_LOCK_TIMEOUT": "5min",
            "METRIC_STATEMENT_TIMEOUT": "5min",
        }
        environment.setenv("HEARTBEAT_HOME", str(folder / "home"))
        for name, value in variables.items():
            environment.setenv(name, value)
        settings = Settings.load()
        with psycopg.connect(server.url, autocommit=True) as source:
            _write_project(TinyProject(settings, source))
        up = Up(folder / "home", (), variables)
        up.start()
        try:
            # the metric that waits at the gate cannot be computed before it is open
            up.wait_for("Ctrl-C stops everything")
            bank = RefreshedBank(
                up,
                server,
                settings.database_url,
                of_database(settings.database_url, settings.dagster_database_name),
            )
            bank.stops_the_schedules()
            bank.opens_the_gate()
            yield bank
        finally:
            if up.is_running:
                up.stop(signal.SIGTERM)
            server.stop()
            _nothing_is_left_of(up)
    shutil.rmtree(folder)


def _nothing_is_left_of(up: Up) -> None:
    """Who killed a code server has to wait: what it had started ends when it is not heard of."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := up.processes():
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def _write_project(project: TinyProject) -> None:
    project.source.execute(
        "create schema core;"
        "create table core.payment (id int primary key, update_time timestamptz);"
        "create table core.fee (id int primary key, eur numeric);"
        "insert into core.payment values (1, now()), (2, now());"
        "insert into core.fee values (1, 2.50), (2, 0.25)"
    )
    project.discovers()
    project.writes_metric("payments", "PAYM", "select count(*) from bank_core.payment")
    keeps_a_band = project.folder / "metrics" / "payments.sql"
    keeps_a_band.write_text(keeps_a_band.read_text().replace("threshold", "rolling_stat"))
    project.writes_metric("fees", "FEES", "select sum(eur) from bank_core.fee")
    project.writes_metric(
        "both",
        "BOTH",
        "select count(*) from bank_core.payment join bank_core.fee using (id)"
        f" where ({GATE}) is not null",
    )
    project.writes_cut(GATED_CUT)
