"""What anybody can send without a login does not take the API's memory, nor its sockets."""

import os
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.integration.api_process import ApiProcess, api_process
from tests.integration.test_api_document import CONFIG, SCHEMATHESIS
from tests.unit.heartbeat_api.stored_metrics import USUAL_WALL, store

MEGABYTE = 1_000_000
ATTACK_ROOM = 40 * MEGABYTE
"""Above what the usual requests take. Sixteen bodies and heads at their limits are 17 MB, each
thread of the pool may keep an arena of a few; one of the attacks alone, unbounded, takes 300 MB.
"""
SOAK_ROOM = 60 * MEGABYTE
"""The allocator's arenas settle within the first minute; a leak of 1 kB a request, over the
60,000 requests of three minutes, would be as much.
"""
SOAK_ROUNDS = int(os.environ.get("HEARTBEAT_SOAK_ROUNDS", "12"))


@pytest.fixture(scope="module")
def api(module_marts_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    with psycopg.connect(module_marts_url, autocommit=True) as marts:
        store(marts, USUAL_WALL, datetime.now(UTC))
    with api_process(module_marts_url, tmp_path_factory.mktemp("api")) as found:
        _usual(found)
        yield found


def _usual(api: ApiProcess) -> None:
    with httpx.Client(base_url=api.origin, timeout=60) as client:
        for _ in range(20):
            for path in ("/", "/api/metrics", "/m/COLD?alert_value=20", "/none"):
                client.get(path)


NUMBERS = ("1e-300000000", "1e300000000", "0e-300000000", "-0e300000000", "1" * 7000, "1_0e9999999")


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:12])
def test_a_number_that_nobody_could_write_out_takes_no_memory(api: ApiProcess, number: str) -> None:
    api.forget_highest()
    before = api.rss
    with httpx.Client(base_url=api.origin, timeout=60) as client:
        for name in ("alert_value", "norm_value", "target_value", "target_due_date"):
            assert client.get("/m/COLD", params={name: number}).status_code == 200
            assert client.post("/m/COLD", data={name: number}).status_code == 422, name
        for name in ("alert", "norm"):
            refused = client.get("/api/metrics/COLD/backtest", params={name: number})
            assert refused.status_code == 422
        body = f'{{"alert_value": "{number}"}}'
        json = {"content-type": "application/json"}
        patched = client.patch("/api/metrics/COLD/verification", content=body, headers=json)
        assert patched.status_code == 422
    assert api.highest_rss - before < ATTACK_ROOM


PATHS = ("/m/COLD", "/m/COLD/watchlists", "/refresh", "/api/displays/beat", "/none", "/static/a")


@pytest.mark.parametrize("told", [True, False], ids=["with its length", "in chunks"])
def test_a_body_of_300_megabytes_is_not_read(api: ApiProcess, told: bool) -> None:
    api.forget_highest()
    before = api.rss
    with ThreadPoolExecutor(2 * len(PATHS)) as all_at_once:
        posts = [all_at_once.submit(_post_300_megabytes, api, path, told) for path in 2 * PATHS]
        sent = [post.result() for post in posts]
    # what the buffers of both sides hold, and what is discarded so that the answer is heard
    assert max(sent) < 30 * MEGABYTE
    assert api.highest_rss - before < ATTACK_ROOM
    assert httpx.get(f"{api.origin}/healthz", timeout=60).status_code == 200


def _post_300_megabytes(api: ApiProcess, path: str, told: bool) -> int:
    """Post for as long as the server listens; gives the bytes that it took."""
    framing = f"content-length: {300 * MEGABYTE}" if told else "transfer-encoding: chunked"
    piece = b"b" * MEGABYTE if told else b"f4240\r\n" + b"b" * MEGABYTE + b"\r\n"
    with socket.create_connection(api.address, timeout=60) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nhost: localhost\r\n{framing}\r\n\r\n".encode())
        for number in range(300):
            try:
                connection.sendall(piece)
            except OSError:
                return number * MEGABYTE
    return 300 * MEGABYTE


def test_a_body_that_is_a_little_too_long_is_refused_in_words(api: ApiProcess) -> None:
    for content in (b"b" * 1_000_001, iter([b"b" * 1_000_001])):
        refused = httpx.post(f"{api.origin}/m/COLD", content=content, timeout=60)
        assert refused.status_code == 413
        assert refused.json()["detail"] == "a request has at most 1,000,000 bytes"


def test_heads_have_a_limit(api: ApiProcess) -> None:
    long = httpx.get(f"{api.origin}/none?{'a' * 9_000}", timeout=60)
    assert (long.status_code, long.json()["title"]) == (414, "Request-URI Too Long")
    headers = {f"x-{n}": "b" * 900 for n in range(60)}
    assert httpx.get(f"{api.origin}/", headers=headers, timeout=60).status_code == 431
    api.forget_highest()
    before = api.rss
    for beginning in (b"GET /", b"GET / HTTP/1.1\r\nx: ", b"GET / HTTP/1.1\r\nhost: a\r\n"):
        with socket.create_connection(api.address, timeout=60) as never_ending:
            try:
                never_ending.sendall(beginning)
                for _ in range(300):
                    never_ending.sendall(b"a" * MEGABYTE)
            except OSError:
                pass
    assert api.highest_rss - before < ATTACK_ROOM


def test_what_is_refused_is_logged_on_one_line_each(api: ApiProcess) -> None:
    httpx.post(f"{api.origin}/m/COLD", content=b"b" * 2_000_000, timeout=60)
    httpx.get(f"{api.origin}/", headers={"host": "evil.example\r".strip()}, timeout=60)
    said = api.log.read_text()
    assert "refused 413 POST '/m/COLD' from 127.0.0.1: a request has at most" in said
    assert "refused 421 GET '/' from 127.0.0.1: this server does not serve host" in said


@pytest.mark.skipif("HEARTBEAT_SOAK" not in os.environ, reason="minutes of generated requests")
def test_memory_is_flat_under_generated_requests(api: ApiProcess, tmp_path: Path) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    held = []
    for round_number in range(SOAK_ROUNDS):
        asked = subprocess.run(
            [
                *(SCHEMATHESIS, "--config-file", str(config), "run"),
                *(f"{api.origin}/api/openapi.json", "--max-examples", "60"),
                *("--checks", "not_a_server_error", "--seed", str(round_number), "--no-color"),
                *("--continue-on-failure", "--request-timeout", "20"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        held.append(api.rss)
        print(f"round {round_number}: {api.rss / MEGABYTE:.0f} MB, exit {asked.returncode}")
    settled = held[max(1, SOAK_ROUNDS // 4)]
    assert held[-1] - settled < SOAK_ROOM, held
