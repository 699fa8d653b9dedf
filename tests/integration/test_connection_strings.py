"""Sources and marts are reached by each kind of address that libpq understands."""

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest
from dagster import DagsterInstance

from heartbeat.connection_string import database_name
from heartbeat.database import prepare_databases
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.postgres_session import connect
from heartbeat.settings import Settings
from heartbeat.socket_folder import socket_folder
from tests.integration.command_line import Run, landed_bank, told

# by the folder of the server's socket and the name of a database
ADDRESSES: Mapping[str, Callable[[Path, str], str]] = {
    "several hosts": lambda folder, name: (
        f"postgresql://postgres:x@{quote('/nowhere', safe='')}:5432,"
        f"{quote(str(folder), safe='')}:5432/{name}?target_session_attrs=any"
    ),
    "pairs": lambda folder, name: (
        f"host=/nowhere,{folder} port=5432,5432 user=postgres password='it''s' dbname={name}"
    ).replace("''", "\\'"),
    "a service": lambda folder, name: f"service=bank dbname={name}",
    "no host": lambda folder, name: f"postgresql://postgres@/{name}",
}


@pytest.fixture(params=list(ADDRESSES))
def address(
    request: pytest.FixtureRequest,
    postgres: EmbeddedPostgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], str]:
    """Gives the address of a database, as one of the ways has it."""
    folder = socket_folder(postgres.folder)
    if request.param == "a service":
        services = tmp_path / "pg_service.conf"
        services.write_text(f"[bank]\nhost={folder}\nuser=postgres\n")
        monkeypatch.setenv("PGSERVICEFILE", str(services))
    if request.param == "no host":
        monkeypatch.setenv("PGHOST", str(folder))
    return lambda name: ADDRESSES[request.param](folder, name)


def test_a_bank_lands_and_dagster_keeps_its_runs(
    heartbeat: Run,
    address: Callable[[str], str],
    settings: Settings,
    source_url: str,
    postgres: EmbeddedPostgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEARTBEAT_DATABASE_URL", address(settings.database_name))
    monkeypatch.setenv("SOURCE_BANK_URL", address(str(database_name(source_url))))
    landed_bank(heartbeat)
    told(heartbeat("source", "check", "bank", "--parity"))
    with connect(settings.database_url) as marts:
        assert marts.execute("select count(*) from bank_core.fee").fetchone() == (2,)

    addressed = Settings.load()
    monkeypatch.setenv("HEARTBEAT_DAGSTER_DATABASE_URL", addressed.dagster_database_url)
    (tmp_path / "dagster.yaml").write_text(
        "storage:\n  postgres:\n    postgres_url:\n      env: HEARTBEAT_DAGSTER_DATABASE_URL\n"
        "telemetry:\n  enabled: false\n"
    )
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.get_runs_count() == 0
    with connect(postgres.url("postgres"), autocommit=True) as server:
        name = addressed.dagster_database_name
        server.execute(f"drop database {name} with (force)".encode())


def test_a_database_that_is_there_needs_no_other(settings: Settings, heartbeat: Run) -> None:
    prepare_databases(settings)
    with connect(settings.database_url, autocommit=True) as server:
        server.execute("alter database postgres allow_connections false")
    try:
        prepare_databases(settings)
    finally:
        with connect(settings.database_url, autocommit=True) as server:
            server.execute("alter database postgres allow_connections true")
            name = settings.dagster_database_name
            server.execute(f"drop database {name} with (force)".encode())
