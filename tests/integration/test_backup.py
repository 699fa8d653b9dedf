"""Back up, lose everything, restore: on real servers, every row compared."""

import gzip
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import psycopg
import pytest

from heartbeat.audit.audit_snapshot import compute_snapshot, store_chart_runtime, sync_cuts
from heartbeat.backup.backup import write_backup
from heartbeat.backup.client_programs import NoClientError, client_programs
from heartbeat.database import ensure_database
from heartbeat.displays import Beat, store_beats
from heartbeat.embedded_postgres import PSQL, EmbeddedPostgres
from heartbeat.landing.landing_state import RESTORED
from heartbeat.metrics.metric_view import read_metrics
from heartbeat.metrics.operator_change import OperatorChange, apply_change
from heartbeat.metrics.verification import VerificationState
from heartbeat.metrics.watchlists import watch
from heartbeat.postgres_session import connect
from heartbeat.project import Project
from heartbeat.schema.version import KNOWN_VERSION
from heartbeat.settings import Settings
from tests.integration.command_line import refused, run_here, told
from tests.integration.tiny_project import CUT, TinyProject
from tests.schema_catalog import catalog, rows
from tests.schema_dump import DUMPS

_POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")
_RESET = {
    "polled_at",
    "changed_at",
    "row_count",
    "digest",
    "columns",
    "resume_after",
    "resume_since",
    "source_state",
    "under_way",
    "error",
}

Made = Callable[[str], str]


@pytest.fixture
def other_database(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], str]]:
    """Makes the project's marts another database, which is not there yet."""
    names: list[str] = []

    def other() -> str:
        names.append(f"restored_{os.getpid()}_{len(names)}")
        monkeypatch.setenv("HEARTBEAT_DATABASE_URL", postgres.url(names[-1]))
        return postgres.url(names[-1])

    yield other
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as server:
        for name in names:
            for each in (name, f"{name}_dagster"):
                server.execute(f"drop database if exists {each} with (force)".encode())


