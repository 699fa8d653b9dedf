"""What a tick costs in the ingest steps: 9 schemas, 236 tables, with nothing or 1 % changed.

Twenty tables are large and merged by a cursor, the others small and replaced. Every tick is a real
Dagster run on Postgres storage, in this process; a step's time includes the writing of its events.
"""

import logging
import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from dagster import DagsterInstance, JobDefinition, execute_job, reconstructable

from heartbeat.database import ensure_database, prepare_databases
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.landing.catalog import write_catalog
from heartbeat.landing.source_session import source_session
from heartbeat.settings import Settings
from heartbeat.source import parse_source_file
from heartbeat.stack.process import environment, write_dagster_home
from heartbeat_assets.code_location import code_location

SCHEMAS = {
    "webbank": ("core", "dict"),
    "aml": ("aml",),
    "pdvs": ("core",),
    "vss": ("vss", "dict"),
    "card-management": ("card", "dict"),
    "currency-rate": ("rate",),
}
SCHEMA_NAMES = [(source, schema) for source, schemas in SCHEMAS.items() for schema in schemas]
TABLES = 236
LARGE_TABLES = 20
LARGE_ROWS = 100_000
SMALL_ROWS = 200
QUIET_TICKS = 3


def refresh() -> JobDefinition:
    """The refresh of the project that the environment names."""
    return code_location(Settings.load()).resolve_job_def("refresh")


def main() -> None:
    """Print the seconds of the ingest steps of a full load, of quiet ticks and of one with 1 %."""
    with landed_project() as databases:
        full = tick()
        tick()
        quiet = statistics.median(tick() for _ in range(QUIET_TICKS))
        for url in databases:
            change_one_percent(url)
        changed = tick()
    print(f"{TABLES} tables in {len(SCHEMA_NAMES)} schemas, seconds in the ingest steps")
    print(f"{'full load':20}{full:8.2f}")
    print(f"{'nothing changed':20}{quiet:8.2f}{quiet / full:8.1%}")
    print(f"{'1 % of rows changed':20}{changed:8.2f}{changed / full:8.1%}")


def tick() -> float:
    """One refresh; the seconds that its ingest steps took."""
    with (
        DagsterInstance.get() as instance,
        execute_job(reconstructable(refresh), instance=instance) as result,
    ):
        if not result.success:
            raise SystemExit("a tick failed")
        return sum(
            step.end_time - step.start_time
            for step in instance.get_run_step_stats(result.run_id)
            if step.step_key.startswith("land_") and step.start_time and step.end_time
        )


@contextmanager
def landed_project() -> Iterator[list[str]]:
    """A project on fresh servers, in the environment of this process; its source databases."""
    folder = Path(tempfile.mkdtemp(prefix="heartbeat-tick-"))
    server = EmbeddedPostgres(folder / "pg")
    try:
        with server.running():
            (folder / "sources").mkdir()
            os.environ |= {
                "HEARTBEAT_PROJECT": str(folder),
                "HEARTBEAT_PLATFORM_METRICS": "off",
                "HEARTBEAT_HOME": str(folder / "home"),
                "HEARTBEAT_DATABASE_URL": server.url("marts"),
            }
            settings = Settings.load()
            prepare_databases(settings)
            write_dagster_home(settings)
            os.environ |= environment(settings)
            for source in SCHEMAS:
                make_source(folder / "sources", source, server.url(source.replace("-", "_")))
            yield [server.url(source.replace("-", "_")) for source in SCHEMAS]
    finally:
        shutil.rmtree(folder)


def make_source(folder: Path, name: str, url: str) -> None:
    """One source database with its share of the tables, its file and its catalog."""
    ensure_database(url)
    variable = f"SOURCE_{name.upper().replace('-', '_')}_URL"
    os.environ[variable] = url
    large = []
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(TABLES):
            source, schema = SCHEMA_NAMES[number % len(SCHEMA_NAMES)]
            if source != name:
                continue
            connection.execute(f"create schema if not exists {schema}".encode())
            is_large = number < LARGE_TABLES
            make_table(connection, f"{schema}.t{number}", LARGE_ROWS if is_large else SMALL_ROWS)
            if is_large:
                large.append(f"{schema}.t{number}")
    path = folder / f"{name}.yaml"
    path.write_text(
        f"kind: postgres\nconnection_env: {variable}\nschemas: [{', '.join(SCHEMAS[name])}]\n"
        "tables:\n"
        + "".join(f"  {table}: {{cursor: update_time, lag: 15 minutes}}\n" for table in large)
    )
    with source_session(name, parse_source_file(path)) as session:
        write_catalog(path.with_name(f"{name}.catalog.json"), session.catalog())


def make_table(connection: psycopg.Connection, name: str, rows: int) -> None:
    """Ten columns of the usual types."""
    connection.execute(
        f"create table {name} as select i as id, i % 600 as client_id,"
        " (random() * 10000)::numeric(18, 2) as amount, random()::numeric as fee,"
        " gen_random_uuid() as reference, 'EXECUTED' as state,"
        " jsonb_build_object('channel', 'web', 'n', i) as details,"
        " now() - i * interval '17 seconds' as create_time,"
        " now() - i * interval '16 seconds' as update_time,"
        f" current_date as booked_on from generate_series(1, {rows}) as i;"
        f"alter table {name} add primary key (id); create index on {name} (update_time);"
        f"analyze {name}".encode()
    )


def change_one_percent(url: str) -> None:
    """Update every hundredth row of the large tables, and one row of every hundredth table."""
    with psycopg.connect(url, autocommit=True) as connection:
        tables = connection.execute(
            "select schemaname || '.' || relname, n_live_tup from pg_stat_user_tables"
        ).fetchall()
        for table, rows in tables:
            if rows > SMALL_ROWS:
                connection.execute(
                    f"update {table} set state = 'REJECTED', update_time = now()"
                    " where id % 100 = 0".encode()
                )


if __name__ == "__main__":
    logging.disable(logging.ERROR)
    main()
