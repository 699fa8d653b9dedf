"""The cockpit over HTTP: what is not sent twice, what operators post, which screens report."""

import gzip
import json
import re
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from heartbeat.displays import MOST_DISPLAYS, Beat, store_beats
from heartbeat_api.displays import SCREEN_COOKIE
from tests.integration.command_line import run_here, told
from tests.unit.heartbeat_api.served import api_on, served
from tests.unit.heartbeat_api.stored_metrics import USUAL_WALL, StoredMetric, calm, store

THIRTY_ONE = tuple(
    StoredMetric(
        *(f"metric_{n}", f"M{n:03d}", f"Metric number {n}"),
        typical=(100, 5),
        kind="rolling_stat",
        norm=120 if n > 9 else 90,
        alert=150 if n > 4 else 95,
        values=calm(100 + n / 100),
    )
    for n in range(31)
)


@pytest.fixture
def client(marts_url: str, marts: psycopg.Connection) -> Iterator[httpx.Client]:
    store(marts, USUAL_WALL, datetime.now(UTC))
    with served(api_on(marts_url)) as origin, httpx.Client(base_url=origin, timeout=20) as client:
        yield client


@pytest.fixture
def dagster_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HEARTBEAT_DAGSTER_PORT", str(free.getsockname()[1]))


def logged(marts: psycopg.Connection) -> list[tuple[Any, ...]]:
    return marts.execute(
        "select actor, subject, field, old_value, new_value, reason"
        " from heartbeat.change_log order by id"
    ).fetchall()


def is_read_again(client: httpx.Client) -> None:
    """Wait until the API has read the database anew."""
    before = client.get("/api/metrics").json()["as_of"]
    deadline = time.monotonic() + 10
    while client.get("/api/metrics").json()["as_of"] == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("path", ["/", "/api/metrics", "/w/board"])
def test_what_has_not_changed_is_not_sent_again(
    client: httpx.Client, marts: psycopg.Connection, path: str
) -> None:
    assert client.put("/api/watchlists/board/COLD").status_code == 204
    first = client.get(path)
    is_read_again(client)
    again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    sent = sum(len(name) + len(value) + 4 for name, value in again.headers.raw)
    assert sent < 1000
    marts.execute(
        "update heartbeat.metric_history set v = v + 1"
        " where metric_id = 'collateral_overdue_days_max' and d = (select max(d)"
        " from heartbeat.metric_history)"
    )
    deadline = time.monotonic() + 10
    while client.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 304:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_wall_of_31_metrics_is_small(marts_url: str, marts: psycopg.Connection) -> None:
    store(marts, THIRTY_ONE, datetime.now(UTC))
    with served(api_on(marts_url)) as origin, httpx.Client(base_url=origin, timeout=20) as client:
        page = client.get("/", headers={"Accept-Encoding": "gzip"})
        with client.stream("GET", "/", headers={"Accept-Encoding": "gzip"}) as raw:
            compressed = b"".join(raw.iter_raw())
        scripts = [client.get(f"/static/{name}.js") for name in ("theme", "clock", "wall")]
    assert page.headers["content-encoding"] == "gzip"
    assert page.headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(compressed) == page.content
    assert page.text.count('data-k="M') == 31
    assert len(page.content) <= 60_000
    assert len(compressed) <= 15_000
    assert sum(len(script.content) for script in scripts) <= 10 * 1024


