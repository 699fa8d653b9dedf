"""Who may do what in the marts server: every cell of the matrix is an attempt of that login."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from heartbeat.author_query import QueryError, read_rows
from heartbeat.database import prepare_databases
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.login import Login
from heartbeat.marts_session import reading_as_of
from heartbeat.metrics.compute import compute
from heartbeat.metrics.metric_file import load_metrics
from heartbeat.settings import Settings
from heartbeat.table_reference import TableRef

NOW = datetime(2026, 11, 20, tzinfo=UTC)
FEE = TableRef("bank_core", "fee")
EVERYBODY = frozenset(Login)
NOBODY: frozenset[Login] = frozenset()
INGEST, COMPUTE, READER = Login.INGEST, Login.COMPUTE, Login.READER
API, OPERATOR, DAGSTER = Login.API, Login.OPERATOR, Login.DAGSTER
_OBSERVED = "(metric_id, as_of, computed_at, seconds, run_id) values ('m', now(), now(), 1, 'r')"

# what is tried, and who may; everybody else must be refused
MATRIX: Mapping[str, tuple[str, frozenset[Login]]] = {
    # the server
    "become the owner": ("set role postgres", NOBODY),
    "log in anew as the owner": ("set session authorization postgres", NOBODY),
    "read a file of the server": ("select pg_read_file('/etc/passwd')", NOBODY),
    "list a folder of the server": ("select pg_ls_dir('/')", NOBODY),
    "run a program": ("copy (select 1) to program 'true'", NOBODY),
    "write a file of the server": ("copy (select 1) to '/tmp/written'", NOBODY),
    "change a setting of the server": ("alter system set work_mem = '1GB'", NOBODY),
    "have the server read its settings": ("select pg_reload_conf()", NOBODY),
    "make a role": ("create role another", NOBODY),
    "change another login": ("alter role heartbeat_operator password 'x'", NOBODY - {OPERATOR}),
    "take part in another login": ("grant heartbeat_operator to heartbeat_reader", NOBODY),
    "make a database": ("create database another", NOBODY),
    "read the passwords": ("select rolpassword from pg_authid", NOBODY),
    "read the passwords, in their view": ("select passwd from pg_shadow", NOBODY),
    "read what else is set up": ("select * from pg_file_settings", NOBODY),
    "lift the limit of temporary files": ("set temp_file_limit = -1", NOBODY),
    "switch triggers off": ("set session_replication_role = replica", NOBODY),
    # others that work in it
    "take a lock that queries share": (
        "select pg_advisory_xact_lock(1)",
        frozenset({INGEST, COMPUTE, API, OPERATOR}),
    ),
    "end the session of another job": (
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'postgres' limit 1",
        NOBODY,
    ),
    "wake who listens": ("select pg_notify('heartbeat_changed', '')", NOBODY),
    "store a large object": ("select lo_create(0)", NOBODY),
    # what is made
    "make a schema": ("create schema mine", frozenset({INGEST})),
    "make a temporary table": ("create temporary table mine (n int)", frozenset({INGEST})),
    "make a table in public": ("create table public.mine (n int)", NOBODY),
    "make a table in heartbeat": ("create table heartbeat.mine (n int)", NOBODY),
    "make a function beside the landed tables": (
        "create function bank_core.mine() returns int language sql return 1",
        frozenset({INGEST}),
    ),
    # landed tables
    "read a landed table": ("select * from bank_core.fee", frozenset({INGEST, COMPUTE, READER})),
    "write a landed table": ("insert into bank_core.fee values (9)", frozenset({INGEST})),
    "empty a landed table": ("truncate bank_core.fee", frozenset({INGEST})),
    "drop a landed table": ("drop table bank_core.fee", frozenset({INGEST})),
    "keep a landing waiting": (
        "lock table bank_core.fee in share mode",
        frozenset({INGEST}),
    ),
    "hold a landed table for a compute": (
        "lock table bank_core.fee in access share mode",
        frozenset({INGEST, COMPUTE, READER}),
    ),
    # what Heartbeat knows
    "read metrics": (
        "select * from heartbeat.metric_registry, heartbeat.metric_history",
        frozenset({INGEST, COMPUTE, API, OPERATOR}),
    ),
    "read who changed what": (
        "select * from heartbeat.change_log",
        frozenset({INGEST, COMPUTE, API, OPERATOR}),
    ),
    "read the log of loads": (
        "select * from heartbeat.table_load_log",
        frozenset({INGEST, COMPUTE, API, OPERATOR, READER}),
    ),
    "write a value": (
        (
            "insert into heartbeat.metric_history (metric_id, d, v, run_id) "
            "values ('m', '2026-01-01', 1, 'r')"
        ),
        frozenset({COMPUTE}),
    ),
    "write an observation": (
        f"insert into heartbeat.metric_observation {_OBSERVED}",
        frozenset({COMPUTE}),
    ),
    "forget values": ("delete from heartbeat.metric_history", NOBODY),
    "change a past observation": ("update heartbeat.metric_observation set v = 0", NOBODY),
    "forget an observation of today": ("delete from heartbeat.metric_observation", NOBODY),
    "draw a cut": (
        (
            "insert into heartbeat.audit_cut_snapshot (cut_id, window_key, error, run_id) "
            "values ('c', '30d', 'e', 'r')"
        ),
        frozenset({COMPUTE}),
    ),
    "write the ledger": ("update heartbeat.table_load set row_count = 0", frozenset({INGEST})),
    "open what has drifted": ("delete from heartbeat.source_drift", frozenset({INGEST})),
    "register a metric": (
        "set local role heartbeat_sync; delete from heartbeat.metric_registry",
        frozenset({INGEST}),
    ),
    "register a metric without being its writer": (
        "delete from heartbeat.metric_registry",
        NOBODY,
    ),
    "write a typical band": (
        (
            "set local role heartbeat_benchmark; "
            "update heartbeat.metric_registry set benchmark_mean = 1"
        ),
        frozenset({COMPUTE}),
    ),
    "set a threshold": (
        "update heartbeat.metric_registry set norm_value = 1",
        frozenset({OPERATOR}),
    ),
    "set a threshold as the operators": (
        "set local role heartbeat_operator; update heartbeat.metric_registry set norm_value = 1",
        frozenset({OPERATOR}),
    ),
    "verify a cut": (
        "update heartbeat.audit_cut_registry set verification_state = 'verified'",
        frozenset({OPERATOR}),
    ),
    "write who changed what": (
        "insert into heartbeat.change_log (actor, subject, field) values ('a', 's', 'f')",
        frozenset({OPERATOR}),
    ),
    "forget who changed what": ("delete from heartbeat.change_log", NOBODY),
    "note a screen": (
        "insert into heartbeat.display values ('s', '/', 'b', now(), now(), now())",
        frozenset({API}),
    ),
    "switch a guard off": (
        "alter table heartbeat.metric_registry disable trigger all",
        NOBODY,
    ),
    "drop what Heartbeat knows": ("drop schema heartbeat cascade", NOBODY),
}


@pytest.fixture(scope="module")
def server(module_marts_url: str, postgres: EmbeddedPostgres) -> Iterator[Settings]:
    """Marts with a landed table, a metric and an observation, prepared as `migrate` does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEARTBEAT_DATABASE_URL", module_marts_url)
        patch.setenv("HEARTBEAT_HOME", str(postgres.folder.parent / "roles-home"))
        settings = Settings.load()
        prepare_databases(settings)
    with psycopg.connect(module_marts_url, autocommit=True) as owner:
        owner.execute(
            "create schema bank_core; create table bank_core.fee (id int);"
            "insert into bank_core.fee values (1), (2);"
            "call heartbeat.open_to_readers('bank_core', array['fee']);"
            f"insert into heartbeat.metric_observation {_OBSERVED};"
            "insert into heartbeat.change_log (actor, subject, field) values ('a', 's', 'f');"
            "insert into heartbeat.audit_cut_registry values"
            " ('c', 'p', 't', '', '{30d}', '30d', '{}', '', '');"
            "set role heartbeat_sync;"
            "insert into heartbeat.metric_registry"
            " (metric_id, code, name, short_name, period, unit, direction, kind, amber_z, red_z,"
            "  reads, cuts, description, how_to_read, methodology, notes)"
            " values ('m', 'MMMM', 'm', 'm', 'snapshot', 'count', 'lower_is_better', 'threshold',"
            "  1, 2, '{}', '{}', '', '', '', '')"
        )
    yield settings
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        name = sql.Identifier(settings.dagster_database_name)
        connection.execute(sql.SQL("drop database {} with (force)").format(name))


