"""The door of the API over real sockets: who waits too long, asks by a wrong name, or guesses."""

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from heartbeat.settings import Settings
from heartbeat_api.app import create_app
from heartbeat_web import door, server
from tests.unit.heartbeat_api.served import served
from tests.unit.heartbeat_api.stored_metrics import USUAL_WALL, store

TOKEN = "a-token-of-dana-1"
PATIENCE_SECONDS = 60


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(server, "UNREAD_SECONDS", 0.5)
    monkeypatch.setattr(server, "_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(server, "KEEP_ALIVE_SECONDS", 1)
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 20)
    monkeypatch.setattr(door.Limits, "__init__", _short_limits)


def _short_limits(self: door.Limits, **_: object) -> None:
    for name, value in {"body": 1_000_000, "url": 8_000, "body_seconds": 0.5}.items():
        object.__setattr__(self, name, value)


@pytest.fixture
def origin(marts_url: str, marts: psycopg.Connection) -> Iterator[str]:
    store(marts, USUAL_WALL, datetime.now(UTC))
    with served(app(marts_url)) as served_at:
        yield served_at


def app(marts_url: str, **variables: str) -> FastAPI:
    named = {f"HEARTBEAT_{name}": value for name, value in variables.items()}
    return create_app(Settings.model_validate({"HEARTBEAT_DATABASE_URL": marts_url, **named}))


def connected(origin: str) -> socket.socket:
    host, _, port = origin.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)


@pytest.mark.usefixtures("short_limits")
@pytest.mark.parametrize(
    ("said", "answer"),
    [
        pytest.param(b"", b"", id="nothing"),
        pytest.param(b"GET / HTTP/1.1\r\nhost: localhost\r\n", b"", id="half a head"),
        pytest.param(b"GET /none HTTP/1.1\r\nhost: localhost\r\n\r\n", b" 404 ", id="no more"),
        pytest.param(
            b"POST /m/COLD HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nabc",
            b" 408 ",
            id="half a body",
        ),
        pytest.param(
            b"POST /none HTTP/1.1\r\nhost: localhost\r\n"
            b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n",
            b" 404 ",
            id="a body that nobody reads and that does not end",
        ),
    ],
)
def test_who_says_nothing_more_is_not_waited_for(origin: str, said: bytes, answer: bytes) -> None:
    with connected(origin) as connection:
        connection.sendall(said)
        heard = b""
        while part := connection.recv(65_536):
            heard += part
    assert answer in heard
    assert bool(heard) == bool(answer)


LONG_ANSWER = b"x" * 20_000_000


