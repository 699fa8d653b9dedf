"""Real servers for every test that needs one."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis
import psycopg
import pytest
from psycopg import sql
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from heartbeat.database import ensure_database
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.schema.migration import migrate
from heartbeat.settings import Settings
from heartbeat.sql import platform_statements

# a bank, a browser, kills, processes or many landings: more than `make check` has time for
HEAVY = frozenset(
    {
        "acceptance",
        "containers",
        "integration/test_api.py",
        "integration/test_api_memory.py",
        "integration/test_web_doors.py",
        "integration/test_embedded_server.py",
        "integration/audit_cuts",
        "integration/test_api_document.py",
        "integration/test_audit_pages.py",
        "integration/test_author_commands.py",
        "integration/test_backup.py",
        "integration/test_bank_incidents.py",
        "integration/test_bank_truth.py",
        "integration/test_cli.py",
        "integration/test_cockpit_pages.py",
        "integration/test_code_location.py",
        "integration/test_committed_states.py",
        "integration/test_contained_daemon.py",
        "integration/test_doctor.py",
        "integration/test_embedded_logins.py",
        "integration/test_forkserver_launcher.py",
        "integration/test_full_disk.py",
        "integration/test_hostile_cuts.py",
        "integration/test_landing_identity.py",
        "integration/test_landing_keys.py",
        "integration/test_landing_killed.py",
        "integration/test_landing_modes.py",
        "integration/test_landing_money.py",
        "integration/test_landing_partial_reads.py",
        "integration/test_landing_source.py",
        "integration/test_landing_state.py",
        "integration/test_landing_states.py",
        "integration/test_landing_waits.py",
        "integration/test_login_roles.py",
        "integration/test_managed_postgres.py",
        "integration/test_metric_assets.py",
        "integration/test_operator_change.py",
        "integration/test_pooler.py",
        "integration/test_read_standby.py",
        "integration/test_monitoring.py",
        "integration/test_process_guard.py",
        "integration/test_read_cache.py",
        "integration/test_readiness.py",
        "integration/test_schedules.py",
        "integration/test_schema_versions.py",
        "integration/test_session_defaults.py",
        "integration/test_source_drift.py",
        "integration/test_source_drift_kept.py",
        "integration/test_two_api_processes.py",
        "integration/test_upgrade.py",
        "integration/test_what_commands_tell.py",
        "unit/demo_bank/test_bank_life.py",
        "unit/demo_bank/test_bank_seeding.py",
        "unit/heartbeat/test_chart_rendering.py",
        "unit/heartbeat/test_json_log.py",
        "unit/heartbeat/test_systemd_units.py",
        "unit/heartbeat/test_typeface.py",
        "unit/test_wheel.py",
    }
)

# without a deadline, since a busy machine is no failure; the same examples each time, but in a soak
hypothesis.settings.register_profile(
    "repeatable", deadline=None, derandomize="HEARTBEAT_SOAK" not in os.environ
)
hypothesis.settings.load_profile("repeatable")

_TEMPLATE = "migrated"
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 4 * 2**30


def pytest_configure() -> None:
    """Servers and state folders in memory where there is room; signals as in a terminal.

    On a slow disk a new database takes ten times as long. The tests need 1 GB at most at a time.
    Where a shell has started the tests in the background, SIGINT is ignored by all they start, and
    a Dagster server then ignores SIGTERM as well: nobody could stop it.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # the platform's own metrics are switched on where they are what is tested
    os.environ.setdefault("HEARTBEAT_PLATFORM_METRICS", "off")
    unchosen = "TMPDIR" not in os.environ
    if unchosen and _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES:
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)


BANK_OF_CUTS = "tests/integration/audit_cuts/"


def kept_together(nodeid: str) -> str:
    """Tests of the same are for the same worker: those of a file, and all of the cuts' bank."""
    return BANK_OF_CUTS if nodeid.startswith(BANK_OF_CUTS) else nodeid.partition("::")[0]


