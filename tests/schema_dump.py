"""Dumps of the schema `heartbeat` as each version made it, for the tests of upgrades.

    python -m tests.schema_dump NAME [VERSIONS]

migrates a new database to the version that NAME begins with, puts rows into every table of it, and
writes tests/integration/schema_dumps/NAME.sql.gz. VERSIONS is the folder of the migrations, where
another one than that of the working tree is meant: that of a commit, for example, which

    git archive COMMIT heartbeat/schema/versions | tar -x -C FOLDER

lays out. Such a dump, of a migration that was changed afterwards, is called NNNN-COMMIT. A dump is
never made anew: it is what that version left in databases.
"""

import gzip
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy
from alembic import command
from alembic.config import Config
from psycopg import sql

import heartbeat.schema
from heartbeat.database import ensure_database
from heartbeat.embedded_postgres import PSQL, EmbeddedPostgres
from heartbeat.psycopg2_session import connect_psycopg2
from heartbeat.sql import platform_statements

DUMPS = Path(__file__).parent / "integration" / "schema_dumps"
_SCHEMA = Path(heartbeat.schema.__file__).parent
_ROWS = 2

_LANDED = """
create schema bank_core;
create table bank_core.payment (id bigint primary key, eur numeric, channel text);
create table bank_core.fee (id bigint primary key, eur numeric);
insert into bank_core.payment values (1, 2.50, 'card'), (2, 0.25, null);
insert into bank_core.fee values (1, 0.01);
comment on column bank_core.payment.channel is 'Not in the source any more; found so on 2026-01-02';
"""

# {n} is the number of the row
_BY_COLUMN: dict[str, Any] = {
    "metric_id": "metric_{n}",
    "code": "COD{n}",
    "period": "snapshot",
    "unit": "count",
    "direction": "lower_is_better",
    "kind": "threshold",
    "source_drift.kind": "gone",
    "status": "red",
    "verification_state": "verified",
    "write_mode": "merge",
    "watchlist": "risk-{n}",
    "windows": ["7d"],
    "window_key": "7d",
    "window_default": "7d",
    "reads": ["bank_core.payment"],
    "schema_name": "bank_core",
    "cuts": ["cut_1"],
    "cut_id": "cut_{n}",
    "metrics": ["metric_1"],
    "error": None,
    "client_segment_failure.error": "division by zero",
    "season": None,
    "benchmark_days": 30,
    "benchmark_weekday_means": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7],
    "amber_z": 2,
    "red_z": 3,
    "resume_after": None,
    "resume_since": None,
    "dropped_at": None,
    "subject": "metric metric_{n}",
    "field": "alert_value",
    "source_drift.column_name": "column_{n}",
}
_BY_TYPE: dict[str, Any] = {
    "text": "{column} {n}: ä € \\N '",
    "boolean": True,
    "date": "2026-01-0{n}",
    "timestamp with time zone": "2026-01-0{n} 09:12:13.123456+00",
    "numeric": "1234567890.1230{n}",
    "double precision": "0.1{n}",
    "integer": "{n}",
    "bigint": "900719925474099{n}",
    "bytea": b"\x00\xff\\",
    "json": '{{"b": {n}, "a": [1.10, null]}}',
    "jsonb": '{{"b": {n}, "a": [1.10, null]}}',
    "text[]": ["a", "b,{{}}", ""],
    "double precision[]": [0.5, 1.5],
}


def main(name: str, versions: str | None = None) -> None:
    """Write the dump of that name."""
    folder = Path(tempfile.mkdtemp(prefix="heartbeat-dump-"))
    server = EmbeddedPostgres(folder / "pg")
    with server.running():
        url = server.url("marts")
        ensure_database(url)
        _migrate(url, name[:4], versions)
        fill(url)
        dumped = subprocess.run(
            [
                *(PSQL.with_name("pg_dump"), "--no-owner", f"--dbname={url}"),
                *("--schema=heartbeat", "--schema=bank_core"),
            ],
            check=True,
            stdout=subprocess.PIPE,
        )
    shutil.rmtree(folder)
    DUMPS.mkdir(exist_ok=True)
    (DUMPS / f"{name}.sql.gz").write_bytes(gzip.compress(dumped.stdout, mtime=0))


