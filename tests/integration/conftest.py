"""A source and the marts that it lands in."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.settings import Settings
from tests.conftest import open_to_logins
from tests.integration.command_line import HEARTBEAT, METRIC, Run, run_here
from tests.integration.landed_bank import VARIABLE, Bank
from tests.integration.tiny_project import CUT, TinyProject


@pytest.fixture(scope="module")
def databases(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[dict[str, str]]:
    """The URLs of a source and of marts, made once for all tests of this module."""
    names = {"source": "landing_source", "marts": "landing_marts"}
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as server:
        server.execute("create database landing_source")
        server.execute(f"create database landing_marts template {migrated_template}".encode())
        for name in names.values():
            server.execute(f"alter database {name} set synchronous_commit = off".encode())
        open_to_logins(postgres.url(names["marts"]))
        yield {part: postgres.url(name) for part, name in names.items()}
        for name in names.values():
            server.execute(f"drop database {name} with (force)".encode())


@pytest.fixture
def bank(
    databases: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bank]:
    (tmp_path / "project" / "sources").mkdir(parents=True)
    monkeypatch.setenv("HEARTBEAT_PROJECT", str(tmp_path / "project"))
    monkeypatch.setenv("HEARTBEAT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HEARTBEAT_DATABASE_URL", databases["marts"])
    monkeypatch.setenv(VARIABLE, databases["source"])
    with (
        psycopg.connect(databases["source"], autocommit=True) as source,
        psycopg.connect(databases["marts"], autocommit=True) as marts,
    ):
        source.execute("create schema core")
        yield Bank(Settings.load(), source, marts)
        source.execute("drop schema core cascade")
        marts.execute("drop schema if exists bank_core, bank_core_staging cascade")
        marts.execute("truncate heartbeat.table_load, heartbeat.table_load_log")


@pytest.fixture
def reader(databases: dict[str, str], bank: Bank, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A role that may read what it is granted; the landing connects as it."""
    bank.has("drop role if exists bank_reader; create role bank_reader login password 'x'")
    bank.has("grant usage on schema core to bank_reader")
    monkeypatch.setenv(VARIABLE, databases["source"].replace("postgres:x@", "bank_reader:x@"))
    yield "bank_reader"
    bank.has("drop owned by bank_reader; drop role bank_reader")


@pytest.fixture
def fees(settings: Settings, source_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with one source and one metric."""
    monkeypatch.setenv("SOURCE_BANK_URL", source_url)
    with psycopg.connect(source_url, autocommit=True) as source:
        source.execute(
            "create schema core;"
            "create table core.fee (id int primary key, eur numeric, paid_at timestamptz);"
            "insert into core.fee values (1, 2.50, '2026-01-01'), (2, 0.25, '2026-02-01')"
        )
    (settings.project / "sources" / "bank.yaml").write_text(
        "kind: postgres\nconnection_env: SOURCE_BANK_URL\nschemas: [core]\n"
    )
    (settings.project / "metrics" / "fees.sql").write_text(METRIC)


@pytest.fixture
def heartbeat(fees: None) -> Run:
    """Runs a command on the project, in this process."""
    return run_here


@pytest.fixture
def heartbeat_process(fees: None) -> Run:
    """Runs a command on the project, as a process of its own."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [HEARTBEAT, *arguments], capture_output=True, text=True, check=False, timeout=120
        )

    return run


@pytest.fixture
def tiny(
    settings: Settings, source_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TinyProject]:
    monkeypatch.setenv("SOURCE_BANK_URL", source_url)
    with psycopg.connect(source_url, autocommit=True) as source:
        source.execute(
            "create schema core;"
            "create table core.payment (id int primary key, update_time timestamptz);"
            "create table core.fee (id int primary key, eur numeric);"
            "insert into core.payment values (1, now()), (2, now());"
            "insert into core.fee values (1, 2.50), (2, 0.25)"
        )
        project = TinyProject(settings, source)
        project.discovers()
        project.writes_metric("payments", "PAYM", "select count(*) from bank_core.payment")
        project.writes_metric("fees", "FEES", "select sum(eur) from bank_core.fee")
        project.writes_metric(
            "both", "BOTH", "select count(*) from bank_core.payment join bank_core.fee using (id)"
        )
        project.writes_cut(CUT)
        yield project