def test_stars_and_watchlists_are_the_operators_and_are_logged(
    client: httpx.Client, marts: psycopg.Connection
) -> None:
    assert client.get("/w/board").status_code == 404
    assert client.put("/api/watchlists/board/COLD").status_code == 204
    assert client.put("/api/watchlists/board/COLD").status_code == 204
    assert client.put("/api/watchlists/board/active_clients_30d").status_code == 204
    assert client.get("/api/watchlists").json() == {
        "board": ["collateral_overdue_days_max", "active_clients_30d"]
    }
    wall = client.get("/w/board").text
    assert wall.count("data-k=") == 2
    assert client.get("/").text.count("#s-star") == 3  # two stars and the legend
    assert client.delete("/api/watchlists/board/COLD").status_code == 204
    assert client.delete("/api/watchlists/board/ACTC").status_code == 204
    assert client.get("/w/board").status_code == 404
    assert logged(marts) == [
        ("loopback", "collateral_overdue_days_max", "watchlist", None, "board", None),
        ("loopback", "active_clients_30d", "watchlist", None, "board", None),
        ("loopback", "collateral_overdue_days_max", "watchlist", "board", None, None),
        ("loopback", "active_clients_30d", "watchlist", "board", None, None),
    ]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/watchlists/Board!/COLD", 422, "a watchlist is named with a-z, 0-9 and -"),
        ("/api/watchlists/board/NONE", 404, "no metric has the id or code 'NONE'"),
    ],
)
def test_a_watchlist_that_cannot_be_is_refused(
    client: httpx.Client, path: str, status: int, words: str
) -> None:
    answer = client.put(path)
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(words)


def test_a_watchlist_begins_and_ends_on_the_page_of_a_metric(client: httpx.Client) -> None:
    address = "/m/COLD/watchlists"
    assert "On none." in client.get("/m/COLD").text
    for fields in ({"watchlist": "risk", "on": "1"}, {"watchlist": "board", "on": "1"}):
        answer = client.post(address, data=fields)
        assert (answer.status_code, answer.headers["location"]) == (303, "/m/COLD")
    page = client.get("/m/COLD").text
    assert '<a href="/w/board">board</a> · <a href="/w/risk">risk</a>' in page
    assert client.get("/w/risk").text.count("data-k=") == 1
    client.post(address, data={"watchlist": "risk", "on": ""})
    assert client.get("/w/risk").status_code == 404

    refused = client.post(address, data={"watchlist": "Risk!", "on": "1"})
    assert refused.status_code == 422
    assert 'id="refusal">a watchlist is named with a-z, 0-9 and -' in refused.text
    assert 'value="Risk!"' in refused.text


def test_only_operators_may_edit(client: httpx.Client) -> None:
    elsewhere = {"Origin": "https://evil.example"}
    for method, path in (
        ("PUT", "/api/watchlists/board/COLD"),
        ("POST", "/m/COLD/watchlists"),
        ("POST", "/m/COLD/refresh"),
        ("POST", "/refresh"),
    ):
        assert client.request(method, path, headers=elsewhere).status_code == 403
    page = client.post("/m/COLD", data={"owner": "dana@bank.example"}, headers=elsewhere)
    assert page.status_code == 403
    assert "only a page of this server itself may write" in page.text
    assert 'value="dana@bank.example"' in page.text


def test_the_forms_of_a_metric_post_without_a_script(
    client: httpx.Client, marts: psycopg.Connection
) -> None:
    for fields in (
        {"owner": "dana@bank.example"},
        {"verification_state": "unverified"},
        {"norm_value": "8", "alert_value": "40", "target_value": "", "reason": "as agreed"},
    ):
        answer = client.post("/m/COLD", data=fields)
        assert (answer.status_code, answer.headers["location"]) == (303, "/m/COLD")
    assert [(field, old, new, reason) for _, _, field, old, new, reason in logged(marts)] == [
        ("owner", "finance", "dana@bank.example", None),
        ("verification_state", "verified", "unverified", None),
        ("alert_value", "30", "40", "as agreed"),
        ("norm_value", "7", "8", "as agreed"),
        ("target_value", "0", None, "as agreed"),
    ]
    page = client.get("/m/COLD").text
    assert "dana@bank.example" in page
    assert "Mark verified" in page


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"owner": "nobody"}, "owner: "),
        ({"alert_value": "many"}, "alert_value: "),
        ({"norm_value": "50", "alert_value": "40"}, "alert_value: "),
        ({"name": "New name"}, "name: "),
    ],
)
def test_what_is_refused_stays_typed_beside_the_reason(
    client: httpx.Client, marts: psycopg.Connection, fields: dict[str, str], words: str
) -> None:
    answer = client.post("/m/COLD", data=fields)
    assert answer.status_code == 422
    assert f'role="alert" id="refusal">{words}' in answer.text
    typed = [value for name, value in fields.items() if name != "name"]
    assert all(f'value="{value}"' in answer.text for value in typed)
    assert logged(marts) == []


