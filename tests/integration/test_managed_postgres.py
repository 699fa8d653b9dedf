"""A server whose owner of marts is no superuser: what an administrator grants is enough."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from heartbeat.database import MartsUnusableError, prepare_databases
from heartbeat.embedded_postgres import PSQL, EmbeddedPostgres
from heartbeat.login import Login
from heartbeat.login_folder import LoginFolder
from heartbeat.login_passwords import LoginRefusedError
from heartbeat.settings import Settings
from heartbeat.sql import platform_statements
from heartbeat_api.app import create_app
from tests.integration.command_line import refused, run_here, told
from tests.integration.tiny_project import CUT, TinyProject
from tests.unit.heartbeat_api.served import served

REPOSITORY = Path(__file__).parents[2]
GRANTS = REPOSITORY / "docs/operations/grants.sql"
DATABASE = "managed_marts"
_ROLES = (*map(str, Login), "heartbeat_sync", "heartbeat_benchmark", "heartbeat_owner")


@pytest.fixture(scope="module")
def managed() -> Iterator[EmbeddedPostgres]:
    """A server of its own, since its roles are those of all its databases."""
    folder = Path(tempfile.mkdtemp(prefix="heartbeat-managed-"))
    server = EmbeddedPostgres(folder / "pg", logins=LoginFolder(folder / "logins"))
    with server.running():
        with psycopg.connect(server.url("postgres"), autocommit=True) as administrator:
            # as on a server that is not embedded
            administrator.execute("grant connect on database postgres to public")
        yield server
    shutil.rmtree(folder)


@pytest.fixture
def owner_url(managed: EmbeddedPostgres) -> Iterator[str]:
    """The address of marts for a plain owner; nothing is granted yet."""
    with psycopg.connect(managed.url("postgres"), autocommit=True) as administrator:
        administrator.execute("create role heartbeat_owner login password 'x'")
        yield make_conninfo(managed.url(DATABASE), user="heartbeat_owner", password="x")
        for name in (DATABASE, f"{DATABASE}_dagster"):
            administrator.execute(f"drop database if exists {name} with (force)".encode())
        for role in _ROLES:
            known = administrator.execute("select to_regrole(%s)::text", [role]).fetchone()
            if known != (None,):
                administrator.execute(f"drop owned by {role}; drop role {role}".encode())


@pytest.fixture
def plain(owner_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an empty project on that database."""
    for folder in ("sources", "metrics", "audit_cuts"):
        (tmp_path / "project" / folder).mkdir(parents=True)
    monkeypatch.setenv("HEARTBEAT_PROJECT", str(tmp_path / "project"))
    monkeypatch.setenv("HEARTBEAT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HEARTBEAT_DATABASE_URL", owner_url)
    monkeypatch.setenv("HEARTBEAT_LOOPBACK_WRITES", "yes")
    return Settings.load()


def grant(server: EmbeddedPostgres) -> None:
    """Run the script as an administrator does."""
    variables = ("-v", "owner=heartbeat_owner", "-v", f"database={DATABASE}")
    subprocess.run(
        [PSQL, "-X", "-q", *variables, "-f", GRANTS, server.url("postgres")],
        check=True,
        capture_output=True,
        env={**os.environ, "PGOPTIONS": "-c client_min_messages=warning"},
    )


def test_all_that_is_missing_is_said_at_once_with_what_grants_it(
    managed: EmbeddedPostgres, plain: Settings
) -> None:
    with psycopg.connect(managed.url("postgres"), autocommit=True) as administrator:
        administrator.execute("create role heartbeat_reader")
        administrator.execute(f"create database {DATABASE}".encode())

    with pytest.raises(MartsUnusableError) as refused:
        prepare_databases(plain)

    first, *statements = str(refused.value).splitlines()
    assert "docs/operations/grants.sql" in first
    assert {each.strip() for each in statements} == {
        'alter role "heartbeat_owner" createrole;',
        'grant heartbeat_reader to "heartbeat_owner" with admin option;',
        f'alter database "{DATABASE}" owner to "heartbeat_owner";',
        'alter role "heartbeat_owner" createdb;',
    }


def test_a_database_that_the_owner_may_not_make_is_told_with_what_makes_it(
    managed: EmbeddedPostgres, plain: Settings, tmp_path: Path
) -> None:
    line = refused(run_here("migrate"))
    assert "heartbeat_owner, the user of HEARTBEAT_DATABASE_URL, may not create" in line
    assert f"-v owner=heartbeat_owner -v database={DATABASE}" in line
    line = refused(run_here("backup", str(tmp_path / "b.backup")))
    assert f'database "{DATABASE}" does not exist' in line
    assert "the next run" not in line


def test_the_statements_that_it_says_are_enough(managed: EmbeddedPostgres, plain: Settings) -> None:
    with psycopg.connect(managed.url("postgres"), autocommit=True) as administrator:
        administrator.execute(f"create database {DATABASE}".encode())
        with pytest.raises(MartsUnusableError) as refused:
            prepare_databases(plain)
        for statement in str(refused.value).splitlines()[1:]:
            administrator.execute(statement.partition(" --")[0].encode())

    assert prepare_databases(plain)
    assert prepare_databases(plain)  # and says again what it could not limit


