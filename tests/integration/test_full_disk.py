"""Whatever fails on a full disk names the disk; nothing that was landed is lost."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from heartbeat.author_query import QueryError, read_rows
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.full_disk import with_full_disk_named
from heartbeat.settings import Settings
from tests.integration.tiny_project import TinyProject, failure_messages

LONG = "repeat(md5(i::text), 30)"


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small disk here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def project(
    settings: Settings, source_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TinyProject]:
    monkeypatch.setenv("SOURCE_BANK_URL", source_url)
    with psycopg.connect(source_url, autocommit=True) as source:
        source.execute(
            "create schema core;"
            "create table core.payment (id int primary key, update_time timestamptz, note text);"
            "insert into core.payment values (1, now(), '')"
        )
        project = TinyProject(settings, source)
        project.discovers()
        project.writes_metric("payments", "PAYM", "select count(*) from bank_core.payment")
        yield project


def landed(marts: psycopg.Connection) -> tuple[int, str | None]:
    """How many rows are landed, and what the ledger says went wrong."""
    rows = marts.execute("select count(*) from bank_core.payment").fetchone()
    error = marts.execute("select error from heartbeat.table_load").fetchone()
    assert rows is not None
    assert error is not None
    return rows[0], error[0]


def test_a_landing_names_the_folder_whose_disk_is_full(
    project: TinyProject, settings: Settings, marts: psycopg.Connection
) -> None:
    assert project.refreshes().success
    project.source.execute(
        f"insert into core.payment select i, now(), {LONG} from generate_series(2, 5000) i"
    )
    with small_disk(settings.dlt_home, 2):
        result = project.refreshes()
    rows, error = landed(marts)
    assert (result.success, rows) == (False, 1)
    assert error is not None
    assert f"the disk of {settings.dlt_home} is full; free some space" in error
    assert error in failure_messages(result)
    assert project.refreshes().success
    assert landed(marts) == (5000, None)


def test_a_landing_says_that_the_disk_of_the_database_is_full(
    project: TinyProject, marts: psycopg.Connection, postgres: EmbeddedPostgres
) -> None:
    assert project.refreshes().success
    project.source.execute(
        f"insert into core.payment select i, now(), {LONG} from generate_series(2, 5000) i"
    )
    disk = postgres.folder.parent / "tablespace"
    with small_disk(disk, 2):
        disk.chmod(0o777)
        space = disk / "data"
        subprocess.run(["mkdir", str(space)], user=postgres.system_user, check=True)
        marts.execute(f"create tablespace small location '{space}'".encode())
        try:
            marts.execute("alter table bank_core.payment set tablespace small")
            result = project.refreshes()
            rows, error = landed(marts)
            marts.execute("alter table bank_core.payment set tablespace pg_default")
        finally:
            marts.execute("drop tablespace small")
    assert (result.success, rows) == (False, 1)
    assert error is not None
    assert "No space left on device" in error
    assert "the disk of the database is full; free some space" in error


def test_a_query_that_writes_too_much_to_disk_says_so(
    marts: psycopg.Connection, tmp_path: Path
) -> None:
    marts.execute("set temp_file_limit = '1MB'; set work_mem = '64kB'")
    query = (
        f"select count(*) from (select {LONG} as t from generate_series(1, 9000) i order by t) s"
    )
    with pytest.raises(QueryError, match="temp_file_limit lets it write to disk"):
        read_rows(marts, query, tmp_path / "metric.sql", 1)


def test_an_error_of_another_kind_stays_as_it_is(tmp_path: Path) -> None:
    assert with_full_disk_named("connection refused", tmp_path) == "connection refused"