@pytest.mark.parametrize("attempt", MATRIX)
@pytest.mark.parametrize("login", Login)
def test_a_login_may_what_its_job_needs_and_no_more(
    server: Settings, login: Login, attempt: str
) -> None:
    statement, allowed = MATRIX[attempt]
    may = login in allowed or f"alter role {login} " in statement
    with psycopg.connect(server.login_url(login)) as connection:
        connection.autocommit = statement.startswith(("create database", "alter system"))
        if may:
            connection.execute(statement.encode())
        else:
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement.encode())
        connection.rollback()


def test_no_login_is_a_superuser_or_makes_roles_or_databases(server: Settings) -> None:
    with psycopg.connect(server.database_url) as owner:
        found = owner.execute(
            "select rolname from pg_roles where rolname ~ '^heartbeat_'"
            " and (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls)"
        ).fetchall()
    assert found == []


@pytest.mark.parametrize("login", Login)
def test_dagsters_database_is_open_to_dagster_only(server: Settings, login: Login) -> None:
    url = server.login_url(login)
    own = psycopg.conninfo.make_conninfo(url, dbname=server.dagster_database_name)
    if login is DAGSTER:
        with psycopg.connect(own) as connection:
            connection.execute("create table public.runs (id int)")
            connection.rollback()
    else:
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(own)