@pytest.fixture
def empty_server() -> Iterator[EmbeddedPostgres]:
    """A server without any database or role of Heartbeat."""
    folder = Path(tempfile.mkdtemp(prefix="heartbeat-test-"))
    server = EmbeddedPostgres(folder / "pg")
    with server.running():
        yield server
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def once_lived(
    module_marts_url: str, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Landings, history, operators' values, a verification, a picture, a screen; its variables."""
    folder = tmp_path_factory.mktemp("lived")
    for each in ("sources", "metrics", "audit_cuts"):
        (folder / "project" / each).mkdir(parents=True)
    source_url = postgres.url(f"lived_source_{os.getpid()}")
    variables = {
        "HEARTBEAT_PROJECT": str(folder / "project"),
        "HEARTBEAT_HOME": str(folder / "home"),
        "HEARTBEAT_DATABASE_URL": module_marts_url,
        "SOURCE_BANK_URL": source_url,
    }
    ensure_database(source_url)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        with psycopg.connect(source_url, autocommit=True) as source:
            _live(TinyProject(Settings.load(), source))
    yield variables
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as server:
        server.execute(f"drop database lived_source_{os.getpid()} with (force)".encode())


@pytest.fixture
def lived(once_lived: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a project that has run for a while."""
    for name, value in once_lived.items():
        monkeypatch.setenv(name, value)
    return Settings.load()


def _live(project: TinyProject) -> None:
    project.source.execute(
        "create schema core;"
        "create table core.payment (id int primary key, update_time timestamptz);"
        "create table core.fee (id int primary key, eur numeric);"
        "insert into core.payment values (1, now()), (2, now());"
        "insert into core.fee values (1, 2.50), (2, 0.25)"
    )
    project.discovers()
    project.writes_metric("payments", "PAYM", "select count(*) from bank_core.payment")
    project.writes_metric("fees", "FEES", "select sum(eur) from bank_core.fee")
    project.writes_cut(CUT)
    told(run_here("registry", "sync"))
    told(run_here("ingest"))
    told(run_here("compute"))
    change = OperatorChange(
        verification_state=VerificationState.VERIFIED,
        owner="ada@bank.example",
        alert_value=Decimal("20.5"),
        norm_value=Decimal("0.10"),
        reason="counted by hand",
    )
    cuts = Project(project.folder).cuts
    with connect(project.settings.database_url) as connection:
        apply_change(connection, "payments", change, actor="ada")
        watch(connection, "risk", "payments", actor="ada")
        sync_cuts(connection, cuts)
        now = datetime.now(UTC)
        store_beats(connection, [Beat("hall", "/", "b1", now, now)])
        store_chart_runtime(connection)
        # what takes days to come about
        connection.execute(
            "insert into heartbeat.client_segment_day"
            " values ('2026-01-01', now(), now(), null, 'r');"
            "insert into heartbeat.client_segment values ('2026-01-01', 'c1', 'active');"
            "insert into heartbeat.client_segment_failure values (now(), 'division by zero', 'r');"
            "insert into heartbeat.metric_backfill values ('payments', 'h', now(), 'r');"
            "insert into heartbeat.source_drift"
            " values ('bank_core', 'old', '', 'gone', 'is gone', 'old is gone', now(), true);"
            "insert into heartbeat.run_queue (queued, oldest_queued_at, seen_at)"
            " values (1, now(), now())"
        )
    compute_snapshot(cuts.cuts[0], "7d", project.settings, as_of=now, run_id="r1")


def test_everything_but_the_landed_rows_comes_back_and_the_next_refresh_lands_them(
    lived: Settings, tmp_path: Path, other_database: Callable[[], str]
) -> None:
    url, file = lived.database_url, tmp_path / "heartbeat.backup"
    assert f"schema heartbeat at {KNOWN_VERSION}, landed schemas: none" in told(
        run_here("backup", str(file))
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before, known = rows(url), catalog(url)
    assert all(before.values()), "a table without a row says nothing"
    restored = other_database()
    assert "The next refresh lands all tables anew" in told(run_here("restore", str(file)))
    after = rows(restored)
    assert {table: after[table] for table in after if table != "table_load"} == {
        table: before[table] for table in before if table != "table_load"
    }
    assert _without_reset(restored) == _without_reset(url)
    assert _unspelt(catalog(restored)) == _unspelt(known)
    _ledger_is_honest(restored)
    _guards_hold(restored)
    told(run_here("registry", "sync"))
    told(run_here("ingest"))
    told(run_here("compute"))
    assert _wall(restored) == _wall(url)
    assert not any((before["metric_observation"] - rows(restored)["metric_observation"]).values())
    with connect(restored) as connection:
        apply_change(
            connection, "fees", OperatorChange(alert_value=Decimal(30), reason="new"), actor="ada"
        )


def test_landed_schemas_come_back_with_the_rest_when_they_are_in_the_file(
    lived: Settings, tmp_path: Path, other_database: Callable[[], str]
) -> None:
    url, file = lived.database_url, tmp_path / "heartbeat.backup"
    assert "landed schemas: bank_core" in told(run_here("backup", "--with-landed", str(file)))
    before = rows(url), rows(url, "bank_core"), _wall(url)
    assert len(before[1]["payment"]) == 2
    restored = other_database()
    told(run_here("restore", str(file)))
    assert (rows(restored), rows(restored, "bank_core"), _wall(restored)) == before
    told(run_here("compute"))
    told(run_here("ingest"))
    told(run_here("ingest", "--reconcile"))
    assert rows(restored, "bank_core")["payment"] == before[1]["payment"]


def test_a_server_without_the_roles_whose_owner_is_no_superuser_is_restored_into(
    lived: Settings,
    tmp_path: Path,
    empty_server: EmbeddedPostgres,
    postgres: EmbeddedPostgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, file = lived.database_url, tmp_path / "heartbeat.backup"
    role = f"heartbeat_lander_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create role {role} login password 'secret'".encode())
        connection.execute(f"grant heartbeat_sync to {role}".encode())
        connection.execute(f"grant usage on schema heartbeat to {role}".encode())
    told(run_here("backup", "--with-landed", str(file)))
    before = rows(url), rows(url, "bank_core"), _unspelt(catalog(url))
    with psycopg.connect(empty_server.url("postgres"), autocommit=True) as server:
        server.execute("create role managing login createrole createdb password 'x'")
        server.execute("create database marts owner managing")
    managed = empty_server.url("marts").replace("postgres:x@", "managing:x@")
    monkeypatch.setenv("HEARTBEAT_DATABASE_URL", managed)
    told(run_here("restore", str(file)))
    assert (rows(managed), rows(managed, "bank_core")) == before[:2]
    # the same, but for who owns it and gives rights
    as_there = [line.replace("managing", "postgres") for line in catalog(managed)]
    assert _unspelt(as_there) == before[2]
    with psycopg.connect(managed) as connection:
        owners = connection.execute(
            "select relname, relowner::regrole::text from pg_class"
            " where relnamespace = 'bank_core'::regnamespace and relname in ('fee', 'payment')"
            " order by 1"
        ).fetchall()
        of_role = connection.execute(
            "select rolcanlogin, rolsuper, pg_has_role(oid, 'heartbeat_sync', 'member'),"
            "  has_table_privilege('heartbeat_reader', 'bank_core.fee', 'select')"
            "  from pg_roles where rolname = %s",
            [role],
        ).fetchone()
    assert owners == [("fee", "heartbeat_ingest"), ("payment", "heartbeat_ingest")]
    assert of_role == (True, False, True, True)
    with psycopg.connect(empty_server.url("postgres")) as server:
        secret = server.execute("select rolpassword from pg_authid where rolname = %s", [role])
        assert secret.fetchone() == (None,)
    _guards_hold(managed)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"reassign owned by {role} to postgres".encode())
        connection.execute(f"drop owned by {role}; drop role {role}".encode())


def test_a_backup_of_an_older_version_is_upgraded_after_it_was_restored(
    settings: Settings, tmp_path: Path, other_database: Callable[[], str]
) -> None:
    old, file = other_database(), tmp_path / "old.backup"
    ensure_database(old)
    _run_script(old, gzip.decompress((DUMPS / "0007-c2f0de2.sql.gz").read_bytes()))
    before = rows(old)
    assert "at 0007" in told(run_here("backup", str(file)))
    assert rows(old) == before
    restored = other_database()
    told(run_here("restore", str(file)))
    assert _version(restored) == KNOWN_VERSION
    kept = ("metric_history", "metric_observation", "metric_signature", "change_log")
    within = {table: list(json.loads(next(iter(before[table])))) for table in kept}
    assert rows(restored, within=within) == {table: before[table] for table in kept}


@pytest.mark.skipif(not _POSTGRES_15.exists(), reason="there is no PostgreSQL 15 in /usr/lib")
def test_a_backup_goes_to_a_newer_server_and_to_an_older_one(
    lived: Settings,
    tmp_path: Path,
    other_database: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, file = lived.database_url, tmp_path / "heartbeat.backup"
    told(run_here("backup", "--with-landed", str(file)))
    before = rows(url), rows(url, "bank_core")
    with _server_of(_POSTGRES_15) as old:
        monkeypatch.setenv("HEARTBEAT_DATABASE_URL", old)
        told(run_here("restore", str(file)))
        assert (rows(old), rows(old, "bank_core")) == before
        _guards_hold(old)
        told(run_here("backup", "--with-landed", str(file)))
        before = rows(old), rows(old, "bank_core")
    restored = other_database()
    told(run_here("restore", str(file)))
    assert (rows(restored), rows(restored, "bank_core")) == before
    assert _unspelt(catalog(restored)) == _unspelt(catalog(url))
    _guards_hold(restored)


def test_a_backup_is_of_one_moment_while_others_write(
    settings: Settings, tmp_path: Path, other_database: Callable[[], str]
) -> None:
    url, file, done = settings.database_url, tmp_path / "heartbeat.backup", threading.Event()

    def write() -> None:
        with psycopg.connect(url) as connection:
            while not done.is_set():
                connection.execute(
                    "insert into heartbeat.change_log (actor, subject, field)"
                    " values ('a', 'b', 'c')"
                )
                connection.execute(
                    "insert into heartbeat.table_load_log"
                    " (schema_name, table_name, started_at, finished_at, write_mode, run_id)"
                    " values ('s', 't', now(), now(), 'merge', 'r')"
                )
                connection.commit()

    writing = threading.Thread(target=write)
    writing.start()
    try:
        content, _ = write_backup(url, file, with_landed=False)
    finally:
        done.set()
        writing.join()
    restored = other_database()
    told(run_here("restore", str(file)))
    after = rows(restored)
    counted = {after[table].total() for table in ("change_log", "table_load_log")}
    assert counted == {content.rows["change_log"]}


def test_a_restore_refuses_a_database_with_rows_and_says_how(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "heartbeat.backup"
    told(run_here("backup", str(file)))
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute(
            "insert into heartbeat.change_log (actor, subject, field) values ('a', 'b', 'c')"
        )
    before = rows(settings.database_url)
    line = refused(run_here("restore", str(file)))
    assert "holds rows in schema heartbeat (change_log)" in line
    assert line.endswith("heartbeat psql -c 'alter schema heartbeat rename to heartbeat_before'")
    assert rows(settings.database_url) == before
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute("alter schema heartbeat rename to heartbeat_before")
    told(run_here("restore", str(file)))
    assert not rows(settings.database_url)["change_log"]


def test_a_restore_that_was_killed_leaves_nothing(
    settings: Settings, tmp_path: Path, other_database: Callable[[], str]
) -> None:
    file = tmp_path / "heartbeat.backup"
    told(run_here("backup", str(file)))
    url = other_database()
    ensure_database(url)
    with psycopg.connect(url) as holder:
        # triggers are made last
        holder.execute("lock table pg_catalog.pg_trigger in share mode")
        restoring = subprocess.Popen([sys.executable, "-m", "heartbeat", "restore", str(file)])
        waits = "select from pg_locks where relation = 'pg_trigger'::regclass and not granted"
        with psycopg.connect(url, autocommit=True) as watcher:
            while watcher.execute(waits).fetchone() is None:
                assert restoring.poll() is None
                time.sleep(0.05)
        restoring.send_signal(signal.SIGKILL)
        restoring.wait()
    with psycopg.connect(url, autocommit=True) as watcher:
        others = (
            "select from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        while watcher.execute(others).fetchone() is not None:
            time.sleep(0.05)
        there = watcher.execute("select to_regnamespace('heartbeat')").fetchone()
    assert there == (None,)
    told(run_here("restore", str(file)))


def test_a_file_that_cannot_be_restored_from_is_one_clear_line(
    settings: Settings, tmp_path: Path, other_database: Callable[[], str]
) -> None:
    whole = tmp_path / "heartbeat.backup"
    told(run_here("backup", str(whole)))
    content = whole.read_bytes()
    url = other_database()
    cases = {
        "missing": (None, "cannot be read: No such file"),
        "empty": (b"", "is no whole backup"),
        "foreign": (b"-- PostgreSQL database dump\n" * 400, "is no whole backup"),
        "short": (content[: len(content) // 2], "is no whole backup"),
        "shorter": (content[:600], "is no whole backup"),
        "damaged": (_flipped(content), "is damaged"),
        "another": (_other_archive(), "is no whole backup"),
        "a statement of somebody's": (
            _with_manifest(
                content,
                owners=[
                    {"role": "heartbeat_ingest", "statement": "select 1;\n\\! touch x\nselect 1"}
                ],
            ),
            "holds a statement that no backup writes",
        ),
        "newer": (
            _with_manifest(content, schema_version="9999"),
            f"holds the schema at 9999, this version of Heartbeat knows {KNOWN_VERSION}",
        ),
    }
    for name, (bytes_, reason) in cases.items():
        file = tmp_path / name
        if bytes_ is not None:
            file.write_bytes(bytes_)
        line = refused(run_here("restore", str(file)))
        assert f"{file} {reason}" in line
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


def test_a_restore_that_the_server_refuses_is_one_line_and_leaves_nothing(
    settings: Settings, tmp_path: Path, other_database: Callable[[], str]
) -> None:
    file = tmp_path / "heartbeat.backup"
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute("create schema odd; create type odd.mood as enum ('good')")
        connection.execute("alter table heartbeat.display add column mood odd.mood")
        # more than fits into a pipe
        connection.execute(
            "insert into heartbeat.change_log (actor, subject, field)"
            " select 'a', repeat('b', 100), 'c' from generate_series(1, 20000)"
        )
    told(run_here("backup", str(file)))
    url = other_database()
    line = refused(run_here("restore", str(file)))
    assert line == 'error: nothing was restored: schema "odd" does not exist'
    with psycopg.connect(url) as connection:
        assert connection.execute("select to_regnamespace('heartbeat')").fetchone() == (None,)


def test_a_backup_that_cannot_be_written_leaves_no_file(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "backups" / "heartbeat.backup"
    assert "cannot be written: No such file" in refused(run_here("backup", str(file)))
    file.parent.mkdir()
    full = subprocess.run(
        [sys.executable, "-m", "heartbeat", "backup", str(file)],
        # as a full disk does it: some bytes can be written, and then no more
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8_192, 8_192)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{file} cannot be written: File too large; no file was left" in refused(full)
    assert list(file.parent.iterdir()) == []


def test_a_backup_takes_the_place_of_an_older_one_only_when_it_is_whole(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "heartbeat.backup"
    file.write_bytes(b"older")
    # what a killed backup has left
    (tmp_path / ".heartbeat.backup.unfinished").write_bytes(b"x" * 10_000_000)
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute("update heartbeat.schema_version set version_num = '9999'")
    assert "install the newer version" in refused(run_here("backup", str(file)))
    assert file.read_bytes() == b"older"
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute("update heartbeat.schema_version set version_num = %s", [KNOWN_VERSION])
    told(run_here("backup", str(file)))
    assert file.stat().st_size < 1_000_000
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {file.name}


def test_a_client_of_another_version_is_found_or_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client_programs(14, "why").folder == PSQL.parent
    with pytest.raises(NoClientError, match=r"^why; install .* postgresql-client-99\), so that"):
        client_programs(99, "why")
    for name in ("pg_dump", "pg_restore", "psql"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) 99.1'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert client_programs(99, "why").pg_dump == str(tmp_path / "pg_dump")


def _without_reset(url: str) -> dict[str, object]:
    """The ledger without what a restore takes back."""
    with psycopg.connect(url) as connection:
        return dict(
            connection.execute(
                "select table_name, to_jsonb(load) - %s::text[] from heartbeat.table_load as load",
                [sorted(_RESET)],
            ).fetchall()
        )


def _ledger_is_honest(url: str) -> None:
    """No table counts as landed or as fresh, and the pages say that they are missing."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "select polled_at, resume_after, under_way, error, heartbeat.source_as_of("
            "  array[schema_name || '.' || table_name]) from heartbeat.table_load"
        ).fetchall()
    assert len(found) == 2
    assert set(found) == {(None, None, False, RESTORED, None)}
    told = run_here("today").stdout
    assert RESTORED in told
    assert "2 tables not landed since the restore" in told
    assert "refresh failed" not in told
    assert run_here("compute").returncode == 1


def _guards_hold(url: str) -> None:
    for statement, reason in (
        ("update heartbeat.metric_registry set alert_value = 1", "may not write column"),
        ("delete from heartbeat.metric_registry", "may not delete rows"),
        ("truncate heartbeat.metric_registry", "nobody may truncate"),
        ("delete from heartbeat.change_log", "never changed or deleted"),
        ("update heartbeat.metric_observation set v = 1", "never changed or deleted"),
    ):
        with (
            psycopg.connect(url) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege, match=reason),
        ):
            connection.execute(statement.encode())


def _wall(url: str) -> dict[str, tuple[object, ...]]:
    """What a reader knows of each metric."""
    with connect(url) as connection:
        views = read_metrics(connection, now=datetime.now(UTC), zone=Settings.load().zone)
        return {
            view.code: (
                view.value,
                view.status,
                view.verification_state,
                view.verification_reason,
                view.owner,
                view.alert_value,
                view.norm_value,
            )
            for view in views
        }


def _unspelt(lines: list[str]) -> list[str]:
    """Without bodies of functions, which Postgres spells a little otherwise after a restore."""
    return sorted(line.partition("BEGIN ATOMIC")[0].partition("RETURN ")[0] for line in lines)


def _version(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("select version_num from heartbeat.schema_version").fetchone()
    assert row is not None
    return str(row[0])


def _run_script(url: str, script: bytes) -> None:
    subprocess.run(
        [PSQL, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={url}"],
        input=script,
        check=True,
        stdout=subprocess.DEVNULL,
    )


@contextmanager
def _server_of(programs: Path) -> Iterator[str]:
    """Marts on a server of another version."""
    folder = Path(tempfile.mkdtemp(prefix="heartbeat-test-"))
    user = EmbeddedPostgres(folder).system_user
    if user is not None:
        shutil.chown(folder, user)
    folder.chmod(0o755)
    data, options = str(folder / "pg"), f"-k {folder} -c listen_addresses= -c fsync=off"

    def run(*command: str) -> None:
        with (folder.parent / f"{folder.name}.log").open("wb") as log:
            subprocess.run(
                [str(programs / command[0]), *command[1:]],
                check=True,
                user=user,
                cwd=folder,
                stdout=log,
                stderr=log,
            )

    run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
    run("pg_ctl", "start", "-w", "-D", data, "-o", options)
    try:
        yield f"postgresql://postgres:x@localhost:5432/marts?host={folder}"
    finally:
        run("pg_ctl", "stop", "-w", "-m", "fast", "-D", data)
        shutil.rmtree(folder)
        (folder.parent / f"{folder.name}.log").unlink()


def _flipped(content: bytes) -> bytes:
    """One byte of the dump is another one."""
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def _other_archive() -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("readme.txt"))
    return buffer.getvalue()


def _with_manifest(content: bytes, **said: object) -> bytes:
    buffer = BytesIO()
    with (
        tarfile.open(fileobj=BytesIO(content)) as archive,
        tarfile.open(fileobj=buffer, mode="w") as changed,
    ):
        for member in archive.getmembers():
            file = archive.extractfile(member)
            assert file is not None
            body = file.read()
            if member.name == "manifest.json":
                body = json.dumps({**json.loads(body), **said}).encode()
            member.size = len(body)
            changed.addfile(member, BytesIO(body))
    return buffer.getvalue()
