"""Which requests reach Dagster's application, and which end at the guard."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dagster_guard.application import guarded
from heartbeat.settings import Settings

MUTATION = json.dumps({"query": "mutation { launch }"}).encode()
QUERY = json.dumps({"query": "{ runs }"}).encode()
JSON = {"content-type": "application/json"}
OWN_PAGE = {"origin": "http://localhost:3000", "sec-fetch-site": "same-origin"}
TOKEN = "a-token-of-dana-1"
SECRET = "what-the-api-knows"


class Dagster:
    """Stands for Dagster's application: says 200 to whatever reaches it, and remembers it."""

    def __init__(self) -> None:
        self.reached: list[tuple[str, bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            while (message := await receive())["type"] == "websocket.receive":
                self.reached.append((scope["path"], message["text"].encode()))
            return
        message = await receive()
        self.reached.append((scope["path"], message.get("body", b"")))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


class Guarded:
    def __init__(self, settings: Settings) -> None:
        self.dagster = Dagster()
        self._app = guarded(self.dagster, settings)

    def answers(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        peer: str = "127.0.0.1",
    ) -> int:
        """The status of the answer; where it is 200, Dagster has got the body whole."""
        sent = self._sent(
            {**self._scope(path, headers, peer), "type": "http", "method": method},
            [
                {"type": "http.request", "body": body[:10], "more_body": True},
                {"type": "http.request", "body": body[10:], "more_body": False},
            ],
        )
        status = int(sent[0]["status"])
        assert (status == 200) == bool(self.dagster.reached)
        if status == 200 and method == "POST" and path == "/graphql":
            assert self.dagster.reached[-1][1] == body
        return status

    def websocket(self, headers: Mapping[str, str], *messages: object) -> list[str]:
        """What is sent to a client with those messages, by its type."""
        received: list[dict[str, Any]] = [
            {"type": "websocket.receive", "text": json.dumps(each)} for each in messages
        ]
        received.append({"type": "websocket.disconnect", "code": 1000})
        scope = {**self._scope("/graphql", headers, "127.0.0.1"), "type": "websocket"}
        return [each["type"] for each in self._sent(scope, received)]

    def _scope(self, path: str, headers: Mapping[str, str] | None, peer: str) -> dict[str, Any]:
        path, _, query = path.partition("?")
        given = {"host": "localhost:3000", **(headers or {})}
        raw = [(name.encode(), value.encode()) for name, value in given.items()]
        return {
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": raw,
            "client": (peer, 50_000),
        }

    def _sent(self, scope: dict[str, Any], received: list[dict[str, Any]]) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        messages = iter(received)

        async def receive() -> dict[str, Any]:
            return next(messages)

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(self._app(scope, receive, send))  # type: ignore[arg-type]
        return sent


def guard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **variables: str) -> Guarded:
    monkeypatch.setenv("HEARTBEAT_HOME", str(tmp_path))
    for name, value in variables.items():
        monkeypatch.setenv(f"HEARTBEAT_{name}", value)
    return Guarded(Settings.load())


@pytest.fixture
def on_loopback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Guarded:
    return guard(monkeypatch, tmp_path, LOOPBACK_WRITES="yes")


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("GET", "/", {}, b"", 200),
        ("GET", "/runs/1", {"sec-fetch-site": "cross-site"}, b"", 200),
        ("GET", "/graphql?query={runs}", OWN_PAGE, b"", 200),
        ("GET", "/graphql?query=mutation{launch}", OWN_PAGE, b"", 405),
        ("GET", "/graphql?query=mutation{launch}", {}, b"", 405),
        ("GET", "/graphql?query={runs}&query=mutation{launch}", {}, b"", 400),
        ("GET", "/graphql?query={runs}", {"sec-fetch-site": "cross-site"}, b"", 403),
        ("GET", "/graphql?query={runs}", {"sec-fetch-site": "same-site"}, b"", 403),
        ("GET", "/logs/run/step.err", {"sec-fetch-site": "cross-site"}, b"", 403),
        ("GET", "/logs/run/step.err", {}, b"", 200),
        ("GET", "/download_debug/1", {"origin": "null"}, b"", 403),
        ("GET", "/notebook?path=/etc/secret.ipynb&repoLocName=heartbeat", OWN_PAGE, b"", 404),
        ("POST", "/graphql", {**JSON, **OWN_PAGE}, QUERY, 200),
        ("POST", "/graphql", {**JSON, **OWN_PAGE}, MUTATION, 200),
        ("POST", "/graphql", JSON, MUTATION, 200),
        ("POST", "/graphql", {**JSON, "origin": "https://evil.example"}, MUTATION, 403),
        ("POST", "/graphql", {**JSON, "origin": "https://evil.example"}, QUERY, 403),
        ("POST", "/graphql", {**JSON, "origin": "http://localhost:3001"}, MUTATION, 403),
        ("POST", "/graphql", {**JSON, "origin": "null"}, MUTATION, 403),
        ("POST", "/graphql", {**JSON, "sec-fetch-site": "cross-site"}, MUTATION, 403),
        ("POST", "/graphql", {"content-type": "text/plain"}, MUTATION, 415),
        ("POST", "/graphql", {"content-type": "text/plain; x=application/json"}, MUTATION, 415),
        ("POST", "/graphql", {"content-type": "application/graphql"}, b"mutation { a }", 415),
        ("POST", "/graphql?query=mutation{launch}", {}, b"", 415),
        ("POST", "/graphql?query=mutation{launch}", JSON, QUERY, 400),
        ("POST", "/graphql", JSON, b"[" + MUTATION + b"]", 400),
        ("POST", "/graphql", {**JSON, "host": "evil.example:3000"}, QUERY, 421),
        ("GET", "/", {"host": "evil.example:3000"}, b"", 421),
        ("POST", "/graphql", {**JSON, "x-forwarded-for": "192.0.2.1"}, MUTATION, 403),
        ("POST", "/report_asset_materialization/a", {}, b"", 200),
        ("POST", "/report_asset_materialization/a", {"origin": "http://evil.example"}, b"", 403),
        ("POST", "/report_asset_check/a", {"content-type": "text/plain"}, b"{}", 415),
        ("PUT", "/anything", {"x-forwarded-for": "192.0.2.1"}, b"", 403),
        ("POST", "/graphql", JSON, b'{"query": "' + b"a" * 5_000_000 + b'"}', 413),
    ],
    ids=lambda part: str(part)[:50],
)
def test_what_reaches_dagster(
    on_loopback: Guarded, method: str, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    assert on_loopback.answers(method, path, headers, body) == status


def test_without_operators_and_switch_dagster_can_be_read_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closed = guard(monkeypatch, tmp_path)
    assert closed.answers("POST", "/graphql", JSON, MUTATION) == 403
    assert closed.answers("POST", "/report_asset_check/a", JSON, b"{}") == 403
    assert closed.answers("POST", "/graphql", {**JSON, **OWN_PAGE}, QUERY) == 200


def test_the_api_and_the_command_line_launch_with_their_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closed = guard(monkeypatch, tmp_path, DAGSTER_TOKEN=SECRET)
    wrong = {**JSON, "authorization": "Bearer something-else-1"}
    assert closed.answers("POST", "/graphql", wrong, MUTATION) == 401
    right = {**JSON, "authorization": f"Bearer {SECRET}"}
    assert closed.answers("POST", "/graphql", right, MUTATION, peer="10.0.0.9") == 200


def test_operators_write_as_they_do_on_the_api(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    operated = guard(
        monkeypatch,
        tmp_path,
        LOOPBACK_WRITES="yes",
        OPERATOR_TOKENS=f"dana={TOKEN}",
        TRUSTED_PROXIES="10.0.0.7",
        PUBLIC_DAGSTER_URL="https://dagster.bank.example",
    )
    assert operated.answers("POST", "/graphql", JSON, MUTATION) == 401
    by_proxy = {
        **JSON,
        "host": "dagster.bank.example",
        "origin": "https://dagster.bank.example",
        "x-forwarded-email": "dana@bank.example",
    }
    of_another_page = {**by_proxy, "origin": "https://evil.example"}
    assert operated.answers("POST", "/graphql", of_another_page, MUTATION, peer="10.0.0.7") == 403
    assert operated.answers("POST", "/graphql", by_proxy, MUTATION, peer="10.0.0.7") == 200
    with_token = {**JSON, "authorization": f"Bearer {TOKEN}"}
    assert operated.answers("POST", "/graphql", with_token, MUTATION, peer="10.0.0.9") == 200


def test_a_websocket_is_for_pages_of_its_own_and_reads(on_loopback: Guarded) -> None:
    started = {"type": "start", "id": "1", "payload": {"query": "subscription { logs }"}}
    assert on_loopback.websocket(OWN_PAGE, {"type": "connection_init"}, started) == [
        "websocket.accept"
    ]
    assert len(on_loopback.dagster.reached) == 2
    launches = {"type": "start", "id": "1", "payload": {"query": "mutation { launch }"}}
    assert on_loopback.websocket(OWN_PAGE, launches, started) == [
        "websocket.accept",
        "websocket.close",
    ]
    assert on_loopback.websocket({"origin": "https://evil.example"}, started) == ["websocket.close"]
    assert on_loopback.websocket({"host": "evil.example"}, started) == ["websocket.close"]
    assert len(on_loopback.dagster.reached) == 2