async def answers_at_length(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        for moment in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{moment}.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": LONG_ANSWER})


@pytest.mark.usefixtures("short_limits")
def test_who_does_not_read_the_answer_is_cut_off() -> None:
    with served(answers_at_length) as origin, connected(origin) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        # the patience of the server, many times over; a slow machine only waits longer
        time.sleep(5)
        heard = 0
        try:
            while part := connection.recv(1_000_000):
                heard += len(part)
        except ConnectionError:
            pass
    assert heard < len(LONG_ANSWER)


def test_who_asks_on_without_an_answer_is_cut_off(origin: str) -> None:
    with connected(origin) as connection:
        asked = b"GET /none HTTP/1.1\r\nhost: localhost\r\n\r\n" * 200_000
        with pytest.raises(ConnectionError):
            connection.sendall(asked)


@pytest.mark.usefixtures("short_limits")
def test_many_connections_that_say_nothing_keep_nobody_out_for_long(origin: str) -> None:
    with ExitStack() as silent:
        for _ in range(60):
            silent.enter_context(connected(origin))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                assert httpx.get(f"{origin}/healthz", timeout=20).status_code == 200
            except httpx.HTTPError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            else:
                break


def test_the_names_that_are_listed_are_answered(marts_url: str) -> None:
    listed = app(marts_url, ALLOWED_HOSTS="heartbeat.lan, api", PUBLIC_URL="https://hb.example")
    with served(listed) as origin, httpx.Client(base_url=origin, timeout=20) as client:
        for host in ("heartbeat.lan:8000", "API", "hb.example", "HB.example."):
            assert client.get("/none", headers={"host": host}).status_code == 404
        for host in ("evil.example", "heartbeat.lan.evil.example", "lan"):
            assert client.get("/none", headers={"host": host}).status_code == 421


def test_a_header_that_is_there_twice_is_refused(origin: str) -> None:
    for name, values in {
        "host": ("localhost", "evil.example"),
        "authorization": ("Bearer a", "Bearer b"),
        "x-forwarded-email": ("dana@bank.example", "eve@bank.example"),
    }.items():
        lines = "".join(f"{name}: {value}\r\n" for value in values)
        host = "" if name == "host" else "host: localhost\r\n"
        with connected(origin) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\n{host}{lines}connection: close\r\n\r\n".encode())
            assert b" 400 " in connection.recv(65_536).partition(b"\r\n")[0]


def test_a_wrong_token_is_logged_and_limited(
    marts_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with (
        served(app(marts_url, OPERATOR_TOKENS=f"dana={TOKEN}")) as origin,
        httpx.Client(base_url=origin, timeout=20) as client,
    ):
        wrong = {"authorization": "Bearer a-token-of-nobody", "x-forwarded-email": "eve@x.example"}
        statuses = [client.post("/refresh", headers=wrong).status_code for _ in range(12)]
        last = client.post("/refresh", headers=wrong)
    assert statuses == [401] * 10 + [429] * 2
    assert 0 < int(last.headers["retry-after"]) <= 60
    told = [each for each in caplog.records if each.name == "heartbeat_api.refusals"]
    assert len(told) == 13
    assert told[0].__dict__["peer"] == "127.0.0.1"
    assert told[0].__dict__["identity"] == "eve@x.example"
    assert told[0].__dict__["status"] == 401
    assert told[0].getMessage() == (
        "refused 401 POST '/refresh' from 127.0.0.1 as 'eve@x.example':"
        " the token belongs to no operator"
    )
    assert "a-token-of-nobody" not in caplog.text


def test_without_operators_the_pages_say_how_to_set_one_up(
    marts_url: str, marts: psycopg.Connection
) -> None:
    store(marts, USUAL_WALL, datetime.now(UTC))
    words = "Nobody may write here yet: set HEARTBEAT_OPERATOR_TOKENS"
    with (
        served(app(marts_url)) as origin,
        httpx.Client(base_url=origin, timeout=20) as client,
    ):
        page = client.get("/m/COLD").text
        assert words in page
        assert "<form" not in page
        assert f'<button disabled title="{words}' in client.get("/").text
        for path in ("/refresh", "/m/COLD", "/m/COLD/watchlists", "/m/COLD/refresh"):
            refused = client.post(path)
            assert refused.status_code == 403
            assert words in refused.text
        assert client.put("/api/watchlists/board/COLD").json()["detail"].startswith(words)


def test_where_operators_have_tokens_only_the_pages_say_how_a_browser_writes(
    marts_url: str, marts: psycopg.Connection
) -> None:
    store(marts, USUAL_WALL, datetime.now(UTC))
    words = "come through a proxy with a login (HEARTBEAT_TRUSTED_PROXIES)"
    with (
        served(app(marts_url, OPERATOR_TOKENS=f"dana={TOKEN}")) as origin,
        httpx.Client(base_url=origin, timeout=20) as client,
    ):
        page = client.get("/m/COLD").text
        assert words in page
        assert "<form" not in page
        wall = client.get("/").text
        assert "<button disabled title=" in wall
        assert words in wall
    both = {"OPERATOR_TOKENS": f"dana={TOKEN}", "TRUSTED_PROXIES": "10.0.0.7"}
    with served(app(marts_url, **both)) as origin:
        assert "<form" in httpx.get(f"{origin}/m/COLD", timeout=20).text


def test_the_policy_of_a_page_keeps_its_forms(origin: str) -> None:
    policy = httpx.get(f"{origin}/", timeout=20).headers["content-security-policy"]
    assert "form-action 'self'" in policy
    assert "frame-ancestors 'none'" in policy
