"""Dagster's own pages work behind the guard, and no page of another site does anything there."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, Page, Playwright, WebSocket, expect

from tests.acceptance.conftest import chromium
from tests.acceptance.guarded_dagster import LAUNCH, GuardedDagster, guarded_dagster

SECONDS = 1_000
PATIENT = 120 * SECONDS


@pytest.fixture(scope="module")
def dagster(
    module_marts_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GuardedDagster]:
    folder = tmp_path_factory.mktemp("guard")
    with guarded_dagster(module_marts_url, folder, {"HEARTBEAT_LOOPBACK_WRITES": "yes"}) as found:
        yield found


@pytest.fixture(scope="module")
def other_site() -> Iterator[str]:
    """A page of another site: by another name, on another port."""

    class Nothing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>other</title><body></body>")

        def log_message(self, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Nothing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def rebinding(playwright: Playwright) -> Iterator[Browser]:
    """A browser whose DNS says that evil.example is this machine."""
    with chromium(playwright, {}, "--host-resolver-rules=MAP evil.example 127.0.0.1") as started:
        yield started


ATTACKS = {
    "a picture": """
        const image = new Image();
        const done = new Promise((resolve) => (image.onload = image.onerror = resolve));
        image.src = address;
        await done;""",
    "a form": "await submit('application/x-www-form-urlencoded', 'query', launch);",
    "a form as text": """await submit('text/plain', `{"query": ${quoted}, "x": "`, '"}');""",
    "a form of parts": "await submit('multipart/form-data', 'query', launch);",
    "a script as text": "await post('text/plain', body);",
    "a script that names JSON": "await post('text/plain;a=application/json', body);",
    "a beacon": "navigator.sendBeacon(`${to}/graphql`, new Blob([body], {type: 'text/plain'}));",
    "a reported asset": "await fetch(`${to}/report_asset_materialization/metric/five`, silent);",
}
ATTACK = """async ([to, launch]) => {
    const quoted = JSON.stringify(launch);
    const body = JSON.stringify({ query: launch });
    const address = `${to}/graphql?query=${encodeURIComponent(launch)}`;
    const silent = { method: "POST", mode: "no-cors" };
    const post = (type, body) =>
        fetch(`${to}/graphql`, { ...silent, body, headers: { "content-type": type } });
    const made = (kind, fields) => Object.assign(document.createElement(kind), fields);
    function submit(enctype, name, value) {
        const frame = made("iframe", { name: "target" });
        const form = made("form", { method: "post", action: address, enctype, target: "target" });
        form.append(made("input", { name, value }));
        document.body.append(frame, form);
        const done = new Promise((resolve) => (frame.onload = resolve));
        form.submit();
        return done;
    }
    try { %s } catch (error) { if (!(error instanceof TypeError)) throw error; }
}"""


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_page_of_another_site_does_nothing(
    dagster: GuardedDagster, other_site: str, page: Page, attack: str
) -> None:
    before = dagster.runs(), dagster.running_schedules(), _reported(dagster)
    page.goto(other_site)
    page.evaluate(ATTACK % ATTACKS[attack], [dagster.url, LAUNCH])
    assert (dagster.runs(), dagster.running_schedules(), _reported(dagster)) == before


def _reported(dagster: GuardedDagster) -> object:
    return dagster.reads("{ assetNodes { assetMaterializations(limit: 5) { timestamp } } }")


def test_a_page_of_another_site_has_no_websocket_and_no_frame(
    dagster: GuardedDagster, other_site: str, page: Page
) -> None:
    page.goto(other_site)
    closed = page.evaluate(
        """(to) => new Promise((resolve) => {
            const socket = new WebSocket(to.replace("http", "ws") + "/graphql", "graphql-ws");
            socket.onopen = () => resolve("open");
            socket.onclose = () => resolve("closed"); })""",
        dagster.url,
    )
    assert closed == "closed"
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    with page.expect_event("console", lambda each: "frame" in each.text.lower(), timeout=PATIENT):
        page.evaluate(
            """(to) => document.body.append(
                Object.assign(document.createElement("iframe"), {src: to}))""",
            dagster.url,
        )


def test_a_name_that_is_made_to_point_here_is_refused(
    dagster: GuardedDagster, rebinding: Browser
) -> None:
    page = rebinding.new_page()
    before = dagster.runs()
    port = dagster.settings.dagster_port
    answer = page.goto(f"http://evil.example:{port}/")
    assert answer is not None
    assert answer.status == 421
    # what the refusal is shown with lets no script ask for anything; one that could would get 421
    posted = page.evaluate(
        """async (query) => (await fetch("/graphql", {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ query }),
        }).catch(() => ({ status: 421 }))).status""",
        LAUNCH,
    )
    assert posted == 421
    assert dagster.runs() == before
    page.close()


def test_a_mutation_by_get_is_refused_to_a_program_too(dagster: GuardedDagster) -> None:
    before = dagster.runs()
    refused = httpx.get(f"{dagster.url}/graphql?query={quote(LAUNCH)}", timeout=60)
    assert (refused.status_code, refused.json()["detail"]) == (
        405,
        "a mutation is sent by POST, as JSON",
    )
    assert dagster.runs() == before
    assert "refused 405 GET '/graphql' from 127.0.0.1" in dagster.log


STOP_BY_THE_PAGE = """(id) => fetch("/graphql", {
    method: "POST",
    headers: {"Content-Type": "application/json"},
    body: JSON.stringify({
        query: "mutation Stop($id: String!) { stopRunningSchedule(id: $id) { __typename } }",
        variables: {id},
    }),
})"""


def test_the_pages_of_dagster_work(dagster: GuardedDagster, page: Page) -> None:
    before, refused, frames = dagster.runs(), [], []

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: frames.append(str(frame)))

    page.on("websocket", listen)
    page.on("response", lambda each: refused.append(each.url) if each.status >= 400 else None)
    page.goto(f"{dagster.url}/locations/__repository__@heartbeat/jobs/refresh")
    page.get_by_role("button", name="Materialize all").first.click(timeout=PATIENT)
    _until(page, lambda: dagster.runs() == before + 1)
    page.goto(f"{dagster.url}/runs")
    page.locator("a[href^='/runs/']").first.click(timeout=PATIENT)
    _until(page, lambda: any("pipelineRunLogs" in frame for frame in frames))
    page.goto(f"{dagster.url}/automation")
    expect(page.get_by_text("hourly_refresh")).to_be_visible(timeout=PATIENT)
    running = dagster.running_schedules()
    # what its switch sends: the switch itself has neither a role nor a name
    page.evaluate(STOP_BY_THE_PAGE, dagster.schedule_id("hourly_refresh"))
    _until(page, lambda: dagster.running_schedules() == running - 1)
    assert refused == []


def _until(page: Page, condition: object) -> None:
    assert callable(condition)
    for _ in range(240):
        if condition():
            return
        page.wait_for_timeout(500)
    raise AssertionError("it did not happen")


def test_with_operators_the_api_and_the_command_line_still_launch(
    marts: psycopg.Connection, marts_url: str, tmp_path: Path
) -> None:
    tokens = {"HEARTBEAT_OPERATOR_TOKENS": "dana=a-token-of-dana-1"}
    with guarded_dagster(marts_url, tmp_path, tokens) as dagster:
        refused = httpx.post(f"{dagster.url}/graphql", json={"query": LAUNCH}, timeout=60)
        assert refused.status_code == 401
        assert dagster.runs() == 0
        assert dagster.launches("refresh")
        assert dagster.runs() == 1
        secret = dagster.settings.dagster_token_file
        assert secret.stat().st_mode & 0o777 == 0o600
        assert secret.read_text() not in dagster.log