def test_a_plain_owner_that_was_granted_what_the_script_grants_runs_everything(
    managed: EmbeddedPostgres,
    plain: Settings,
    source_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grant(managed)
    grant(managed)  # once more changes nothing
    monkeypatch.setenv("SOURCE_BANK_URL", source_url)
    with psycopg.connect(source_url, autocommit=True) as source:
        source.execute(
            "create schema core; create table core.payment (id int primary key, update_time"
            " timestamptz); insert into core.payment values (1, now()), (2, now())"
        )
        project = TinyProject(plain, source)
        project.discovers()
    project.writes_metric("payments", "PAYM", "select count(*) from bank_core.payment")
    project.writes_cut(CUT)
    assert told(run_here("migrate")) == "The databases are ready.\n"

    told(run_here("ingest"))
    assert told(run_here("compute")) == "payments  2 green\n"
    assert "drawn in" in told(run_here("cut", "run", "payments"))
    told(run_here("benchmark"))
    with served(create_app(plain)) as origin, httpx.Client(base_url=origin) as api:
        (metric,) = api.get("/api/metrics").json()["metrics"]
        assert (metric["value"], metric["status"]) == (2, "green")
        changed = api.patch("/api/metrics/PAYM/verification", json={"norm_value": 1})
        assert changed.status_code == HTTPStatus.OK
    with psycopg.connect(plain.database_url) as owner:
        assert owner.execute(
            "select rolsuper, rolcreatedb from pg_roles where rolname = current_user"
        ).fetchone() == (False, False)
        assert owner.execute("select actor is not null from heartbeat.change_log").fetchone()


def test_a_password_of_a_setting_is_given_to_the_login(
    managed: EmbeddedPostgres, plain: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    grant(managed)
    prepare_databases(plain)
    (tmp_path / "secret").write_text("of a file\n")
    monkeypatch.setenv("HEARTBEAT_READER_PASSWORD_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("HEARTBEAT_API_PASSWORD", "of a variable")
    changed = Settings.load()
    prepare_databases(changed)
    for login, password in ((Login.READER, "of a file"), (Login.API, "of a variable")):
        psycopg.connect(plain.database_url, user=login.value, password=password).close()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(plain.database_url, user=login.value, password="another")


def test_the_logins_of_another_heartbeat_on_the_server_keep_their_passwords(
    managed: EmbeddedPostgres, plain: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    grant(managed)
    prepare_databases(plain)
    drill = "managed_drill"
    with psycopg.connect(managed.url("postgres"), autocommit=True) as administrator:
        administrator.execute("alter role heartbeat_owner createdb")
        administrator.execute(f"create database {drill} owner heartbeat_owner".encode())
    monkeypatch.setenv("HEARTBEAT_DATABASE_URL", make_conninfo(plain.database_url, dbname=drill))
    monkeypatch.setenv("HEARTBEAT_HOME", str(tmp_path / "another"))
    try:
        with pytest.raises(LoginRefusedError, match=f"another Heartbeat .*{DATABASE}_dagster"):
            prepare_databases(Settings.load())
        for login in Login:
            url = plain.dagster_login_url if login is Login.DAGSTER else plain.login_url(login)
            psycopg.connect(url).close()

        for login in Login:
            password = plain.password(login)
            assert password is not None
            monkeypatch.setenv(login.password_variable, password)
        prepare_databases(Settings.load())
        psycopg.connect(plain.login_url(Login.API)).close()
    finally:
        with psycopg.connect(managed.url("postgres"), autocommit=True) as administrator:
            for name in (drill, f"{drill}_dagster"):
                administrator.execute(f"drop database if exists {name} with (force)".encode())


def test_what_an_owner_of_an_earlier_version_made_is_handed_over(
    managed: EmbeddedPostgres, plain: Settings
) -> None:
    """Its landed schemas, dlt's tables in them, and Dagster's database."""
    grant(managed)
    prepare_databases(plain)
    dagster = f"{DATABASE}_dagster"
    with psycopg.connect(managed.url("postgres"), autocommit=True) as administrator:
        administrator.execute(f"alter database {dagster} owner to heartbeat_owner".encode())
        administrator.execute(f"grant all on database {dagster} to public".encode())
    with psycopg.connect(managed.url(dagster), autocommit=True) as earlier:
        earlier.execute("create table runs (id serial); alter table runs owner to heartbeat_owner")
    with psycopg.connect(plain.database_url, autocommit=True) as owner:
        owner.execute(
            "create schema bank_core; create table bank_core.fee (id int);"
            "create table bank_core._dlt_loads (id int); create schema bank_core_staging;"
            "create table bank_core_staging._dlt_version (id int); create schema theirs;"
            "insert into heartbeat.table_load (schema_name, table_name, write_mode, run_id)"
            " values ('bank_core', 'fee', 'merge', 'r')"
        )

    with pytest.raises(MartsUnusableError, match="createdb;"):
        prepare_databases(plain)
    grant(managed)
    prepare_databases(plain)

    with psycopg.connect(plain.database_url) as owner:
        schemas = owner.execute(
            "select nspname, nspowner::regrole::text from pg_namespace"
            " where nspname ~ '^(bank|theirs)' order by 1"
        ).fetchall()
        tables = owner.execute(
            "select distinct relowner::regrole::text from pg_class"
            " where relnamespace::regnamespace::text ~ '^bank' and relkind = 'r'"
        ).fetchall()
    assert schemas == [
        ("bank_core", "heartbeat_ingest"),
        ("bank_core_staging", "heartbeat_ingest"),
        ("theirs", "heartbeat_owner"),
    ]
    assert tables == [("heartbeat_ingest",)]
    with psycopg.connect(plain.dagster_login_url) as own:
        own.execute("insert into runs default values")


def test_the_script_withdraws_what_migrate_does_as_a_superuser() -> None:
    assert platform_statements("logins")["withdraw"].strip() in GRANTS.read_text(encoding="utf-8")
