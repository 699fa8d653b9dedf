"""Whoever has seen that a job succeeded, or anything committed, is told the new numbers."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from tests.integration.dagster_stub import JOB, Dagster, dagster
from tests.unit.heartbeat_api.served import api_on, served
from tests.unit.heartbeat_api.stored_metrics import StoredMetric, store

METRICS = [StoredMetric(f"fees_{n}", f"FEE{n}", f"Fees {n}", values=[0.0]) for n in range(8)]
ROUNDS = 12
PATIENCE_SECONDS = 60


@pytest.fixture
def apps(marts_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FastAPI]]:
    """Two APIs on one database, each of which knows nothing of the other."""
    with dagster(METRICS[0].metric_id) as url:
        monkeypatch.setenv("HEARTBEAT_DAGSTER_URL", url)
        yield [api_on(marts_url), api_on(marts_url)]


@pytest.fixture
def clients(apps: list[FastAPI], marts: psycopg.Connection) -> Iterator[list[httpx.Client]]:
    store(marts, METRICS, datetime.now(UTC))
    with ExitStack() as opened:
        origins = [opened.enter_context(served(app)) for app in apps]
        yield [
            opened.enter_context(httpx.Client(base_url=origin, timeout=20)) for origin in origins
        ]


def computes(marts: psycopg.Connection, value: int) -> None:
    """Each metric in a transaction of its own, as a compute writes them."""
    for metric in METRICS:
        marts.execute(
            "update heartbeat.metric_history set v = %s, computed_at = now() where metric_id = %s",
            [value, metric.metric_id],
        )


def shown(client: httpx.Client) -> set[int]:
    return values(client.get("/api/metrics").raise_for_status().json())


def values(document: dict[str, Any]) -> set[int]:
    assert len(document["metrics"]) == len(METRICS)
    return {metric["value"] for metric in document["metrics"]}


def test_what_is_committed_is_what_the_next_request_of_every_api_is_told(
    marts: psycopg.Connection, clients: list[httpx.Client]
) -> None:
    for value in range(1, ROUNDS + 1):
        computes(marts, value)
        assert [shown(client) for client in clients] == [{value}, {value}]
        one = [client.get("/api/metrics/FEE7").json()["value"] for client in clients]
        assert one == [value, value]


def test_who_sees_a_job_succeed_reads_its_numbers_from_every_api(
    marts: psycopg.Connection, clients: list[httpx.Client]
) -> None:
    for value in range(1, ROUNDS + 1):
        Dagster.status = "STARTED"
        assert clients[0].get(f"/api/metrics/recompute/{JOB}").json()["state"] == "running"
        computes(marts, value)
        Dagster.status = "SUCCESS"
        assert clients[0].get(f"/api/metrics/recompute/{JOB}").json()["state"] == "success"
        assert [shown(client) for client in clients] == [{value}, {value}]


def test_an_answer_that_shows_no_job_any_more_has_the_numbers_that_the_job_made(
    marts: psycopg.Connection, apps: list[FastAPI], clients: list[httpx.Client]
) -> None:
    jobs = apps[0].state.api.jobs
    for value in range(1, ROUNDS + 1):
        Dagster.status = "STARTED"
        jobs.renewed()
        assert clients[0].get("/api/metrics").json()["job"]["state"] == "running"
        computes(marts, value)
        Dagster.status = "SUCCESS"
        jobs.renewed()
        document = clients[0].get("/api/metrics").json()
        assert (document["job"], values(document)) == (None, {value})


def test_a_page_that_says_refreshed_shows_the_number_of_that_refresh(
    marts: psycopg.Connection, clients: list[httpx.Client]
) -> None:
    for value in range(11, 11 + ROUNDS):
        Dagster.status = "STARTED"
        assert "Refreshing" in clients[1].get(f"/m/FEE3?job={JOB}").text
        computes(marts, value)
        Dagster.status = "SUCCESS"
        page = clients[1].get(f"/m/FEE3?job={JOB}").text
        assert "Refreshed at" in page
        assert f">{value}<" in page


def test_what_an_operator_changes_through_one_api_is_told_by_the_other(
    clients: list[httpx.Client],
) -> None:
    for alert in range(1, 4):
        assert clients[1].get("/api/metrics/FEE3").json()["alert_value"] != alert
        change = {"alert_value": alert, "reason": "as agreed"}
        clients[0].patch("/api/metrics/FEE3/verification", json=change).raise_for_status()
        assert clients[1].get("/api/metrics/FEE3").json()["alert_value"] == alert
    clients[0].put("/api/watchlists/board/FEE3").raise_for_status()
    assert clients[1].get("/api/watchlists").json() == {"board": ["fees_3"]}


def test_where_nobody_may_listen_every_request_reads_anew(
    apps: list[FastAPI], marts: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heartbeat_api.change_listener._LISTEN", "listen to nobody")
    store(marts, METRICS, datetime.now(UTC))
    with served(apps[0]) as origin, httpx.Client(base_url=origin, timeout=20) as client:
        for value in range(1, 4):
            computes(marts, value)
            assert shown(client) == {value}
            assert client.get("/healthz").status_code == 200


def test_a_change_while_nobody_listens_is_not_missed(
    marts: psycopg.Connection, clients: list[httpx.Client]
) -> None:
    """A read that was ended meanwhile is made again within seconds; a change that was missed stays
    missed, as nothing changes later.
    """
    assert shown(clients[0]) == {0}
    for value in range(1, 4):
        marts.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        computes(marts, value)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while shown(clients[0]) != {value}:
            assert time.monotonic() < deadline
            time.sleep(0.1)
