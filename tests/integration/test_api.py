"""The API over HTTP on a real database."""

import os
import re
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from heartbeat.database import ensure_database
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.metrics.metric_view import MetricView, read_metrics
from heartbeat.schema.migration import migrate
from heartbeat.settings import Settings
from heartbeat_api.session_pool import ApiSession
from tests.unit.heartbeat_api.served import api_on, served
from tests.unit.heartbeat_api.stored_metrics import USUAL_WALL, StoredMetric, calm, store

CONTRACT = {
    "metric_id",
    "code",
    "name",
    "short_name",
    "unit",
    "period",
    "direction",
    "kind",
    "value",
    "value_text",
    "status",
    "severity",
    "severity_step",
    "reason",
    "since",
    "since_at_least",
    "signal",
    "error",
    "typical",
    "delta_text",
    "norm_value",
    "alert_value",
    "target_value",
    "target_due_date",
    "target_hit",
    "computed_at",
    "source_as_of",
    "freshness",
    "verification_state",
    "verification_since",
    "verification_reason",
    "owner",
    "reads",
    "cuts",
    "sparkline",
    "restated",
}
HOSTILE = "<img src=x onerror=alert(1)>'\"&"


@pytest.fixture
def client(marts_url: str) -> Iterator[httpx.Client]:
    with (
        served(api_on(marts_url)) as origin,
        httpx.Client(base_url=origin, timeout=20) as client,
    ):
        yield client


@pytest.fixture
def usual_wall(marts: psycopg.Connection) -> None:
    store(marts, USUAL_WALL, datetime.now(UTC))


def one(code: str, client: httpx.Client) -> dict[str, Any]:
    document: dict[str, Any] = client.get(f"/api/metrics/{code}").json()
    return document


@pytest.mark.usefixtures("usual_wall")
def test_the_metrics_come_with_exactly_the_fields_of_the_contract(client: httpx.Client) -> None:
    document = client.get("/api/metrics").json()
    assert set(document) == {"as_of", "build", "job", "landing", "metrics"}
    assert {frozenset(metric) for metric in document["metrics"]} == {frozenset(CONTRACT)}
    assert {field.name for field in fields(MetricView)} == CONTRACT


@pytest.mark.usefixtures("usual_wall")
def test_the_metrics_come_in_the_order_of_the_wall(client: httpx.Client) -> None:
    codes = [metric["code"] for metric in client.get("/api/metrics").json()["metrics"]]
    red, amber = ["FXST", "COLD", "AMLB", "SEPR"], ["ONBT", "STUK", "FLOW", "SEIP"]
    assert codes == [*red, *amber, "ACTC", "APRV", "BALS", "CARD", "LEDG", "PVNM", "REVD"]


@pytest.mark.usefixtures("usual_wall")
def test_a_metric_is_written_with_numbers_moments_and_days(client: httpx.Client) -> None:
    metric = one("collateral_overdue_days_max", client)
    assert (metric["value"], metric["value_text"], metric["alert_value"]) == (124, "124 d", 30)
    assert (metric["status"], metric["signal"], metric["freshness"]) == ("red", "ok", "fresh")
    assert metric["reads"] == ["core.payment"]
    assert [point["v"] for point in metric["sparkline"]] == list(range(35, 125))
    age = datetime.now(UTC) - datetime.fromisoformat(metric["since"])
    assert timedelta(days=88) < age < timedelta(days=91)
    assert metric == one("COLD", client)


@pytest.mark.usefixtures("usual_wall")
def test_a_rolling_stat_shows_its_band(client: httpx.Client) -> None:
    metric = one("FXST", client)
    assert metric["typical"] == {"mean": 1.2, "stddev": 0.2, "n": 90}
    assert metric["delta_text"] == "26× typical 1.2 h"


def test_an_edited_line_shows_at_once(client: httpx.Client, marts: psycopg.Connection) -> None:
    store(marts, USUAL_WALL, datetime.now(UTC))
    with marts.transaction():
        marts.execute("set local role heartbeat_operator")
        marts.execute("update heartbeat.metric_registry set alert_value = 500 where code = 'COLD'")
    assert one("COLD", client)["status"] == "amber"