def test_lines_are_tried_on_the_stored_history_before_they_are_saved(client: httpx.Client) -> None:
    page = client.get("/m/COLD", params={"alert_value": "100", "norm_value": "", "reason": ""})
    assert "100: would have been red once in 90 days, longest 24 days" in page.text
    assert '<details id="edit" open>' in page.text
    assert "many is not a number" in client.get("/m/COLD?alert_value=many").text


@pytest.mark.usefixtures("settings")
def test_each_wall_reports_its_beat_and_a_dark_one_is_told(
    client: httpx.Client, marts: psycopg.Connection
) -> None:
    now = datetime.now(UTC)
    beat = {"page": "/", "build": "abc", "last_good_poll": now.isoformat()}
    assert client.post("/api/displays/beat", json={"name": "hall", **beat}).status_code == 204
    assert client.post("/api/displays/beat", json=beat).status_code == 204
    store_beats(
        marts,
        [
            Beat("lift", "/w/board", "abc", now - timedelta(hours=ago), now - timedelta(hours=ago))
            for ago in (9, 7)
        ],
    )
    visit = now - timedelta(hours=5)
    store_beats(marts, [Beat("10.0.0.9", "/", "abc", visit, visit)])
    deadline = time.monotonic() + 20
    while len(displays := client.get("/api/displays").json()["displays"]) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    dark = {display["name"]: display["dark_since"] is not None for display in displays}
    assert dark == {"127.0.0.1": False, "hall": False, "lift": True}
    assert "dark screens (1)\n  lift  /w/board: dark for 7 h\n" in told(run_here("today"))


def beats(client: httpx.Client, name: str, *, by: str = "one", **fields: str) -> int:
    """The status of a beat by the browser that has this cookie."""
    usual = {"page": "/", "build": "abc", "last_good_poll": datetime.now(UTC).isoformat()}
    report = {"name": name, **usual, **fields}
    cookie = {"cookie": f"{SCREEN_COOKIE}={by}"}
    return client.post("/api/displays/beat", json=report, headers=cookie).status_code


def shown_displays(client: httpx.Client, *names: str) -> dict[str, str]:
    """The page of each screen by its name, once those are there."""
    deadline = time.monotonic() + 60
    while True:
        displays = client.get("/api/displays").json()["displays"]
        found = {each["name"]: each["page"] for each in displays}
        if found.keys() >= set(names):
            return found
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.parametrize("field", ["name", "page", "build"])
@pytest.mark.parametrize(
    "hidden", ["\0", "\x1b", "\u202e", "\u200b", "\u2028", "\ud800"], ids=ascii
)
def test_a_beat_with_hidden_characters_is_refused_and_costs_no_other_its_beat(
    client: httpx.Client, field: str, hidden: str
) -> None:
    usual = {"page": "/", "build": "b", "last_good_poll": datetime.now(UTC).isoformat()}
    body = json.dumps({"name": "lobby", **usual, field: f"a{hidden}"})
    sent = client.post(
        "/api/displays/beat", content=body, headers={"content-type": "application/json"}
    )
    assert sent.status_code == 422


def test_a_beat_that_the_database_does_not_take_costs_no_other_its_beat(
    marts: psycopg.Connection,
) -> None:
    now = datetime.now(UTC)
    stored = store_beats(
        marts,
        [
            Beat("hall", "/", "abc", now, now),
            Beat("a\0", "/", "abc", now, now),
            Beat("lift", "/", "abc", now, now),
        ],
    )
    assert set(stored.failed) == {"a\0"}
    names = marts.execute("select name from heartbeat.display order by name").fetchall()
    assert names == [("hall",), ("lift",)]


def test_a_name_belongs_to_the_browser_that_reports_it(
    client: httpx.Client, marts: psycopg.Connection
) -> None:
    assert beats(client, "hall", page="/w/board") == 204
    shown_displays(client, "hall")
    assert beats(client, "hall", by="another", page="/m/COLD") == 204
    assert beats(client, "later") == 204
    assert shown_displays(client, "later")["hall"] == "/w/board"
    marts.execute("update heartbeat.display set last_seen = last_seen - interval '4 min'")
    assert beats(client, "hall", by="another", page="/m/COLD") == 204
    assert beats(client, "last") == 204
    assert shown_displays(client, "last")["hall"] == "/m/COLD"


