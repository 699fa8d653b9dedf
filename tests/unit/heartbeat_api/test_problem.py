"""Errors as problem documents, over HTTP."""

from collections.abc import Iterator
from http import HTTPStatus

import httpx
import pytest
from fastapi import FastAPI

from heartbeat_api.database import UnavailableError
from heartbeat_api.problem import install_problem_handlers
from tests.unit.heartbeat_api.served import served


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    app = FastAPI()
    install_problem_handlers(app)

    @app.get("/number/{number}")
    def number(number: int) -> int:
        return 1 // number

    @app.get("/away")
    def away() -> None:
        raise UnavailableError("the database does not answer: connection refused")

    with served(app) as origin:
        yield origin


@pytest.fixture
def client(origin: str) -> Iterator[httpx.Client]:
    """A client of each test's own: after an unexpected failure the server closes the connection."""
    with httpx.Client(base_url=origin) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        pytest.param("GET", "/nowhere", 404, "Not Found", id="unknown path"),
        pytest.param("POST", "/number/1", 405, "Method Not Allowed", id="wrong method"),
        pytest.param("GET", "/number/x", 422, "path.number: ", id="bad parameter"),
        pytest.param("GET", "/number/0", 500, "the server failed", id="unexpected failure"),
        pytest.param("GET", "/away", 503, "the database does not answer", id="database away"),
    ],
)
def test_every_error_is_a_problem_document(
    client: httpx.Client, method: str, path: str, status: int, detail: str
) -> None:
    response = client.request(method, path)
    document = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["content-security-policy"].startswith("default-src 'self'")
    assert document.pop("detail").startswith(detail)
    assert response.status_code == status
    assert document == {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "instance": path,
    }


def test_a_wrong_method_names_the_right_ones(client: httpx.Client) -> None:
    assert client.post("/number/1").headers["allow"] == "GET, HEAD"


def test_an_absent_database_asks_to_come_back(client: httpx.Client) -> None:
    assert client.get("/away").headers["retry-after"] == "5"


def test_an_unexpected_failure_tells_nothing_of_its_cause(client: httpx.Client) -> None:
    assert "division" not in client.get("/number/0").text
