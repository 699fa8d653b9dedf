"""Two API processes on one marts tell the same, and behind haproxy one may die unseen."""

import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
import pytest

from heartbeat.database import ensure_database
from heartbeat.displays import Beat, read_displays, store_beats
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.schema.migration import migrate
from tests.integration.api_servers import HAPROXY, ApiProcess, api_processes, haproxy, until
from tests.integration.dagster_stub import Dagster, dagster
from tests.unit.heartbeat_api.stored_metrics import USUAL_WALL, store

TOKEN = "0123456789abcdef"
OPERATOR = {"Authorization": f"Bearer {TOKEN}"}
CODE = USUAL_WALL[0].code
METRIC = USUAL_WALL[0].metric_id
READERS = 4

with_haproxy = pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed")


def variables(url: str, **others: str) -> dict[str, str]:
    tokens = {"HEARTBEAT_OPERATOR_TOKENS": f"dana@bank.example={TOKEN}"}
    return {"HEARTBEAT_DATABASE_URL": url, **tokens, **others}


@pytest.fixture(scope="module")
def two(
    module_marts_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[ApiProcess]]:
    with (
        psycopg.connect(module_marts_url, autocommit=True) as marts,
        dagster(METRIC) as url,
        api_processes(
            2,
            variables(module_marts_url, HEARTBEAT_DAGSTER_URL=url),
            tmp_path_factory.mktemp("two"),
        ) as processes,
    ):
        Dagster.status = "SUCCESS"
        store(marts, USUAL_WALL, datetime.now(UTC))
        yield processes


@pytest.fixture
def clients(two: list[ApiProcess]) -> Iterator[list[httpx.Client]]:
    with ExitStack() as opened:
        yield [
            opened.enter_context(httpx.Client(base_url=each.origin, timeout=30, headers=OPERATOR))
            for each in two
        ]


@pytest.mark.parametrize("path", ["/", "/api/metrics", "/static/wall.js", "/static/wall.css"])
def test_what_one_process_told_the_other_needs_not_tell_again(
    path: str, clients: list[httpx.Client]
) -> None:
    tag = clients[0].get(path).raise_for_status().headers["etag"]
    assert clients[1].get(path, headers={"If-None-Match": tag}).status_code == 304


def test_the_tags_of_two_processes_differ_once_a_number_does(clients: list[httpx.Client]) -> None:
    tag = clients[0].get("/api/metrics").headers["etag"]
    change = {"owner": "lee@bank.example", "reason": "as agreed"}
    clients[0].patch(f"/api/metrics/{CODE}/verification", json=change).raise_for_status()
    other = clients[1].get("/api/metrics", headers={"If-None-Match": tag})
    assert other.status_code == 200
    assert other.headers["etag"] == clients[0].get("/api/metrics").headers["etag"] != tag


def test_what_is_written_through_one_process_the_other_tells_at_once(
    clients: list[httpx.Client],
) -> None:
    for alert in range(100, 110):
        change = {"alert_value": alert, "norm_value": None, "reason": "as agreed"}
        writer, reader = (clients[alert % 2], clients[1 - alert % 2])
        writer.patch(f"/api/metrics/{CODE}/verification", json=change).raise_for_status()
        assert reader.get(f"/api/metrics/{CODE}").json()["alert_value"] == alert
    clients[0].put(f"/api/watchlists/board/{CODE}").raise_for_status()
    assert clients[1].get("/w/board").is_success
    clients[1].delete(f"/api/watchlists/board/{CODE}").raise_for_status()
    assert clients[0].get("/w/board").status_code == 404


def test_of_all_who_ask_two_processes_for_a_refresh_one_starts_it(
    clients: list[httpx.Client],
) -> None:
    Dagster.status, Dagster.launches = "SUCCESS", 0
    with ThreadPoolExecutor(READERS) as pool:
        asked = list(
            pool.map(
                lambda n: clients[n % 2].post("/api/metrics/recompute", json={"metric_ids": "all"}),
                range(READERS),
            )
        )
    assert {each.status_code for each in asked} == {202}
    assert Dagster.launches == 1
    assert sorted(each.json()["coalesced"] for each in asked) == [False, *[True] * (READERS - 1)]
    Dagster.status = "SUCCESS"


def test_the_beats_of_all_screens_at_two_processes_are_stored_once_each(
    clients: list[httpx.Client], module_marts_url: str
) -> None:
    def beats(number: int) -> None:
        report = {
            "name": f"screen-{number % 40}",
            "page": "/",
            "build": "b",
            "last_good_poll": datetime.now(UTC).isoformat(),
        }
        clients[number % 2].post("/api/displays/beat", json=report).raise_for_status()

    for number in range(81):  # odd, so that each screen reports to both
        beats(number)
    with psycopg.connect(module_marts_url) as marts:
        until(lambda: len(shown(marts)) == 40, "all screens stored")
        assert {each.dark_since for each in read_displays(marts, datetime.now(UTC))} == {None}


