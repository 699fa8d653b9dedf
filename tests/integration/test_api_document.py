"""The OpenAPI document is true: schemathesis asks whatever it allows, and what it does not."""

import json
import subprocess
import sysconfig
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.types.json import Json

from tests.integration.dagster_stub import dagster
from tests.unit.heartbeat_api.served import api_on, served
from tests.unit.heartbeat_api.stored_metrics import USUAL_WALL, store

SCHEMATHESIS = str(Path(sysconfig.get_path("scripts")) / "schemathesis")
TOKEN = "0123456789abcdef0123"
EXAMPLES = "12"
JSON = {"content-type": "application/json"}
LARGE_ID = 12345678901234567890123
PAYLOAD = {"rows": [{"id": LARGE_ID, "name": "\ud800 half a letter"}], "values": [1]}

# what is valid by its shape may still make no sense: an alert on the wrong side of the norm, a
# window that the cut does not have; that is 422, and documented
CONFIG = """\
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "404", "422"]
"""


@pytest.fixture(scope="module")
def origin(module_marts_url: str) -> Iterator[str]:
    """An API with metrics, a drawn cut, and a Dagster on which one run goes on."""
    with psycopg.connect(module_marts_url, autocommit=True) as marts:
        _fill(marts)
    with (
        dagster(*(metric.metric_id for metric in USUAL_WALL)) as url,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("HEARTBEAT_OPERATOR_TOKENS", f"dana={TOKEN}")
        patch.setenv("HEARTBEAT_DAGSTER_URL", url)
        with served(api_on(module_marts_url)) as served_at:
            yield served_at


def _fill(marts: psycopg.Connection[Any]) -> None:
    store(marts, USUAL_WALL, datetime.now(UTC))
    marts.execute(
        "insert into heartbeat.audit_cut_registry (cut_id, page, title, prose, windows,"
        " window_default, reads, methodology, how_to_read)"
        " values ('ids', 'numbers', 'Ids', '', '{7d,30d}', '7d', '{}', '', '')"
    )
    marts.execute(
        "insert into heartbeat.audit_cut_snapshot (cut_id, window_key, payload, spec, svg, png,"
        " computed_at, run_id) values ('ids', '7d', %s, '{}', '<svg/>', 'png', now(), 'run')",
        [Json(PAYLOAD)],
    )


@pytest.fixture
def client(origin: str) -> Iterator[httpx.Client]:
    asked = {"authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=origin, timeout=20, headers=asked) as client:
        yield client


def test_no_answer_is_outside_the_document_and_none_is_a_failure(
    origin: str, tmp_path: Path
) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    asked = subprocess.run(
        [
            *(SCHEMATHESIS, "--config-file", str(config), "run", f"{origin}/api/openapi.json"),
            *("--checks", "all", "--max-examples", EXAMPLES, "--continue-on-failure"),
            *("--generation-deterministic", "--no-color", "--request-timeout", "20"),
            *("--header", f"Authorization: Bearer {TOKEN}"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert asked.returncode == 0, asked.stdout + asked.stderr
    for phase in ("Coverage", "Fuzzing", "Stateful"):
        assert f"✅  {phase}" in asked.stdout


UNREADABLE = b"{" + b'"a":{' * 100_000
MANY_DIGITS = b'{"alert_value": ' + b"9" * 50_000 + b"}"


def beat(**values: object) -> bytes:
    """A beat that is right but for those values."""
    usual = {"page": "/", "build": "b", "last_good_poll": "2026-01-01T00:00:00Z"}
    return json.dumps({**usual, **values}).encode()


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/metrics/COLD/backtest?alert=1e99999999", b"", 422),
        ("GET", "/api/metrics/COLD/backtest?norm=1e-99999999", b"", 422),
        ("GET", "/api/metrics/COLD/backtest?alert=NaN", b"", 422),
        ("GET", f"/api/metrics/COLD/backtest?alert=20&days={10**30}", b"", 200),
        ("GET", f"/api/metrics/COLD/backtest?alert=20&days={'9' * 5000}", b"", 422),
        ("GET", "/m/COLD?alert_value=1e99999999", b"", 200),
        ("GET", "/m/COLD?norm_value=%00&job=%00", b"", 200),
        ("GET", "/docs/%00", b"", 404),
        ("GET", f"/docs/{'a' * 5000}", b"", 404),
        ("GET", "/docs/%ED%A0%80", b"", 404),
        ("GET", "/static/%00", b"", 404),
        ("GET", f"/static/{'a' * 5000}", b"", 404),
        ("GET", "/api/metrics/%00", b"", 404),
        ("GET", "/w/%00", b"", 404),
        ("GET", "/api/audit/pages/%00", b"", 404),
        ("GET", "/audit/cuts/ids.svg?window=%00", b"", 422),
        ("GET", "/audit/numbers", b"", 200),
        ("GET", "/audit/cuts/ids.csv", b"", 200),
        ("PUT", "/api/watchlists/%00/COLD", b"", 422),
        ("DELETE", "/api/watchlists/%00/COLD", b"", 422),
        ("PATCH", "/api/audit/cuts/%00/verification", b"{}", 404),
        ("PATCH", "/api/audit/cuts/ids/verification", b'{"reason": "\\u0000"}', 422),
        ("PATCH", "/api/metrics/COLD/verification", b'{"reason": "\\u0000"}', 422),
        ("PATCH", "/api/metrics/COLD/verification", b'{"reason": "\\ud800"}', 422),
        ("PATCH", "/api/metrics/COLD/verification", b'{"norm_value": 1e99999999}', 422),
        ("PATCH", "/api/metrics/COLD/verification", b'{"norm_value": NaN}', 422),
        ("PATCH", "/api/metrics/COLD/verification", MANY_DIGITS, 400),
        ("PATCH", "/api/metrics/COLD/verification", UNREADABLE, 400),
        ("PATCH", "/api/metrics/COLD/verification", b"\xff\xfe", 422),
        ("PATCH", "/api/metrics/COLD/verification", b" " * 1_000_001, 413),
        ("PATCH", "/api/metrics/COLD/verification", b'{"target_due_date": 1e30}', 422),
        ("PATCH", "/api/metrics/COLD/verification", b'{"target_due_date": "9999-12-31"}', 200),
        ("POST", "/api/metrics/recompute", b'{"metric_ids": ["\\u0000"]}', 404),
        ("POST", "/api/metrics/recompute", b'{"metric_ids": ["\\ud800"]}', 404),
        ("POST", "/api/displays/beat", beat(name="\0"), 422),
        ("POST", "/api/displays/beat", beat(last_good_poll="0001-01-01T00:00:00+14:00"), 422),
        ("POST", "/api/displays/beat", beat(last_good_poll="9999-12-31T23:59:59-14:00"), 204),
        ("POST", "/api/displays/beat", beat(last_good_poll=1e30), 422),
    ],
    ids=lambda part: str(part)[:60],
)
def test_what_no_screen_would_send_is_refused_in_words(
    client: httpx.Client, method: str, path: str, body: bytes, status: int
) -> None:
    answer = client.request(method, path, content=body, headers=JSON)
    assert answer.status_code == status, answer.text
    assert status < 400 or answer.headers["content-type"] == "application/problem+json"


def test_a_whole_number_of_any_length_goes_out_whole(client: httpx.Client) -> None:
    (row,) = client.get("/api/audit/cuts/ids").json()["snapshot"]["payload"]["rows"]
    assert row == {"id": LARGE_ID, "name": "? half a letter"}
    (cut,) = client.get("/api/audit/pages/numbers").json()["cuts"]
    assert cut["snapshot"]["payload"]["rows"] == [row]
    assert str(LARGE_ID) in client.get("/audit/cuts/ids.csv").text


def test_head_is_get_without_a_body_and_a_wrong_method_names_the_right_ones(
    client: httpx.Client,
) -> None:
    for path in ("/", "/api/metrics", "/healthz", "/m/COLD", "/audit/numbers", "/static/wall.css"):
        got, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == got.headers["content-length"]
        assert head.headers["content-type"] == got.headers["content-type"]
    assert client.head("/none").status_code == 404
    for path, allowed in {
        "/api/metrics": "GET, HEAD",
        "/api/metrics/recompute": "POST",
        "/api/metrics/COLD/verification": "PATCH",
        "/api/watchlists/board/COLD": "DELETE, PUT",
        "/m/COLD": "GET, HEAD, POST",
        "/static/wall.css": "GET, HEAD",
    }.items():
        refused = client.options(path)
        assert (refused.status_code, refused.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("host", ["[", "[::1", "a b", "localhost:99999999", "evil.example", "::1"])
def test_a_host_that_is_not_ours_is_refused_on_every_path(client: httpx.Client, host: str) -> None:
    for path in ("/", "/audit", "/none", "/api/metrics", "/static/wall.css"):
        refused = client.get(path, headers={"host": host})
        assert refused.status_code == 421
        assert refused.headers["content-type"] == "application/problem+json"
        assert "HEARTBEAT_ALLOWED_HOSTS" in refused.json()["detail"]
    shown = client.get("/", headers={"host": host, "accept": "text/html"})
    assert "<h1>421 Misdirected Request</h1>" in shown.text


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:1", "[::1]:8000", "10.0.0.5", "[fd00::1]"]
)
def test_an_address_cannot_be_rebound_and_is_answered(client: httpx.Client, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200
    assert client.get("/audit", headers={"host": host}).headers["location"] == "/audit/numbers"


@pytest.mark.parametrize("path", ["/", "/audit/numbers", "/static/wall.css", "/api/metrics"])
def test_who_refuses_gzip_does_not_get_it(client: httpx.Client, path: str) -> None:
    for wish, coding in {
        "gzip": "gzip",
        "br;q=1.0, GZIP;q=0.5": "gzip",
        "*": "gzip",
        "gzip;q=0": None,
        "gzip; q=0.000, br": None,
        "identity": None,
        "*;q=0": None,
        "x-gzipped": None,
        "": None,
    }.items():
        answer = client.get(path, headers={"accept-encoding": wish})
        assert (answer.status_code, answer.headers.get("content-encoding")) == (200, coding)