def test_nobody_sees_what_another_job_asks(server: Settings) -> None:
    asks = "select query from pg_stat_activity where usename = 'heartbeat_operator'"
    with psycopg.connect(server.login_url(OPERATOR)) as operator:
        operator.execute("select 'secret'")
        for login in (INGEST, COMPUTE, READER, API, DAGSTER):
            with psycopg.connect(server.login_url(login)) as connection:
                seen = {query for (query,) in connection.execute(asks).fetchall()}
            assert seen == {"<insufficient privilege>"}


def test_what_every_landing_compute_and_screen_does_is_in_a_function_that_nobody_bends(
    server: Settings,
) -> None:
    """A function that runs with its owner's rights says itself where it looks for names."""
    with psycopg.connect(server.database_url) as owner:
        unsafe = owner.execute(
            "select oid::regprocedure from pg_proc"
            " where pronamespace in (select oid from pg_namespace where nspname !~ '^pg_')"
            " and prosecdef and not coalesce(proconfig::text ~ 'search_path', false)"
        ).fetchall()
    assert unsafe == []


ATTACKS: Mapping[str, str] = {
    "ts_stat": (
        "select count(*) from ts_stat("
        "'select to_tsvector(set_config(''role'', ''none'', false)"
        " || pg_read_file(''/etc/passwd''))')"
    ),
    "query_to_xml": (
        "select length(query_to_xml("
        "'select set_config(''role'', ''postgres'', false), pg_read_file(''/etc/passwd'')',"
        " true, false, '')::text)"
    ),
    "table_to_xml": "select length(table_to_xml('heartbeat.change_log', true, false, '')::text)",
    "cursor_to_xml of another role": (
        "select length(query_to_xml('select rolpassword from pg_authid', true, false, '')::text)"
    ),
    "set_config": "select count(set_config('role', 'postgres', false))",
    "set_config of the session": (
        "select count(set_config('session_authorization', 'postgres', false))"
    ),
    "xpath of what a query gives": (
        "select cardinality(xpath('/x', query_to_xml('table heartbeat.change_log',"
        " true, false, '')))"
    ),
    "a function of the ledger": (
        "select count(*) from heartbeat.table_load, heartbeat.source_as_of('{bank_core.fee}')"
    ),
    "reload": "select count(*) from ts_stat('select to_tsvector(pg_reload_conf()::text)')",
    "a file": "select length(pg_read_file('/etc/passwd'))",
    "a large object": "select lo_from_bytea(0, 'x')::bigint",
    "a database link": (
        "select count(*) from dblink('dbname=postgres', 'select 1') as linked (n int)"
    ),
}
# the last where the server was built without libxml, and knows no XML at all
_REFUSED = ("permission denied", "does not exist", "read-only", "cannot ", "unsupported XML")

METRIC = """\
/* ---
code: EVIL
name: Evil
short_name: Evil
period: snapshot
unit: count
direction: lower_is_better
kind: threshold
norm_value: 5
--- */
-- name: value
{}
"""


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_metric_that_attacks_is_refused_by_the_database(
    server: Settings, tmp_path: Path, attack: str
) -> None:
    """The parser refuses most of them before; here it is as if it had overlooked them all."""
    (tmp_path / "evil.sql").write_text(METRIC.format("select count(*) from bank_core.fee"))
    (overlooked,) = load_metrics(tmp_path).metrics
    assert compute(overlooked, server, as_of=NOW).value == 2

    outcome = compute(replace(overlooked, value_sql=ATTACKS[attack]), server, as_of=NOW)

    assert outcome.value is None
    assert any(each in (outcome.error or "") for each in _REFUSED), outcome.error


# the database does what it is told, and it leads nowhere
HARMLESS: Mapping[str, str] = {
    "no role": "select set_config('role', 'none', false)",
    "its own role": "select set_config('role', 'heartbeat_reader', false)",
    "no role, in ts_stat": (
        "select * from ts_stat('select to_tsvector(set_config(''role'', ''none'', false))')"
    ),
    "a block": "do $$ begin perform set_config('role', 'none', false); end $$",
    "reset": "reset role",
    "reset all": "reset all",
    "its own session": "set session authorization default",
    "a wake-up call": "notify heartbeat_changed",
}


