"""Reads of a streaming standby: never older than what anybody was told."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from heartbeat.database import ensure_database
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.schema.migration import migrate
from heartbeat.settings import Settings
from heartbeat_api.app import create_app
from heartbeat_api.database import Database, UnavailableError, read_again
from tests.integration.api_servers import until
from tests.integration.standby_server import replays, server_folder, standby_of
from tests.unit.heartbeat_api.served import served
from tests.unit.heartbeat_api.stored_metrics import StoredMetric, store

METRICS = [StoredMetric(f"fees_{n}", f"FEE{n}", f"Fees {n}", values=[0.0]) for n in range(4)]
ROUNDS = 10
ON_STANDBY = "select pg_is_in_recovery()"
WHERE = "select pg_is_in_recovery(), count(*) from heartbeat.metric_registry"


class Pair:
    """A primary and its standby, each of which can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self.primary = EmbeddedPostgres(folder / "primary")
        self.primary.prepare()
        self.primary_runs = ExitStack()
        self.standby_runs = ExitStack()
        self.start_primary()
        ensure_database(self.primary.url("marts"))
        migrate(self.primary.url("marts"))
        self.standby = standby_of(self.primary, folder)
        self.start_standby()

    @property
    def urls(self) -> tuple[str, str]:
        return self.primary.url("marts"), self.standby.url("marts")

    def start_primary(self) -> None:
        self.primary_runs.enter_context(self.primary.running())

    def start_standby(self) -> None:
        self.standby_runs.enter_context(self.standby.running())

    def app(self) -> FastAPI:
        primary, standby = self.urls
        return create_app(
            Settings.model_validate(
                {
                    "HEARTBEAT_DATABASE_URL": primary,
                    "HEARTBEAT_READ_DATABASE_URL": standby,
                    "HEARTBEAT_LOOPBACK_WRITES": True,
                }
            )
        )

    def computes(self, value: int) -> None:
        with psycopg.connect(self.urls[0], autocommit=True) as marts:
            marts.execute(
                "update heartbeat.metric_history set v = %s, computed_at = now()", [value]
            )

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        with psycopg.connect(self.urls[1], autocommit=True) as standby:
            replays(standby, going=False)
            try:
                yield
            finally:
                replays(standby, going=True)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with server_folder() as folder:
        made = Pair(folder)
        with psycopg.connect(made.urls[0], autocommit=True) as marts:
            store(marts, METRICS, datetime.now(UTC))
        yield made
        made.standby_runs.close()
        made.primary_runs.close()


@pytest.fixture
def database(pair: Pair) -> Iterator[Database]:
    made = Database(*pair.urls)
    made.open()
    yield made
    made.close()


@pytest.fixture
def client(pair: Pair) -> Iterator[httpx.Client]:
    with (
        served(pair.app()) as origin,
        httpx.Client(base_url=origin, timeout=60) as client,
    ):
        yield client


def reads_standby(database: Database) -> bool:
    with suppress(UnavailableError), database.reading() as connection:
        return connection.execute(ON_STANDBY).fetchone() == (True,)
    return False


def shown(client: httpx.Client) -> set[int]:
    document = client.get("/api/metrics").raise_for_status().json()
    return {metric["value"] for metric in document["metrics"]}


def test_reads_go_to_the_standby_and_writes_to_the_primary(database: Database) -> None:
    until(lambda: reads_standby(database), "the standby read")
    with database.writing() as connection:
        assert connection.execute(ON_STANDBY).fetchone() == (False,)


def test_what_is_committed_is_what_the_next_request_is_told(
    pair: Pair, client: httpx.Client
) -> None:
    for value in range(1, ROUNDS + 1):
        pair.computes(value)
        assert shown(client) == {value}
    for alert in range(1, 4):
        change = {"alert_value": alert, "reason": "as agreed"}
        client.patch("/api/metrics/FEE3/verification", json=change).raise_for_status()
        assert client.get("/api/metrics/FEE3").json()["alert_value"] == alert


def test_while_the_standby_stands_still_the_primary_is_read(
    pair: Pair, client: httpx.Client, database: Database
) -> None:
    with pair.standing_still():
        for value in range(21, 24):
            pair.computes(value)
            assert shown(client) == {value}
        assert not reads_standby(database)
    until(lambda: reads_standby(database), "the standby read again")