def test_observations_refine_the_start_of_the_present_state(
    marts: psycopg.Connection, settings: Settings
) -> None:
    now = datetime.now(UTC)
    store(marts, USUAL_WALL, now)
    observed = [(30, "green"), (20, "red"), (19, "red"), (18, None), (17, "red"), (1, "red")]
    for hours, status in observed:
        marts.execute(
            "insert into heartbeat.metric_observation"
            " (metric_id, as_of, computed_at, v, status, error, seconds, run_id)"
            " values (%(metric_id)s, %(at)s, %(at)s, %(v)s, %(status)s, %(error)s, 0, 'run')",
            {
                "metric_id": "collateral_overdue_days_max",
                "at": now - timedelta(hours=hours),
                "v": 124 if status else None,
                "status": status,
                "error": None if status else "timeout",
            },
        )
    views = {view.code: view for view in read_metrics(marts, now=now, zone=settings.zone)}
    assert views["COLD"].since == now - timedelta(hours=20)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/api/metrics/none", 404, id="unknown metric"),
        pytest.param("/m/NONE", 404, id="page of an unknown metric"),
        pytest.param("/audit/none", 404, id="unknown audit page"),
        pytest.param("/api/audit/pages/none", 404, id="JSON of an unknown audit page"),
        pytest.param("/api/audit/cuts/none", 404, id="unknown cut"),
        pytest.param("/audit/cuts/none.svg", 404, id="picture of an unknown cut"),
        pytest.param("/static/none.css", 404, id="unknown static file"),
        pytest.param("/docs/none.md", 404, id="unknown document"),
    ],
)
def test_what_does_not_exist_is_a_problem_document(
    client: httpx.Client, path: str, status: int
) -> None:
    response = client.get(path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["instance"] == path


@pytest.mark.usefixtures("usual_wall")
@pytest.mark.parametrize("path", ["/", "/m/COLD", "/audit", "/api/metrics", "/static/wall.css"])
def test_every_answer_keeps_the_page_to_its_own_origin(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert response.headers["content-security-policy"].startswith("default-src 'self'")
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.usefixtures("usual_wall")
def test_the_pages_carry_no_inline_script_or_style(client: httpx.Client) -> None:
    for path in ("/", "/m/COLD", "/audit"):
        page = client.get(path).text
        assert set(re.findall(r"<script[^>]*>[^<]*", page)) <= set(
            re.findall(r'<script (?:type="module" )?src="/static/[^"]*">', page)
        )
        assert not re.search(r" on\w+=", page)
        assert "<style" not in page
        assert " style=" not in page


@pytest.mark.parametrize("path", ["/", "/m/%3Cb%3E", "/m/hostile"])
def test_hostile_texts_are_escaped(
    client: httpx.Client, marts: psycopg.Connection, path: str
) -> None:
    hostile = StoredMetric(
        "hostile",
        "<b>",
        HOSTILE,
        unit=HOSTILE,
        name=HOSTILE,
        owner=HOSTILE,
        prose=HOSTILE,
        norm=1,
        alert=2,
        error=HOSTILE,
        values=calm(9),
    )
    store(marts, [hostile], datetime.now(UTC))
    page = client.get(path)
    assert page.status_code == 200
    assert "<img" not in page.text
    assert "&lt;img src=x onerror=alert(1)&gt;" in page.text


def test_an_empty_registry_is_an_empty_wall(client: httpx.Client) -> None:
    assert "No metric is registered yet." in client.get("/").text
    assert client.get("/api/metrics").json()["metrics"] == []


def test_a_database_without_the_schema_is_named(client_of_empty: httpx.Client) -> None:
    response = client_of_empty.get("/healthz")
    assert response.status_code == 503
    assert response.json()["detail"] == "the database has no schema heartbeat of this version yet"


@pytest.fixture
def client_of_empty(source_url: str) -> Iterator[httpx.Client]:
    with (
        served(api_on(source_url)) as origin,
        httpx.Client(base_url=origin, timeout=20) as client,
    ):
        yield client


@pytest.fixture
def own_server() -> Iterator[EmbeddedPostgres]:
    """A prepared server that nobody else uses; it is not running yet."""
    folder = Path(tempfile.mkdtemp(prefix="heartbeat-test-"))
    server = EmbeddedPostgres(folder / "pg")
    server.prepare()
    yield server
    shutil.rmtree(folder)


def test_the_last_good_wall_stays_while_the_database_is_away(own_server: EmbeddedPostgres) -> None:
    """Before, during and after: it starts without a database, and takes up again by itself."""
    server, url = own_server, own_server.url("marts")
    with (
        served(api_on(url)) as origin,
        httpx.Client(base_url=origin, timeout=20) as client,
    ):
        waiting = client.get("/")
        assert (waiting.status_code, client.get("/healthz").status_code) == (503, 503)
        assert "Waiting for the database" in waiting.text
        with server.running():
            ensure_database(url)
            migrate(url)
            with psycopg.connect(url, autocommit=True) as connection:
                store(connection, USUAL_WALL, datetime.now(UTC))
            before = _until(client, 200)
        health = _until(client, 503)
        assert health.json()["detail"].startswith("the database does not answer")
        lost = client.get("/")
        assert lost.status_code == 200
        assert "NO NEW DATA" in lost.text
        assert all(metric.code in lost.text for metric in USUAL_WALL)
        metrics = client.get("/api/metrics").json()["metrics"]
        assert len(metrics) == len(USUAL_WALL)
        assert client.get("/api/audit/registry").status_code == 503
        with server.running():
            assert _until(client, 200).json() == before.json()
            assert "NO NEW DATA" not in client.get("/").text


def test_the_last_good_wall_stays_while_the_database_keeps_its_connections_and_is_frozen(
    own_server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ApiSession, "longest_silence", 1.0)
    url = own_server.url("marts")
    with own_server.running():
        ensure_database(url)
        migrate(url)
        with (
            psycopg.connect(url, autocommit=True) as connection,
            served(api_on(url)) as origin,
            httpx.Client(base_url=origin, timeout=20) as client,
        ):
            store(connection, USUAL_WALL, datetime.now(UTC))
            _until(client, 200)
            with _frozen(own_server, connection):
                health = _until(client, 503)
                assert health.json()["detail"].startswith("the database does not answer")
                lost = client.get("/")
                assert (lost.status_code, "NO NEW DATA" in lost.text) == (200, True)
                assert len(client.get("/api/metrics").json()["metrics"]) == len(USUAL_WALL)
            _until(client, 200)
            assert "NO NEW DATA" not in client.get("/").text


def test_a_request_waits_for_a_frozen_database_little_longer_than_a_statement_may_take() -> None:
    assert 5 < ApiSession.longest_silence < 10


@contextmanager
def _frozen(server: EmbeddedPostgres, connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Neither the backends of the API nor what would start new ones do anything."""
    backends = "select pid from pg_stat_activity where application_name = 'heartbeat'"
    postmaster = int((server.folder / "postmaster.pid").read_text().splitlines()[0])
    pids = [postmaster, *(pid for (pid,) in connection.execute(backends))]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _until(client: httpx.Client, status: int) -> httpx.Response:
    """The first health answer with that status; a read is shared for a second."""
    for _ in range(100):
        response = client.get("/healthz")
        if response.status_code == status:
            return response
        time.sleep(0.1)
    raise AssertionError(f"healthz never answered {status}: {response.text}")


def test_no_cut_is_a_page_that_says_so(client: httpx.Client) -> None:
    assert "No audit cut is registered yet." in client.get("/audit").text


class CountingDagster(BaseHTTPRequestHandler):
    """A Dagster webserver on which nothing runs, and which counts who asks."""

    asked = 0

    def do_POST(self) -> None:
        type(self).asked += 1
        self.rfile.read(int(self.headers["content-length"]))
        body = b'{"data": {"runsOrError": {"__typename": "Runs", "results": []}}}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.usefixtures("usual_wall")
def test_any_number_of_screens_cost_dagster_one_question_a_second(
    marts_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    CountingDagster.asked = 0
    dagster = ThreadingHTTPServer(("127.0.0.1", 0), CountingDagster)
    threading.Thread(target=dagster.serve_forever, daemon=True).start()
    monkeypatch.setenv("HEARTBEAT_DAGSTER_URL", f"http://127.0.0.1:{dagster.server_port}")
    began = time.monotonic()
    with served(api_on(marts_url)) as origin, httpx.Client(base_url=origin) as client:
        answers = [client.get("/api/metrics/active-job").json() for _ in range(300)]
        documents = [client.get("/api/metrics").json() for _ in range(20)]
        seconds = time.monotonic() - began
    dagster.shutdown()
    dagster.server_close()
    assert answers == [{"job": None}] * 300
    assert {document["job"] for document in documents} == {None}
    assert 1 <= CountingDagster.asked <= seconds + 2


@pytest.mark.usefixtures("usual_wall")
def test_while_dagster_is_away_the_wall_is_shown_and_the_job_is_not_guessed(
    marts_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = f"http://127.0.0.1:{listener.getsockname()[1]}"
    monkeypatch.setenv("HEARTBEAT_DAGSTER_URL", nobody)
    with served(api_on(marts_url)) as origin, httpx.Client(base_url=origin) as client:
        document = client.get("/api/metrics").json()
        assert (document["job"], len(document["metrics"])) == (None, len(USUAL_WALL))
        for answer in (
            client.get("/api/metrics/active-job"),
            client.get("/api/metrics/recompute/00000000-0000-0000-0000-000000000000"),
            client.post("/api/metrics/recompute", json={"metric_ids": "all"}),
        ):
            assert answer.status_code == 503
            assert "Dagster's webserver does not answer" in answer.json()["detail"]
            assert answer.headers["retry-after"] == "5"


def test_a_new_number_is_served_without_waiting_for_the_next_read(
    marts: psycopg.Connection, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heartbeat_api.holder._LIFETIME_SECONDS", 3600)
    monkeypatch.setattr("heartbeat_api.holder._OLDEST_SECONDS", 3600)
    metric = StoredMetric("fees", "FEES", "Fees", values=[1.0])
    store(marts, [metric], datetime.now(UTC))
    deadline = time.monotonic() + 20
    while client.get("/api/metrics").json().get("metrics", []) == []:
        assert time.monotonic() < deadline
    for value in (2, 3):
        marts.execute("update heartbeat.metric_history set v = %s", [value])
        while one("FEES", client)["value"] != value:
            assert time.monotonic() < deadline
            time.sleep(0.02)