@pytest.mark.parametrize("statement", HARMLESS.values(), ids=HARMLESS)
def test_behind_the_login_of_authors_there_is_nobody(server: Settings, statement: str) -> None:
    with psycopg.connect(server.login_url(API), autocommit=True) as listener:
        listener.execute("listen heartbeat_changed")
        with reading_as_of(server, [FEE], as_of=NOW) as connection:
            connection.execute(statement.encode())
            assert connection.execute("select session_user, current_user").fetchone() == (
                "heartbeat_reader",
                "heartbeat_reader",
            )
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute("select * from heartbeat.change_log")
        # nothing of it was committed, so nobody was woken
        assert list(listener.notifies(timeout=0.2, stop_after=1)) == []


def test_one_statement_lifts_no_limit_for_the_next(server: Settings) -> None:
    limited = server.model_copy(update={"statement_timeout": "300ms"})
    with reading_as_of(limited, [FEE], as_of=NOW) as connection:
        lifted = (
            "select set_config('statement_timeout', '0', false),"
            " set_config('heartbeat.as_of', '2000-01-01', false),"
            " set_config('search_path', 'heartbeat', false)"
        )
        assert connection.execute(lifted.encode()).fetchone()
        found = connection.execute("select heartbeat.as_of(), current_setting('search_path')")
        assert found.fetchone() == (NOW, "pg_catalog, public, pg_temp")
        with pytest.raises(errors.QueryCanceled):
            connection.execute("select count(pg_sleep(60))")


def test_a_file_of_sql_is_one_statement(server: Settings) -> None:
    with (
        reading_as_of(server, [FEE], as_of=NOW) as connection,
        pytest.raises(QueryError, match="cannot insert multiple commands"),
    ):
        read_rows(connection, "select 1; commit; select 2", Path("two.sql"), 1)


def test_a_session_of_authors_that_is_given_up_ends_at_once(server: Settings) -> None:
    """Also one whose server does not hear that its client is gone."""
    deaf = server.model_copy(update={"statement_timeout": "60s"})
    with reading_as_of(deaf, [FEE], as_of=NOW) as connection:
        pid = connection.info.backend_pid
        connection.execute("set client_connection_check_interval = 0")
        # as where nothing is heard for longer than a statement may take
        connection.pgconn.send_query(b"select pg_sleep(600)")
    alive = "select count(*) from pg_stat_activity where pid = %s"
    with psycopg.connect(server.database_url, autocommit=True) as owner:
        for _ in range(600):
            if owner.execute(alive, [pid]).fetchone() == (0,):
                return
            owner.execute("select pg_sleep(0.05)")
    pytest.fail("the session still runs")


def _hang(connection: psycopg.Connection, server: Settings) -> None:
    """Let it run a function that looks for nothing until it has ended, some seconds later."""
    connection.pgconn.send_query(
        b"select length(translate(repeat('x', 20000), repeat('y', 20000), ''))"
    )
    connection.pgconn.flush()
    at_work = "select state = 'active' and query ~ 'translate' from pg_stat_activity where pid = %s"
    with psycopg.connect(server.database_url, autocommit=True) as owner:
        while owner.execute(at_work, [connection.info.backend_pid]).fetchone() != (True,):
            owner.execute("select pg_sleep(0.01)")


def test_a_query_that_cannot_be_ended_is_told_with_its_process(
    server: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heartbeat.marts_session._ENDING_LOOKS", 3)
    with (
        pytest.raises(QueryError, match=r"process \d+ of the marts server goes on with the query"),
        reading_as_of(server, [FEE], as_of=NOW) as connection,
    ):
        _hang(connection, server)


def test_the_session_of_authors_reads_what_the_holding_session_saw(server: Settings) -> None:
    with reading_as_of(server, [FEE], as_of=NOW) as connection:
        with psycopg.connect(server.login_url(INGEST), autocommit=True) as landing:
            landing.execute("insert into bank_core.fee values (3)")
        assert connection.execute("select count(*) from bank_core.fee").fetchone() == (2,)
    with psycopg.connect(server.login_url(INGEST), autocommit=True) as landing:
        landing.execute("delete from bank_core.fee where id = 3")


def test_what_authors_may_take_of_the_disk_and_of_time_is_limited(server: Settings) -> None:
    with psycopg.connect(server.login_url(READER)) as connection:
        found: dict[str, Any] = {
            name: connection.execute(sql.SQL("show {}").format(sql.Identifier(name))).fetchone()
            for name in ("temp_file_limit", "work_mem", "statement_timeout")
        }
    assert found == {
        "temp_file_limit": ("4GB",),
        "work_mem": ("64MB",),
        "statement_timeout": ("1min",),
    }