def test_a_wall_gives_each_browser_one_cookie(client: httpx.Client) -> None:
    given = client.get("/")
    assert given.headers["set-cookie"].startswith(f"{SCREEN_COOKIE}=")
    assert "httponly" in given.headers["set-cookie"].lower()
    assert "set-cookie" not in client.get("/").headers


def test_a_name_that_is_an_address_is_refused(client: httpx.Client) -> None:
    assert beats(client, "10.0.0.5") == 422


def test_made_up_names_neither_fill_the_table_nor_push_a_screen_out(
    client: httpx.Client, marts: psycopg.Connection
) -> None:
    now = datetime.now(UTC)
    for ago in (2, 0):
        seen = now - timedelta(hours=ago)
        store_beats(marts, [Beat("hall", "/", "abc", seen, seen)])
    made_up = [Beat(f"x{n}", "/", "abc", now, now) for n in range(MOST_DISPLAYS + 50)]
    store_beats(marts, made_up)
    store_beats(marts, [Beat("hall", "/w/board", "abc", now, now + timedelta(seconds=1))])
    rows = marts.execute("select name, page from heartbeat.display").fetchall()
    assert len(rows) == MOST_DISPLAYS
    assert ("hall", "/w/board") in rows
    later = now + timedelta(minutes=5)
    marts.execute("update heartbeat.display set last_seen = last_seen - interval '5 min'")
    store_beats(marts, [Beat("new", "/", "abc", later, later)])
    names = {name for (name,) in marts.execute("select name from heartbeat.display").fetchall()}
    assert names == {"hall", "new"}
    refused = [beats(client, f"y{n}") for n in range(210)]
    assert refused == [204] * 200 + [429] * 10


def test_a_page_of_another_site_reports_no_screen(client: httpx.Client) -> None:
    client.headers["sec-fetch-site"] = "cross-site"
    assert beats(client, "hall") == 403


@pytest.mark.parametrize(
    "report",
    [
        {"name": "x" * 61, "page": "/", "build": "a", "last_good_poll": "2026-11-21T10:00:00Z"},
        {"name": "hall", "page": "/", "build": "a", "last_good_poll": "yesterday"},
        {"name": "hall"},
    ],
)
def test_a_beat_that_is_none_is_refused(client: httpx.Client, report: dict[str, str]) -> None:
    assert client.post("/api/displays/beat", json=report).status_code == 422


def test_the_documentation_is_a_part_of_the_cockpit(client: httpx.Client) -> None:
    listed = client.get("/docs").text
    assert '<a href="/docs/operations.md">Operations</a>' in listed
    assert "<h1>Operations</h1>" in client.get("/docs/operations.md").text
    assert client.get("/docs/../README.md").status_code == 404
    assert client.get("/docs/none.md").status_code == 404


def test_a_script_is_asked_for_each_time_and_sent_once(client: httpx.Client) -> None:
    first = client.get("/static/clock.js")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/static/clock.js", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


def test_the_letters_are_asked_for_once_a_year(client: httpx.Client) -> None:
    (address,) = re.findall(r'rel="preload" href="([^"]+)" as="font"', client.get("/").text)
    letters = client.get(address)
    assert letters.headers["content-type"] == "font/woff2"
    assert letters.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert letters.content.startswith(b"wOF2")
    assert client.get("/typeface/inter-400.ttf").status_code == 404


def test_a_page_that_follows_a_refresh_stays_when_dagster_goes_away(
    dagster_is_away: None, client: httpx.Client
) -> None:
    page = client.get("/m/COLD?job=6cd99c41-9bda-4cb0-b49c-c21b60ec039e")
    assert page.status_code == 200
    assert "124 d" in page.text
    assert "cannot be told: Dagster&#39;s webserver does not answer" in page.text
    assert "data-running" in page.text
