"""Code and schema of different versions: it says so in one line, and nothing is written."""

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
import pytest

from heartbeat.database import ensure_database
from heartbeat.embedded_postgres import PSQL, EmbeddedPostgres
from heartbeat.schema.migration import migrate
from heartbeat.schema.version import KNOWN_VERSION, SchemaNewerError
from heartbeat.settings import Settings
from heartbeat.stack import schema_wait
from heartbeat.stack.process import API, environment, processes
from heartbeat.stack.schema_wait import SchemaWaitError, wait_for_schema
from tests.integration.command_line import refused, run_here
from tests.schema_catalog import catalog, rows
from tests.schema_dump import DUMPS
from tests.unit.heartbeat_api.served import api_on, served
from tests.unit.heartbeat_api.stored_metrics import USUAL_WALL, store

_NEWER = (
    f"the schema is at 9999, this version of Heartbeat knows {KNOWN_VERSION}; "
    "install the newer version"
)
_OLDER = (
    f"the schema is at 0008, this version of Heartbeat needs {KNOWN_VERSION}; "
    "run `heartbeat migrate`"
)
_COMMANDS = (
    "migrate",
    "today",
    "compute",
    "ingest",
    "benchmark",
    "segments",
    "registry sync",
    "registry status",
    "refresh",
    "refresh --in-process",
    "source cost",
    "metric lint",
    "metric show FEES",
)


@pytest.fixture
def newer(settings: Settings) -> Settings:
    """A project on a database that a newer version has migrated."""
    _says(settings.database_url, "9999")
    return settings


@pytest.fixture
def older_url(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """A database that still is of an older version."""
    name = f"older_{os.getpid()}"
    ensure_database(postgres.url(name))
    subprocess.run(
        [PSQL, "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={postgres.url(name)}"],
        input=gzip.decompress((DUMPS / "0008.sql.gz").read_bytes()),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    yield postgres.url(name)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as server:
        server.execute(f"drop database {name} with (force)".encode())


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_refuses_a_newer_schema_in_one_line_and_writes_nothing(
    command: str, newer: Settings
) -> None:
    before = catalog(newer.database_url), rows(newer.database_url)
    assert refused(run_here(*command.split())).startswith(f"error: {_NEWER}")
    assert (catalog(newer.database_url), rows(newer.database_url)) == before


def test_no_process_but_the_api_starts_on_a_newer_schema(newer: Settings) -> None:
    names = [process.name for process in processes(newer) if process.name != API]
    assert len(names) > 2
    for name in names:
        assert refused(run_here("serve", name)) == f"error: {_NEWER}"


def test_a_process_waits_for_the_migration_and_says_why(
    older_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_wait, "_PAUSE_SECONDS", 0.05)
    waiting = threading.Thread(target=wait_for_schema, args=[older_url, "daemon"])
    waiting.start()
    said = ""
    while not said:
        waiting.join(0.05)
        said = capsys.readouterr().err
    assert said == f"daemon waits: {_OLDER}\n"
    assert waiting.is_alive()
    migrate(older_url)
    waiting.join()
    assert capsys.readouterr().err == ""


def test_a_process_waits_for_a_limited_time(older_url: str, postgres: EmbeddedPostgres) -> None:
    with pytest.raises(SchemaWaitError, match="daemon has waited for 0 s: the schema is at 0008"):
        wait_for_schema(older_url, "daemon", 0)
    with pytest.raises(SchemaWaitError, match=r"does not answer: .* does not exist$"):
        wait_for_schema(postgres.url("nowhere"), "daemon", 0)
    with pytest.raises(SchemaWaitError, match="no schema heartbeat yet; run `heartbeat migrate`"):
        wait_for_schema(postgres.url("postgres"), "daemon", 0)


def test_no_process_waits_for_code_that_it_is_not(newer: Settings) -> None:
    with pytest.raises(SchemaNewerError):
        wait_for_schema(newer.database_url, "daemon")


def test_a_run_of_older_code_computes_nothing(newer: Settings, tmp_path: Path) -> None:
    """One that was queued before the migration, or goes on meanwhile."""
    before = rows(newer.database_url)
    (tmp_path / "dagster").mkdir()
    ended = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "dagster", "job", "execute"),
            *("--module-name", "heartbeat_assets.definitions", "--job", "refresh"),
        ],
        env={**environment(newer), "DAGSTER_HOME": str(tmp_path / "dagster")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert _NEWER in ended.stderr
    assert "STEP_START" not in ended.stderr
    assert rows(newer.database_url) == before


def test_the_api_keeps_its_last_good_read_when_a_newer_version_migrates(marts_url: str) -> None:
    with (
        psycopg.connect(marts_url, autocommit=True) as connection,
        served(api_on(marts_url)) as origin,
        httpx.Client(base_url=origin, timeout=20) as client,
    ):
        store(connection, USUAL_WALL, datetime.now(UTC))
        _until(client, 200)
        before = rows(marts_url)
        _says(marts_url, "9999")
        before["schema_version"].clear()
        assert _until(client, 503).json()["detail"] == _NEWER
        wall = client.get("/")
        assert (wall.status_code, "NO NEW DATA" in wall.text) == (200, True)
        assert len(client.get("/api/metrics").json()["metrics"]) == len(USUAL_WALL)
        for answer in (
            client.get("/api/audit/registry"),
            client.put(f"/api/watchlists/risk/{USUAL_WALL[0].code}"),
        ):
            assert answer.status_code == 503
            assert answer.json()["detail"] == _NEWER
        after = rows(marts_url)
        after["schema_version"].clear()
        assert after == before
        _says(marts_url, KNOWN_VERSION)
        _until(client, 200)


def test_the_api_waits_for_the_migration_with_a_page_that_says_so(older_url: str) -> None:
    with (
        served(api_on(older_url)) as origin,
        httpx.Client(base_url=origin, timeout=20) as client,
    ):
        # its login has no access yet
        told = _OLDER.replace("at 0008", "older than 0012")
        assert _until(client, 503).json()["detail"] == told
        waiting = client.get("/")
        assert waiting.status_code == 503
        assert "the schema is older than 0012" in waiting.text
        migrate(older_url)
        _until(client, 200)
        assert client.get("/").status_code == 200


def _says(url: str, version: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("update heartbeat.schema_version set version_num = %s", [version])


def _until(client: httpx.Client, status: int) -> httpx.Response:
    for _ in range(600):
        response = client.get("/healthz")
        if response.status_code == status:
            return response
        threading.Event().wait(0.1)
    raise AssertionError(f"healthz never answered {status}: {response.text}")
