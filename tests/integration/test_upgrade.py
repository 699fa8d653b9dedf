"""Databases of every released version, and of each earlier state of a migration, are upgraded."""

import gzip
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import psycopg
import pytest

from heartbeat.audit.audit_view import read_audit_registry
from heartbeat.database import ensure_database
from heartbeat.embedded_postgres import PSQL, EmbeddedPostgres
from heartbeat.landing.landing_state import read_landing_state, read_left_attempts
from heartbeat.metrics.metric_view import read_metrics
from heartbeat.schema import migration
from heartbeat.schema.migration import MIGRATION_LOCK, MigrationError, migrate
from heartbeat.schema.version import KNOWN_VERSION, VERSIONS, SchemaNewerError
from tests.schema_catalog import catalog, columns, rows
from tests.schema_dump import DUMPS

_NAMES = sorted(path.name.removesuffix(".sql.gz") for path in DUMPS.glob("*.sql.gz"))
_VERSIONS = sorted(path.name[:4] for path in VERSIONS.glob("[0-9]*.sql"))


@pytest.fixture
def old_url(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """An empty database on a server that has the roles."""
    url = postgres.url(f"old_{os.getpid()}")
    ensure_database(url)
    yield url
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as server:
        server.execute(f"drop database old_{os.getpid()} with (force)".encode())


@pytest.fixture(scope="module")
def fresh_catalog(postgres: EmbeddedPostgres, migrated_template: str) -> list[str]:
    return catalog(postgres.url(migrated_template))


@pytest.fixture(scope="module")
def respelt(
    postgres: EmbeddedPostgres, migrated_template: str, fresh_catalog: list[str]
) -> Iterator[dict[str, str]]:
    """Functions as they read after a dump and a restore, and as they do where they were made.

    Postgres keeps the body of some as it understood it, and writes a little more each time.
    """
    url = postgres.url(f"restored_{os.getpid()}")
    ensure_database(url)
    dump = [str(PSQL.with_name("pg_dump")), "--schema=heartbeat", postgres.url(migrated_template)]
    _run_script(url, subprocess.run(dump, check=True, stdout=subprocess.PIPE).stdout)
    restored = [line for line in catalog(url) if line not in fresh_catalog]
    made = {_signature(line): line for line in fresh_catalog}
    assert all(line.startswith("function ") for line in restored)
    yield {line: made[_signature(line)] for line in restored}
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as server:
        server.execute(f"drop database restored_{os.getpid()} with (force)".encode())


def test_every_released_version_has_a_dump() -> None:
    missing = set(_VERSIONS[:-1]) - set(_NAMES)
    assert not missing, (
        f"make the dumps of {sorted(missing)}, of databases as they are in use, before the next "
        "migration joins them: `python -m tests.schema_dump NNNN`"
    )


@pytest.mark.parametrize("name", _NAMES)
def test_a_database_of_any_version_becomes_what_a_new_one_is_and_keeps_its_rows(
    name: str, old_url: str, fresh_catalog: list[str], respelt: dict[str, str]
) -> None:
    _restore(old_url, name)
    before, old_columns = rows(old_url), columns(old_url)
    migrate(old_url)
    assert {respelt.get(line, line) for line in catalog(old_url)} == set(fresh_catalog)
    after = rows(old_url, within=old_columns)
    assert {table for table, kept in before.items() if not kept} <= {"schema_version"}
    lost = {table: before[table] - after[table] for table in before if table != "schema_version"}
    assert not any(lost.values()), lost
    # only what comments said of lost columns has become a row
    came = {table: after[table] - before[table] for table in lost}
    assert {table for table, more in came.items() if more} <= {"source_drift"}
    _is_read(old_url)
    if "source_drift" not in old_columns:
        _gone_column_is_closed(old_url)


def test_what_an_older_database_said_goes_on_to_mean_the_same(old_url: str) -> None:
    """A landing that had not ended when 0011 was first made is under way after it."""
    _restore(old_url, "0011-21ccbe7")
    with psycopg.connect(old_url, autocommit=True) as connection:
        connection.execute(
            "update heartbeat.table_load set ended_at = began_at - interval '1 hour'"
            " where table_name = 'fee'"
        )
    migrate(old_url)
    with psycopg.connect(old_url) as connection:
        told = connection.execute(
            "select table_name, under_way from heartbeat.table_load order by 1"
        ).fetchall()
    assert told == [("fee", True), ("payment", False)]


def test_a_migration_that_was_killed_leaves_nothing(old_url: str) -> None:
    _restore(old_url, "0007")
    before = catalog(old_url), rows(old_url)
    with psycopg.connect(old_url) as holder:
        # one of the last tables that it changes: by then it has done all the rest
        holder.execute("lock table heartbeat.watchlist_metric in access exclusive mode")
        migrating = subprocess.Popen(
            [
                *(sys.executable, "-c"),
                f"from heartbeat.schema.migration import migrate; migrate({old_url!r})",
            ]
        )
        _until_waiting(old_url, "heartbeat.watchlist_metric")
        migrating.send_signal(signal.SIGKILL)
        migrating.wait()
    _until_alone(old_url)
    assert (catalog(old_url), rows(old_url)) == before
    migrate(old_url)


def test_a_migration_waits_for_a_reader_and_lets_others_pass(
    old_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(migration, "_TABLE_SECONDS", 1)
    monkeypatch.setattr(migration, "_PAUSE_SECONDS", 0.1)
    _restore(old_url, "0008")
    with psycopg.connect(old_url, application_name="a long report") as reader:
        reader.execute("select from heartbeat.table_load")
        migrating = threading.Thread(target=migrate, args=[old_url])
        migrating.start()
        _until_waiting(old_url, "heartbeat.table_load")
        with psycopg.connect(old_url) as other:
            # behind the migration, which gives way
            other.execute("select from heartbeat.table_load")
        while not caplog.messages:
            migrating.join(0.05)
    migrating.join()
    assert "held by process" in caplog.messages[0]
    assert "a long report" in caplog.messages[0]
    with psycopg.connect(old_url) as connection:
        assert _version(connection) == KNOWN_VERSION


def test_a_migration_that_never_gets_a_table_says_who_holds_it(
    old_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration, "_TABLE_SECONDS", 1)
    monkeypatch.setattr(migration, "_PATIENCE_SECONDS", -1.0)
    _restore(old_url, "0008")
    with psycopg.connect(old_url, application_name="a long report") as reader:
        reader.execute("select from heartbeat.table_load")
        with pytest.raises(MigrationError, match=r"held by process .*a long report.* end that"):
            migrate(old_url)


def test_processes_that_migrate_at_once_take_turns(old_url: str, fresh_catalog: list[str]) -> None:
    _restore(old_url, "0003")
    with psycopg.connect(old_url) as first:
        first.execute("select pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
        others = [threading.Thread(target=migrate, args=[old_url]) for _ in range(3)]
        for other in others:
            other.start()
        assert _version(first) == "0003"
    for other in others:
        other.join()
    assert catalog(old_url) == fresh_catalog


def test_a_migration_that_fails_says_why_in_one_line_and_changes_nothing(old_url: str) -> None:
    _restore(old_url, "0008")
    with psycopg.connect(old_url, autocommit=True) as connection:
        connection.execute("alter table heartbeat.table_load add column began_at timestamptz")
    before = catalog(old_url)
    with pytest.raises(MigrationError, match=r'changed nothing: column "began_at" .* exists$'):
        migrate(old_url)
    assert catalog(old_url) == before


def test_a_schema_of_a_newer_version_is_left_alone(marts_url: str) -> None:
    with psycopg.connect(marts_url, autocommit=True) as connection:
        connection.execute("update heartbeat.schema_version set version_num = '9999'")
    with pytest.raises(SchemaNewerError) as raised:
        migrate(marts_url)
    assert str(raised.value) == (
        f"the schema is at 9999, this version of Heartbeat knows {KNOWN_VERSION}; "
        "install the newer version"
    )


def _signature(line: str) -> str:
    return line.partition("\n")[0]


def _restore(url: str, name: str) -> None:
    _run_script(url, gzip.decompress((DUMPS / f"{name}.sql.gz").read_bytes()))


def _run_script(url: str, script: bytes) -> None:
    subprocess.run(
        [PSQL, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={url}"],
        input=script,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _until_waiting(url: str, table: str) -> None:
    """Until somebody waits for a lock on the table."""
    waits = "select from pg_locks where relation = %s::regclass and not granted"
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(waits, [table]).fetchone() is None:
            time.sleep(0.02)


def _until_alone(url: str) -> None:
    """Until the server has noticed that a client is gone."""
    others = (
        "select from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
        "   and backend_xid is not null"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(others.encode()).fetchone() is not None:
            time.sleep(0.05)


def _is_read(url: str) -> None:
    """What the pages show can be read from it."""
    with psycopg.connect(url, autocommit=True) as connection:
        metrics = read_metrics(connection, now=datetime.now(UTC), zone=ZoneInfo("UTC"))
        assert [view.code for view in metrics] == ["COD1", "COD2"]
        assert len(read_audit_registry(connection).cuts) == 2
        read_landing_state(connection, read_left_attempts(connection))


def _gone_column_is_closed(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        may = "select has_column_privilege('heartbeat_reader', 'bank_core.payment', %s, 'select')"
        readable = [connection.execute(may, [name]).fetchone() for name in ("id", "channel")]
    assert readable == [(True,), (False,)]


def _version(connection: psycopg.Connection) -> str:
    row = connection.execute("select version_num from heartbeat.schema_version").fetchone()
    assert row is not None
    return str(row[0])