def _migrate(url: str, version: str, versions: str | None) -> None:
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg2://",
        creator=lambda: connect_psycopg2(url),
        poolclass=sqlalchemy.NullPool,
    )
    with engine.begin() as connection:
        roles = platform_statements("logins")["roles"]
        connection.exec_driver_sql(roles, execution_options={"no_parameters": True})
        connection.exec_driver_sql("create schema heartbeat")
        config = Config()
        config.set_main_option("script_location", str(_SCHEMA))
        config.set_main_option("path_separator", "os")
        config.set_main_option("version_locations", versions or str(_SCHEMA / "versions"))
        config.attributes["connection"] = connection
        command.upgrade(config, version)


def fill(url: str) -> None:
    """Put rows into every table of schema `heartbeat`, and land two tables."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_LANDED.encode())
        tables = connection.execute(
            "select c.relname from pg_catalog.pg_class c"
            " where c.relnamespace = 'heartbeat'::regnamespace and c.relkind in ('r', 'p')"
            "   and c.relname <> 'schema_version'"
            # what refers to another table comes after it
            " order by exists (select from pg_catalog.pg_constraint k"
            "                   where k.conrelid = c.oid and k.contype = 'f'), c.relname"
        ).fetchall()
        for (table,) in tables:
            for n in range(1, _ROWS + 1):
                _insert(connection, table, n)


def _insert(connection: psycopg.Connection[Any], table: str, n: int) -> None:
    row = dict(_row(connection, table, n))
    if table == "metric_registry":
        _register(connection, row)
        return
    try:
        connection.execute(_insertion(table, row), row)
    except psycopg.errors.UniqueViolation:
        return  # a table of one row


def _register(connection: psycopg.Connection[Any], row: dict[str, Any]) -> None:
    """A row of the registry, each column by the role that may write it."""
    writers: dict[str, list[str]] = {}
    for column, writer in connection.execute(
        "select name, heartbeat.metric_registry_writer(name) from unnest(%s::text[]) as name",
        [list(row)],
    ):
        writers.setdefault(writer, []).append(column)
    own = {column: row[column] for column in writers.pop("heartbeat_sync")}
    with connection.transaction():
        connection.execute("set local role heartbeat_sync")
        connection.execute(_insertion("metric_registry", own), own)
    for writer, names in writers.items():
        changes = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in names
        )
        with connection.transaction():
            connection.execute(sql.SQL("set local role {}").format(sql.Identifier(writer)))
            connection.execute(
                sql.SQL("update heartbeat.metric_registry set {} where metric_id = {}").format(
                    changes, sql.Placeholder("metric_id")
                ),
                row,
            )


def _insertion(table: str, row: dict[str, Any]) -> sql.Composed:
    return sql.SQL("insert into {} ({}) values ({})").format(
        sql.Identifier("heartbeat", table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(map(sql.Placeholder, row)),
    )


def _row(connection: psycopg.Connection[Any], table: str, n: int) -> Iterator[tuple[str, Any]]:
    for column, kind in connection.execute(
        "select attname,"
        "       format_type(case when t.typtype = 'd' then t.typbasetype else t.oid end, null)"
        "  from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid"
        " where attrelid = %s::regclass and attnum > 0 and not attisdropped"
        "   and attidentity = '' and attgenerated = ''",
        [f"heartbeat.{table}"],
    ).fetchall():
        if column == "table_name":
            yield column, ("payment", "fee")[n - 1]
            continue
        named = _BY_COLUMN.get(f"{table}.{column}", _BY_COLUMN.get(column, _BY_TYPE.get(kind)))
        is_known = column in _BY_COLUMN or f"{table}.{column}" in _BY_COLUMN or kind in _BY_TYPE
        assert is_known, f"say what is written into {table}.{column}"
        yield column, named.format(n=n, column=column) if isinstance(named, str) else named


if __name__ == "__main__":
    main(*sys.argv[1:])