class ByFile(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    def _split_scope(self, nodeid: str) -> str:
        return kept_together(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_heavy(item.path):
            item.add_marker(pytest.mark.heavy)


def is_heavy(path: Path) -> bool:
    """Whether a file of tests, or the folder that it is in, is among the heavy ones."""
    inside = path.relative_to(Path(__file__).parent)
    return any(str(each) in HEAVY for each in (inside, *inside.parents))


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """One embedded server for the whole session, in a folder with a short path."""
    folder = Path(tempfile.mkdtemp(prefix="heartbeat-test-"))
    server = EmbeddedPostgres(folder / "pg")
    with server.running():
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            # nobody pulls the plug on this server
            for name in ("fsync", "full_page_writes", "synchronous_commit"):
                connection.execute(f"alter system set {name} = off".encode())
            connection.execute("select pg_reload_conf()")
        yield server
    shutil.rmtree(folder)


LANDED_BY_HAND = """
create schema testing;
create function testing.hand_over() returns event_trigger language plpgsql as $$
declare
    made record;
begin
    for made in
        select * from pg_event_trigger_ddl_commands()
        where object_type in ('schema', 'table')
          and coalesce(schema_name, object_identity) !~ '^(heartbeat|testing|pg_temp.*)$'
          and current_user = 'postgres'
    loop
        execute format(
            'alter %s %s owner to heartbeat_ingest', made.object_type, made.object_identity
        );
    end loop;
end
$$;
create event trigger landed_by_hand on ddl_command_end
    when tag in ('CREATE SCHEMA', 'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO')
    execute function testing.hand_over();
"""
"""What a test makes in marts belongs to the login that lands, as if it had been landed."""


@pytest.fixture(scope="session")
def migrated_template(postgres: EmbeddedPostgres) -> str:
    ensure_database(postgres.url(_TEMPLATE))
    migrate(postgres.url(_TEMPLATE))
    with psycopg.connect(postgres.url(_TEMPLATE), autocommit=True) as connection:
        connection.execute(LANDED_BY_HAND)
    return _TEMPLATE


def open_to_logins(url: str) -> None:
    """Give the logins the rights on a database that are no part of a copy of it."""
    with psycopg.connect(url) as connection:
        connection.execute(platform_statements("logins")["database"].encode())


@pytest.fixture
def marts_url(
    postgres: EmbeddedPostgres, migrated_template: str, request: pytest.FixtureRequest
) -> Iterator[str]:
    """A fresh marts database, migrated, dropped afterwards."""
    yield from _marts(postgres, migrated_template, request)


@pytest.fixture(scope="module")
def module_marts_url(
    postgres: EmbeddedPostgres, migrated_template: str, request: pytest.FixtureRequest
) -> Iterator[str]:
    """The same, once for all tests of a module."""
    yield from _marts(postgres, migrated_template, request)


def _marts(
    postgres: EmbeddedPostgres, template: str, request: pytest.FixtureRequest
) -> Iterator[str]:
    name = f"marts_{os.getpid()}_{abs(hash(request.node.nodeid)) % 10**9}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as server:
        server.execute(
            sql.SQL("create database {} template {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        open_to_logins(postgres.url(name))
        yield postgres.url(name)
        server.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def marts(marts_url: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to the fresh marts database."""
    with psycopg.connect(marts_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def source_url(postgres: EmbeddedPostgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database that stands for a source system."""
    url = postgres.url(f"source_{os.getpid()}_{abs(hash(request.node.nodeid)) % 10**9}")
    ensure_database(url)
    yield url
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as server:
        name = sql.Identifier(urlsplit(url).path.strip("/"))
        server.execute(sql.SQL("drop database {} with (force)").format(name))


@pytest.fixture
def loopback_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine may write, as with `heartbeat up --demo`."""
    monkeypatch.setenv("HEARTBEAT_LOOPBACK_WRITES", "yes")


@pytest.fixture
def settings(marts_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an empty project on the fresh marts database."""
    for folder in ("sources", "metrics", "audit_cuts"):
        (tmp_path / "project" / folder).mkdir(parents=True)
    monkeypatch.setenv("HEARTBEAT_PROJECT", str(tmp_path / "project"))
    monkeypatch.setenv("HEARTBEAT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HEARTBEAT_DATABASE_URL", marts_url)
    monkeypatch.delenv("HEARTBEAT_TIMEZONE", raising=False)
    return Settings.load()
