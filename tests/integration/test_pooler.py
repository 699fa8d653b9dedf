"""Through PgBouncer in transaction mode the API works, and all else says what it needs."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
import pytest

from heartbeat.postgres_session import connect
from heartbeat.settings import Settings
from heartbeat.shared_session import SharedSessionError, shares_sessions
from heartbeat_api.change_listener import Changes
from heartbeat_api.database import Database
from heartbeat_api.session_pool import connect_alone
from tests.integration.api_servers import PGBOUNCER, api_processes, pgbouncer
from tests.integration.command_line import Run
from tests.unit.heartbeat_api.stored_metrics import StoredMetric, store

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")

TOKEN = "0123456789abcdef"
METRICS = [StoredMetric(f"fees_{n}", f"FEE{n}", f"Fees {n}", values=[0.0]) for n in range(4)]
ROUNDS = 8
HOSTILE = """
    set search_path = nowhere; set default_transaction_read_only = on; set datestyle = 'SQL, DMY';
    set timezone = 'Pacific/Kiritimati'; set statement_timeout = '2s'; set role pg_monitor;
    set extra_float_digits = -10; set lock_timeout = 1
"""


@pytest.fixture(scope="module")
def pooled(module_marts_url: str) -> Iterator[str]:
    """Marts through a pooler that shares two sessions among all clients."""
    with psycopg.connect(module_marts_url, autocommit=True) as marts:
        store(marts, METRICS, datetime.now(UTC))
    with pgbouncer(module_marts_url, default_pool_size="2") as url:
        yield url


@contextmanager
def stranger(url: str) -> Iterator[None]:
    """Another client of the pool, which leaves its settings in the sessions that it is given."""
    done = threading.Event()

    def disturbs() -> None:
        while not done.wait(0.01):
            with suppress(psycopg.Error), psycopg.connect(url, autocommit=True) as client:
                for _ in range(3):
                    client.execute(HOSTILE.encode())

    thread = threading.Thread(target=disturbs)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_two_apis_tell_what_the_other_wrote_whatever_strangers_leave_in_the_sessions(
    pooled: str, module_marts_url: str, tmp_path: Path
) -> None:
    variables = {
        "HEARTBEAT_DATABASE_URL": pooled,
        "HEARTBEAT_OPERATOR_TOKENS": f"dana@bank.example={TOKEN}",
    }
    with ExitStack() as opened:
        processes = opened.enter_context(api_processes(2, variables, tmp_path))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        clients = [
            opened.enter_context(httpx.Client(base_url=each.origin, timeout=60, headers=headers))
            for each in processes
        ]
        marts = opened.enter_context(psycopg.connect(module_marts_url, autocommit=True))
        opened.enter_context(stranger(pooled))
        for value in range(1, ROUNDS + 1):
            marts.execute("update heartbeat.metric_history set v = %s", [value])
            for client in clients:
                told = client.get("/api/metrics").raise_for_status().json()["metrics"]
                assert {metric["value"] for metric in told} == {value}
            writer, reader = clients[value % 2], clients[1 - value % 2]
            change = {"alert_value": value, "reason": "as agreed"}
            writer.patch("/api/metrics/FEE3/verification", json=change).raise_for_status()
            assert reader.get("/api/metrics/FEE3").json()["alert_value"] == value
        report = {"name": "hall", "page": "/", "build": "b", "last_good_poll": "2026-01-01T00:00Z"}
        clients[0].post("/api/displays/beat", json=report).raise_for_status()
        assert all(client.get("/healthz").is_success for client in clients)
        assert all("asks for changes instead" in each.said() for each in processes)


def test_the_api_leaves_nothing_in_the_sessions_that_it_shares(pooled: str) -> None:
    database = Database(pooled)
    database.open()
    with database.reading() as connection:
        connection.execute("select 1")
    with database.writing() as connection:
        connection.execute("select 1")
    database.close()
    asked = (
        "select current_setting('default_transaction_read_only'), current_setting('TimeZone'),"
        " (select count(*) from pg_prepared_statements)"
    )
    with psycopg.connect(pooled, autocommit=True) as client:
        client.execute("discard all")
        before = client.execute(asked).fetchone()
        with_api = Database(pooled)
        with_api.open()
        with with_api.reading() as connection:
            connection.execute("select %s::int", [1])
        with_api.close()
        assert client.execute(asked).fetchone() == before


def test_what_was_committed_is_noticed_without_a_notice(pooled: str, module_marts_url: str) -> None:
    changes = Changes(pooled)
    asked = [changes.since_last_asked() for _ in range(2)]
    assert asked == [True, True]  # what was there before the first look is not known
    for _ in range(ROUNDS):
        with psycopg.connect(module_marts_url, autocommit=True) as marts:
            marts.execute("update heartbeat.metric_history set v = v + 1")
        assert changes.since_last_asked()
    changes.close()


def test_sessions_are_shared_in_transaction_mode_and_not_in_session_mode(
    pooled: str, module_marts_url: str
) -> None:
    with connect_alone(module_marts_url) as session:
        assert not shares_sessions(session, module_marts_url)
    with connect_alone(pooled) as session:
        assert shares_sessions(session, pooled)
    with (
        pgbouncer(module_marts_url, pool_mode="session", default_pool_size="1") as url,
        connect_alone(url) as session,
    ):
        assert not shares_sessions(session, url)


def test_what_needs_a_session_of_its_own_is_refused(pooled: str) -> None:
    with pytest.raises(SharedSessionError, match="give it the address of the server itself"):
        connect(pooled)


@pytest.mark.parametrize(
    "command",
    [["compute"], ["ingest"], ["migrate"], ["serve", "daemon"], ["serve", "code-location"]],
    ids=" ".join,
)
def test_commands_and_processes_say_in_one_line_that_they_need_the_server_itself(
    command: list[str],
    pooled: str,
    heartbeat_process: Run,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEARTBEAT_DATABASE_URL", pooled)
    ended = heartbeat_process(*command)
    assert ended.returncode == 1
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("error: HEARTBEAT_DATABASE_URL leads through a connection pooler")