def shown(marts: psycopg.Connection) -> set[str]:
    marts.rollback()
    return {each.name for each in read_displays(marts, datetime.now(UTC))} & {
        f"screen-{n}" for n in range(40)
    }


def test_two_who_store_beats_of_the_same_screens_never_lock_each_other(marts_url: str) -> None:
    now = datetime.now(UTC)
    screens = [f"screen-{n:03d}" for n in range(200)]

    def stores(names: list[str], began: threading.Barrier) -> None:
        with psycopg.connect(marts_url) as connection:
            for second in range(20):
                at = now + timedelta(seconds=second)
                began.wait(60)
                store_beats(connection, [Beat(name, "/", "b", at, at) for name in names])
                connection.commit()

    barrier = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(stores, names, barrier) for names in (screens, screens[::-1])]
        for each in both:
            each.result()


def test_an_older_beat_that_arrives_later_does_not_make_a_screen_dark(
    marts: psycopg.Connection,
) -> None:
    now = datetime.now(UTC)
    for age in (timedelta(0), timedelta(minutes=10)):
        store_beats(marts, [Beat("hall", "/", "b", now - age, now - age)])
    assert [each.dark_since for each in read_displays(marts, now)] == [None]


@with_haproxy
def test_no_read_fails_while_one_process_is_killed_and_comes_back(
    two: list[ApiProcess], tmp_path: Path
) -> None:
    seen: Counter[int | str] = Counter()
    done = threading.Event()

    def reads(origin: str, path: str) -> None:
        while not done.is_set():
            with httpx.Client(base_url=origin, timeout=30) as client:
                for _ in range(5):
                    try:
                        seen[client.get(path).status_code] += 1
                    except httpx.HTTPError as error:
                        seen[repr(error)] += 1

    with haproxy(two, tmp_path) as origin, ThreadPoolExecutor(READERS) as pool:
        paths = ("/", "/api/metrics", f"/m/{CODE}", "/api/watchlists")
        for number in range(READERS):
            pool.submit(reads, origin, paths[number % len(paths)])
        try:
            for victim in two:
                told = seen.total()
                until(lambda told=told: seen.total() > told + 50, "read")  # type: ignore[misc]
                victim.kill()
                told = seen.total()
                until(lambda told=told: seen.total() > told + 50, "read")  # type: ignore[misc]
                victim.start()
        finally:
            done.set()
    assert set(seen) == {200}


@with_haproxy
def test_a_write_through_the_proxy_is_sent_once(two: list[ApiProcess], tmp_path: Path) -> None:
    with haproxy(two, tmp_path) as origin:
        Dagster.status, Dagster.launches = "SUCCESS", 0
        asked = httpx.post(
            f"{origin}/api/metrics/recompute",
            json={"metric_ids": "all"},
            headers=OPERATOR,
            timeout=30,
        )
        assert (asked.status_code, Dagster.launches) == (202, 1)
        Dagster.status = "SUCCESS"


@with_haproxy
def test_behind_the_proxy_the_last_good_wall_stays_while_marts_are_away(tmp_path: Path) -> None:
    with own_server() as server:
        url = server.url("marts")
        with ExitStack() as opened:
            running = opened.enter_context(ExitStack())
            running.enter_context(server.running())
            ensure_database(url)
            migrate(url)
            with psycopg.connect(url, autocommit=True) as connection:
                store(connection, USUAL_WALL, datetime.now(UTC))
            two = opened.enter_context(api_processes(2, variables(url), tmp_path))
            for each in two:
                assert httpx.get(f"{each.origin}/", timeout=30).is_success
            origin = opened.enter_context(haproxy(two, tmp_path))
            running.close()
            until(lambda: not any(each.is_well() for each in two), "unwell")
            for _ in range(6):
                wall = httpx.get(f"{origin}/", timeout=30)
                assert (wall.status_code, "NO NEW DATA" in wall.text) == (200, True)
            report = {
                "name": "hall",
                "page": "/",
                "build": "b",
                "last_good_poll": datetime.now(UTC).isoformat(),
            }
            assert httpx.post(f"{origin}/api/displays/beat", json=report).status_code == 204
            with server.running():
                until(lambda: all(each.is_well() for each in two), "well")
                until(lambda: "hall" in httpx.get(f"{origin}/api/displays").text, "the beat kept")


@contextmanager
def own_server() -> Iterator[EmbeddedPostgres]:
    folder = Path(tempfile.mkdtemp(prefix="heartbeat-test-"))
    server = EmbeddedPostgres(folder / "pg")
    server.prepare()
    yield server
    shutil.rmtree(folder)
