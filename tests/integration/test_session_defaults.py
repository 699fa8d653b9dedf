"""What environment, role and database say by default changes no number and stops no load."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from dagster import DagsterInstance, DagsterRun
from dagster._core.utils import make_new_run_id
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg2 import extensions

from heartbeat.database import MartsUnusableError, prepare_databases
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.landing import destination
from heartbeat.landing.destination import MartsCredentials, MartsSqlClient
from heartbeat.marts_session import reading_as_of
from heartbeat.postgres_session import SESSION_SETTINGS, SUPERUSER_SETTINGS, connect
from heartbeat.psycopg2_session import connect_psycopg2
from heartbeat.settings import Settings
from heartbeat.stack.process import environment
from heartbeat_api.database import Database
from tests.integration.command_line import METRIC, run_here, told
from tests.unit.heartbeat_api.served import api_on, served

HOSTILE = {
    "client_encoding": "LATIN1",
    "search_path": "hostile, pg_catalog",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "iso_8601",
    "TimeZone": "Asia/Kolkata",
    "timezone_abbreviations": "India",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "xmlbinary": "hex",
    "xmloption": "document",
    "array_nulls": "off",
    "standard_conforming_strings": "off",
    "backslash_quote": "on",
    "quote_all_identifiers": "on",
    "lc_numeric": "C.UTF-8",
    "lc_time": "C.UTF-8",
    "default_text_search_config": "pg_catalog.english",
    "transform_null_equals": "on",
    "gin_fuzzy_search_limit": "1",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "exit_on_error": "on",
    "client_min_messages": "error",
    "restrict_nonsystem_relation_kind": "view,foreign-table",
    "plpgsql.extra_errors": "all",
    "plpgsql.variable_conflict": "use_variable",
    "session_replication_role": "replica",
    "zero_damaged_pages": "on",
    "ignore_checksum_failure": "on",
    "statement_timeout": "300ms",
    "lock_timeout": "20ms",
    "transaction_timeout": "500ms",
    "idle_in_transaction_session_timeout": "500ms",
    "idle_session_timeout": "500ms",
    "client_connection_check_interval": "0",
}
# what an author or an operator may have left behind, before all that is Postgres's own
SHADOWS = """
create schema hostile;
create function hostile.md5(bytea) returns text language sql as $$select repeat('0', 32)$$;
create function hostile.md5(text) returns text language sql as $$select repeat('0', 32)$$;
create function hostile.now() returns timestamptz language sql
    as $$select timestamptz '2000-01-01'$$;
create function hostile.set_config(text, text, boolean) returns text language sql as $$select ''$$;
create view hostile.pg_class as select * from pg_catalog.pg_class where false;
create view hostile.pg_attribute as
    select attrelid, attname from pg_catalog.pg_attribute where false;