def test_without_the_standby_the_primary_is_read(
    pair: Pair, client: httpx.Client, database: Database
) -> None:
    pair.standby_runs.close()
    try:
        pair.computes(31)
        assert shown(client) == {31}
        assert client.get("/healthz").is_success
        assert not reads_standby(database)
    finally:
        pair.start_standby()
    until(lambda: reads_standby(database), "the standby read again")


def test_without_the_primary_reads_go_on_and_writes_say_what_they_need(
    pair: Pair, client: httpx.Client
) -> None:
    pair.computes(41)
    assert shown(client) == {41}
    with psycopg.connect(pair.urls[0]) as primary, psycopg.connect(pair.urls[1]) as standby:
        end = primary.execute("select pg_current_wal_insert_lsn()").fetchone()
        assert end is not None
        replayed = "select pg_last_wal_replay_lsn() >= %s"
        until(lambda: standby.execute(replayed, end).fetchone() == (True,), "all replayed")
    pair.primary_runs.close()
    try:
        for path in ("/healthz", "/", "/m/FEE3", "/api/displays", "/audit"):
            assert client.get(path, follow_redirects=True).status_code == 200, path
        assert "NO NEW DATA" not in client.get("/").text
        assert shown(client) == {41}
        change = {"alert_value": 50, "reason": "as agreed"}
        refused = client.patch("/api/metrics/FEE3/verification", json=change)
        assert refused.status_code == 503
        assert refused.json()["detail"].startswith(
            "this needs the primary database, reads go on without it: "
        )
        assert "\n" not in refused.json()["detail"]
    finally:
        pair.start_primary()
    until(lambda: client.get("/healthz").is_success, "well")
    pair.computes(42)
    assert shown(client) == {42}


def test_without_the_primary_a_standby_that_is_behind_does_not_take_numbers_back(
    pair: Pair, client: httpx.Client
) -> None:
    pair.computes(51)
    assert shown(client) == {51}
    with pair.standing_still():
        pair.computes(52)
        assert shown(client) == {52}
        pair.primary_runs.close()
        try:
            until(lambda: "NO NEW DATA" in client.get("/").text, "told that it is not new")
            assert shown(client) == {52}
        finally:
            pair.start_primary()
    until(lambda: "NO NEW DATA" not in client.get("/").text, "new again")
    assert shown(client) == {52}


def test_a_read_that_is_in_the_way_of_what_is_replayed_is_made_again(
    pair: Pair, database: Database
) -> None:
    """Whoever alters a table on the primary ends the reads of it on the standby."""
    until(lambda: reads_standby(database), "the standby read")
    read: list[tuple[bool, int]] = []

    def reads() -> None:
        with database.reading() as connection:
            row = connection.execute(WHERE).fetchone()
            assert row is not None
            read.append(row)
            if len(read) > 1:
                return
            with psycopg.connect(pair.urls[0]) as primary:
                primary.execute("lock table heartbeat.metric_registry in access exclusive mode")
                primary.execute("select pg_log_standby_snapshot()")
                until(lambda: connection.execute("select 1") is None, "cancelled")

    read_again(reads)
    assert read == [(True, len(METRICS)), (False, len(METRICS))]


def test_a_request_whose_read_is_cancelled_is_answered(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = pair.app()
    cancelled: list[str] = []

    def read_days(connection: psycopg.Connection, metric_id: str) -> list[object]:
        if not cancelled:
            cancelled.append(metric_id)
            raise psycopg.errors.SerializationFailure("conflict with recovery")
        return []

    monkeypatch.setattr("heartbeat_api.metric_routes.read_days", read_days)
    with served(app) as origin:
        database = app.state.api.database
        until(lambda: reads_standby(database), "the standby read")
        answer = httpx.get(f"{origin}/api/metrics/FEE3/backtest?alert=3", timeout=60)
    assert cancelled == ["fees_3"]
    assert answer.status_code == 200


def test_a_server_that_is_no_standby_of_marts_is_not_read(
    pair: Pair, postgres: EmbeddedPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(pair.urls[0], postgres.url("postgres"))
    database.open()
    with caplog.at_level(logging.WARNING), database.reading() as connection:
        assert connection.execute("select count(*) from heartbeat.metric_registry").fetchone()
    database.close()
    assert "not to HEARTBEAT_READ_DATABASE_URL: it is no standby" in caplog.text


def test_without_both_the_reason_is_told(tmp_path: Path) -> None:
    nobody = f"postgresql://postgres:x@localhost/marts?host={tmp_path}"
    database = Database(nobody, nobody)
    database.open()
    with pytest.raises(UnavailableError, match="does not answer"), database.reading():
        pass
    database.close()
