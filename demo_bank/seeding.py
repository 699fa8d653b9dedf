"""Puts the simulated bank on a Postgres server, or says that it is there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from demo_bank.simulation import simulate
from demo_bank.table import Table

READER = "heartbeat_reader_a"
DDL = Path(__file__).parent / "ddl"


class AlreadySeededError(Exception):
    """The server already holds a bank; drop its databases to start again."""


@dataclass(frozen=True)
class _Database:
    name: str
    ddl: str
    readable: tuple[str, ...]

    @property
    def unfinished(self) -> str:
        return f"{self.name}-seeding"


WEBBANK = _Database("webbank", "webbank.sql", ("core", "dict"))
CURRENCY_RATE = _Database("currency-rate", "currency_rate.sql", ("rate",))
DATABASES = (WEBBANK, CURRENCY_RATE)


def seed(
    server_url: str,
    *,
    anchor: datetime,
    seed: int = 7,
    clients: int = 300,
    progress: Callable[[str], None],
) -> None:
    """Create `webbank` and `currency-rate` on the server of that libpq URL and fill them.

    The bank has 120 days of business up to the anchor (aware). Databases are filled under another
    name and get their own names in one last transaction: what was killed before that leaves
    nothing that looks finished, and seeding again starts over. `progress` gets one line a table.
    Raises AlreadySeededError where one of the two databases exists.
    """
    present = _present(server_url)
    if present:
        raise AlreadySeededError(f"{' and '.join(present)} already exist on this server")
    bank = simulate(anchor=anchor, seed=seed, clients=clients)
    with psycopg.connect(server_url, autocommit=True) as server:
        _create_reader(server)
        for database in DATABASES:
            _create_afresh(server, database)
    _fill(server_url, WEBBANK, bank.webbank, progress)
    _fill(server_url, CURRENCY_RATE, bank.currency_rate, progress)
    with psycopg.connect(server_url) as server:
        for database in DATABASES:
            rename = sql.SQL("alter database {} rename to {}")
            names = sql.Identifier(database.unfinished), sql.Identifier(database.name)
            server.execute(rename.format(*names))
    progress(f"the bank is ready, as of {bank.anchor.isoformat(timespec='seconds')} UTC")


def source_urls(server_url: str) -> dict[str, str]:
    """The read-only URL of each database, by the variable that its source file names."""
    server = urlsplit(server_url)
    address = server.netloc.rpartition("@")[2]
    reader = server._replace(netloc=f"{READER}:x@{address}")
    return {
        f"SOURCE_{database.name.replace('-', '_').upper()}_URL": reader._replace(
            path=f"/{database.name}"
        ).geturl()
        for database in DATABASES
    }


def is_seeded(server_url: str) -> bool:
    """Whether a finished bank is on the server of that libpq URL."""
    return len(_present(server_url)) == len(DATABASES)


def _present(server_url: str) -> list[str]:
    with psycopg.connect(server_url) as server:
        found = server.execute(
            "select datname from pg_database where datname = any(%s) order by datname desc",
            [[database.name for database in DATABASES]],
        ).fetchall()
    return [name for (name,) in found]


def _create_reader(server: psycopg.Connection) -> None:
    role = sql.Identifier(READER)
    if not server.execute("select 1 from pg_roles where rolname = %s", [READER]).fetchone():
        server.execute(sql.SQL("create role {} login").format(role))
    server.execute(sql.SQL("alter role {} set default_transaction_read_only = on").format(role))


def _create_afresh(server: psycopg.Connection, database: _Database) -> None:
    unfinished = sql.Identifier(database.unfinished)
    server.execute(sql.SQL("drop database if exists {} with (force)").format(unfinished))
    server.execute(
        sql.SQL("create database {} encoding 'UTF8' template template0").format(unfinished)
    )


def _fill(
    server_url: str, database: _Database, tables: Sequence[Table], progress: Callable[[str], None]
) -> None:
    url = make_conninfo(server_url, dbname=database.unfinished)
    with psycopg.connect(url) as connection:
        connection.execute((DDL / database.ddl).read_bytes())
        for table in tables:
            _copy(connection, table)
            progress(f"{database.name}: {table.schema}.{table.name}, {len(table):,} rows")
        for schema in database.readable:
            _grant_reading(connection, schema)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("analyze")


def _copy(connection: psycopg.Connection, table: Table) -> None:
    statement = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(table.schema, table.name),
        sql.SQL(", ").join(map(sql.Identifier, table.columns)),
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in table.rows:
            copy.write_row(row)


def _grant_reading(connection: psycopg.Connection, schema: str) -> None:
    grants = sql.SQL(
        "grant usage on schema {schema} to {reader};"
        " grant select on all tables in schema {schema} to {reader}"
    )
    connection.execute(grants.format(schema=sql.Identifier(schema), reader=sql.Identifier(READER)))
