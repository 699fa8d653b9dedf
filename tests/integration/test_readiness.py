"""`/readyz` says which part is unhealthy, in a time that has a limit."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.integration.dagster_stub import Dagster, dagster
from tests.unit.heartbeat_api.served import api_on, served

PARTS = {"marts", "webserver", "code_location", "daemon", "queue"}


@pytest.fixture
def client(marts_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    with dagster() as address:
        monkeypatch.setenv("HEARTBEAT_DAGSTER_URL", address)
        with (
            served(api_on(marts_url)) as origin,
            httpx.Client(base_url=origin, timeout=30) as client,
        ):
            yield client


def ill(client: httpx.Client) -> dict[str, str]:
    """The reason of each part that is ill; one may be two seconds old."""
    time.sleep(2.2)
    answer = client.get("/readyz")
    body: dict[str, Any] = answer.json()
    assert body["parts"].keys() == PARTS
    found = {name: part["reason"] for name, part in body["parts"].items() if not part["ok"]}
    assert (answer.status_code, body["ready"]) == ((503, False) if found else (200, True))
    return found


def test_a_stack_that_works_is_ready(client: httpx.Client) -> None:
    assert ill(client) == {}
    assert client.get("/healthz").status_code == 200


def test_a_code_location_that_is_not_loaded_is_named(client: httpx.Client) -> None:
    Dagster.location = {"__typename": "PythonError", "message": "SyntaxError: metrics/x.py"}
    assert ill(client) == {
        "code_location": "the code location does not load: SyntaxError: metrics/x.py"
    }
    Dagster.location = {"__typename": "PythonError", "message": "UNAVAILABLE: could not reach"}
    assert ill(client) == {"code_location": "it is not loaded, or does not answer"}
    assert client.get("/healthz").status_code == 200


def test_a_daemon_that_writes_no_heartbeat_is_named(client: httpx.Client) -> None:
    Dagster.beat = datetime.now(UTC) - timedelta(minutes=5)
    assert ill(client) == {"daemon": "no heartbeat for four minutes of: scheduler"}


def test_a_run_that_waits_for_nothing_is_named(client: httpx.Client) -> None:
    Dagster.status, Dagster.created = "QUEUED", datetime.now(UTC) - timedelta(minutes=25)
    assert ill(client) == {"queue": "25 minutes after the first of 1 waiting run none goes on"}
    Dagster.status = "STARTED"
    assert ill(client) == {}


def test_a_webserver_that_is_away_leaves_the_rest_unknown(
    marts_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARTBEAT_DAGSTER_URL", "http://127.0.0.1:9")
    with (
        served(api_on(marts_url)) as origin,
        httpx.Client(base_url=origin, timeout=30) as client,
    ):
        found = ill(client)
    assert found.keys() == PARTS - {"marts"}
    assert found["webserver"].startswith("Dagster's webserver does not answer")
    assert found["daemon"] == "not known while Dagster's webserver does not answer"


def test_a_database_that_is_away_is_named(client: httpx.Client, marts_url: str) -> None:
    with (
        served(api_on("postgresql://localhost:9/none")) as origin,
        httpx.Client(base_url=origin, timeout=30) as other,
    ):
        assert ill(other)["marts"].startswith("the database does not answer")