create domain hostile.text as pg_catalog.text check (value is null);
"""
CLIENTS = r"""
create schema core;
create table core.client (
    id int primary key, name text, born date, seen timestamptz, waits interval, share float8,
    photo bytea, rates numeric[], kind regclass
);
insert into core.client values
    (1, 'Žanis', '2026-02-01', '2026-02-01 12:00+00', '1 day 02:00', 0.1 + 0.2, '\x00ff',
        '{1,null}', 'pg_class'),
    (2, 'O''Brien \', '2026-01-02', now(), null, 'NaN', null, null, null);
create table core.visit (client_id int, name text, seen timestamp);
insert into core.visit values (1, 'Ž', '2026-01-02 03:04:05.678');
"""
SOURCE = """\
kind: postgres
connection_env: SOURCE_BANK_URL
schemas: [core]
tables:
  core.client: {write: reconcile}
"""
# slower than the hostile statement_timeout; counts the values that read as they were written
VALUE = r"""
select count(*) filter (where name in (U&'\017Danis', 'O''Brien \'))
    + count(*) filter (where seen >= '2026-02-01 12:00' and seen <= now())
    + count(*) filter (where md5(name) = 'cd9e33c02a7d0fd9269a43f12a9971e7')
    + count(*) filter (where born = '2026-01-02' and waits = null)
    + sum(0 * length(pg_sleep(0.2)::text))
from bank_core.client
"""
HELD = (
    "select name, current_setting(name)"
    f" from unnest(array{[*SESSION_SETTINGS, *SUPERUSER_SETTINGS, 'search_path']}) as name"
)
Defaults = Callable[[str], None]


def in_database(url: str, whose: str) -> None:
    """Hostile defaults of the database, or of the role in this database, and what they lead to."""
    name = sql.Identifier(str(conninfo_to_dict(url)["dbname"]))
    owner = sql.SQL(whose).format(name)
    with connect(url, autocommit=True) as connection:
        connection.execute(SHADOWS)
        for setting, value in HOSTILE.items():
            # each path is a list of names
            path = setting == "search_path"
            literal = sql.SQL(value) if path else sql.Literal(value)
            connection.execute(
                sql.SQL("alter {} set {} = {}").format(owner, sql.Identifier(setting), literal)
            )


def of_nothing(url: str) -> None:
    with connect(url, autocommit=True) as connection:
        connection.execute(SHADOWS)


LEVELS: Mapping[str, Defaults] = {
    "of the database": lambda url: in_database(url, "database {}"),
    "of the role": lambda url: in_database(url, "role postgres in database {}"),
    "of the environment": of_nothing,
}


@pytest.fixture(params=list(LEVELS))
def hostile(request: pytest.FixtureRequest) -> Iterator[Defaults]:
    """Gives what makes the defaults of a database hostile; those of the environment are already."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "of the environment":
            options = {name: value.replace(" ", "\\ ") for name, value in HOSTILE.items()}
            words = (f"-c {name}={value}" for name, value in options.items())
            patch.setenv("PGOPTIONS", " ".join(words))
            patch.setenv("PGCLIENTENCODING", "LATIN1")
            patch.setenv("PGTZ", "Asia/Tokyo")
            patch.setenv("PGDATESTYLE", "German")
        yield LEVELS[request.param]


@pytest.fixture
def project(settings: Settings, source_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SOURCE_BANK_URL", source_url)
    with connect(source_url, autocommit=True) as source:
        source.execute(CLIENTS)
    (settings.project / "sources" / "bank.yaml").write_text(SOURCE)
    text = METRIC.partition("-- name: value")[0] + "-- name: value" + VALUE
    (settings.project / "metrics" / "fees.sql").write_text(text, encoding="utf-8")
    return settings


def rows(url: str, table: str) -> list[tuple[Any, ...]]:
    with connect(url) as connection:
        query = f"select t::text, name from {table} t order by 1"
        return connection.execute(query.encode()).fetchall()


def test_the_whole_product_gives_the_same_numbers_whatever_the_defaults_are(
    project: Settings, source_url: str, hostile: Defaults
) -> None:
    hostile(source_url)
    hostile(project.database_url)
    told(run_here("source", "discover", "bank"))
    for arguments in ([], [], ["--reconcile"]):
        told(run_here("ingest", *arguments))
        for table in ("client", "visit"):
            assert rows(project.database_url, f"bank_core.{table}") == rows(
                source_url, f"core.{table}"
            )
    told(run_here("source", "check", "bank", "--parity"))
    told(run_here("registry", "sync"))
    told(run_here("compute"))
    told(run_here("benchmark"))
    with served(api_on(project.database_url)) as origin:
        (metric,) = httpx.get(f"{origin}/api/metrics", timeout=20).json()["metrics"]
    assert (metric["value"], metric["signal"], metric["error"]) == (5, "ok", None)
    age = datetime.now(UTC) - datetime.fromisoformat(metric["computed_at"])
    assert timedelta() < age < timedelta(minutes=5)


def test_every_kind_of_session_has_the_same_settings_whatever_the_defaults_are(
    project: Settings, hostile: Defaults
) -> None:
    before = held(project.database_url)
    hostile(project.database_url)
    assert {name for name, value in before.items() if value == HOSTILE.get(name)} == set()
    assert held(project.database_url) == before

    session = connect_psycopg2(project.database_url)
    assert held_by(session) == before
    session.close()

    database = Database(project.database_url)
    database.open()
    with database.reading() as connection:
        api = dict(connection.execute(HELD).fetchall())
        mode = connection.execute(
            "select current_setting('transaction_isolation'),"
            " current_setting('transaction_read_only')"
        ).fetchone()
    database.close()
    assert api == before | {"statement_timeout": "5s"}
    assert mode == ("repeatable read", "on")


def held(url: str) -> dict[str, str]:
    with connect(url) as connection:
        return dict(connection.execute(HELD.encode()).fetchall())


def held_by(session: extensions.connection) -> dict[str, str]:
    with session.cursor() as cursor:
        cursor.execute(HELD)
        return dict(cursor.fetchall())


def test_the_settings_survive_an_error_inside_of_dlt(project: Settings, hostile: Defaults) -> None:
    hostile(project.database_url)
    credentials = MartsCredentials(project.database_url, "30s", "5min")
    capabilities = destination.marts().capabilities()
    with MartsSqlClient("bank_core", "bank_core_staging", credentials, capabilities) as client:
        before = held_by(client.native_connection)
        with pytest.raises(DatabaseUndefinedRelation):
            client.execute_sql("select from nowhere")
        assert held_by(client.native_connection) == before
        assert before["search_path"] == "pg_catalog, public, pg_temp"
        assert before["lock_timeout"] == "30s"


def test_databases_are_prepared_and_dagster_keeps_its_moments_whatever_the_defaults_are(
    project: Settings, postgres: EmbeddedPostgres, hostile: Defaults, tmp_path: Path
) -> None:
    with connect(postgres.url("postgres"), autocommit=True) as server:
        for name in (project.database_name, project.dagster_database_name):
            server.execute(f"drop database if exists {name} with (force)".encode())
            server.execute(f"create database {name} encoding 'UTF8' template template0".encode())
    dagster = postgres.url(project.dagster_database_name)
    hostile(project.database_url)
    hostile(dagster)

    prepare_databases(project)
    with pytest.MonkeyPatch.context() as patch:
        variables = environment(project)
        for name in ("PGOPTIONS", "PGCLIENTENCODING", "PGTZ", "PGDATESTYLE"):
            patch.delenv(name, raising=False)
            assert name not in variables
        home = tmp_path / "dagster"
        home.mkdir()
        (home / "dagster.yaml").write_text(
            "storage:\n  postgres:\n    postgres_url:\n      env: HEARTBEAT_DAGSTER_DATABASE_URL\n"
            "telemetry:\n  enabled: false\n"
        )
        patch.setenv("HEARTBEAT_DAGSTER_DATABASE_URL", variables["HEARTBEAT_DAGSTER_DATABASE_URL"])
        with DagsterInstance.from_config(str(home)) as instance:
            run = DagsterRun(job_name="Žanis", run_id=make_new_run_id())
            instance.add_run(run)
            (record,) = instance.get_run_records()
    assert record.dagster_run.job_name == "Žanis"
    age = datetime.now(UTC) - record.create_timestamp.replace(tzinfo=UTC)
    assert timedelta() < age < timedelta(minutes=5)
    with connect(project.database_url) as connection:
        assert connection.execute("select count(*) from heartbeat.metric_registry").fetchone() == (
            0,
        )
    with connect(postgres.url("postgres"), autocommit=True) as server:
        server.execute(f"drop database {project.dagster_database_name} with (force)".encode())


def test_marts_in_another_encoding_are_refused(
    settings: Settings, postgres: EmbeddedPostgres
) -> None:
    name = settings.database_name
    with connect(postgres.url("postgres"), autocommit=True) as server:
        server.execute(f"drop database {name} with (force)".encode())
        server.execute(
            f"create database {name} encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'"
            " template template0".encode()
        )
    with pytest.raises(MartsUnusableError, match="has the encoding LATIN1"):
        prepare_databases(settings)


def test_a_policy_in_marts_is_an_error_and_not_a_part_of_the_rows(
    settings: Settings, marts: psycopg.Connection[Any]
) -> None:
    marts.execute(
        "create schema bank_core; create table bank_core.fee (id int);"
        "alter table bank_core.fee enable row level security;"
        "call heartbeat.open_to_readers('bank_core', array['fee'])"
    )
    with (
        reading_as_of(settings, (), as_of=datetime.now(UTC)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"),
    ):
        connection.execute("select count(*) from bank_core.fee")
