"""Puts the simulated bank on its two Postgres servers, or says that it is there."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from demo_bank import state
from demo_bank.databases import CLUSTER_A, CLUSTER_B, DDL, Cluster, Database
from demo_bank.incidents import Incidents
from demo_bank.simulation import Bank
from demo_bank.state import State
from demo_bank.writing import copy_table

SCHEMA_DRIFT = "I8"
MEMORY = Database(state.DATABASE, ())

Progress = Callable[[str, float, int], None]


class AlreadySeededError(Exception):
    """The server already holds a bank; drop its databases to start again."""


def seed(
    server_url: str,
    other_server_url: str | None = None,
    *,
    anchor: datetime,
    seed: int = 7,
    clients: int = 600,
    incidents: Incidents | None = None,
    breadth: int = 0,
    progress: Progress = lambda *_: None,
) -> Bank:
    """Create the databases of cluster A on the server of the first libpq URL, of B on the second.

    The bank has 200 days of business up to the anchor (aware), with every incident unless
    `incidents` says otherwise. `breadth` adds empty tables to `core` until it has that many.
    Databases are filled under another name and get their own names in one last transaction a
    server: what was killed before that leaves nothing that looks finished, and seeding again
    starts over. What B holds without A is left from another bank and replaced. `progress` hears
    table, tables done, tables in all.
    Raises AlreadySeededError where one of the databases of A exists.
    """
    present = _present(server_url)
    if present:
        raise AlreadySeededError(f"{' and '.join(present)} already exist on this server")
    bank = Bank(anchor=anchor, seed=seed, clients=clients)
    chosen = bank.default_incidents() if incidents is None else incidents
    servers = {CLUSTER_A: server_url}
    if other_server_url:
        servers[CLUSTER_B] = other_server_url
    for cluster, url in servers.items():
        _create(url, cluster)
    _fill(servers, bank, chosen, progress)
    for cluster, url in servers.items():
        for database in cluster.databases:
            with psycopg.connect(make_conninfo(url, dbname=database.unfinished)) as connection:
                _finish(connection, database, cluster, chosen, breadth)
    memory = make_conninfo(server_url, dbname=MEMORY.unfinished)
    with psycopg.connect(memory) as connection:
        state.create(connection, State(anchor, seed, clients, chosen, bank.anchor))
    for cluster, url in reversed(servers.items()):
        _name(url, cluster)
    return bank


def is_seeded(server_url: str) -> bool:
    """Whether a finished bank is on the server of that libpq URL."""
    return len(_present(server_url)) == len(_all(CLUSTER_A))


def _all(cluster: Cluster) -> Sequence[Database]:
    return (*cluster.databases, MEMORY) if cluster is CLUSTER_A else cluster.databases


def _present(server_url: str) -> list[str]:
    with psycopg.connect(server_url) as server:
        found = server.execute(
            "select datname from pg_database where datname = any(%s) order by datname",
            [[database.name for database in _all(CLUSTER_A)]],
        ).fetchall()
    return [name for (name,) in found]


def _create(server_url: str, cluster: Cluster) -> None:
    with psycopg.connect(server_url, autocommit=True) as server:
        _create_reader(server, cluster.reader)
        for database in _all(cluster):
            left = [database.unfinished, *([database.name] if cluster is CLUSTER_B else [])]
            for name in map(sql.Identifier, left):
                server.execute(sql.SQL("drop database if exists {} with (force)").format(name))
            create = sql.SQL("create database {} encoding 'UTF8' template template0")
            server.execute(create.format(sql.Identifier(database.unfinished)))
    for database in cluster.databases:
        with psycopg.connect(make_conninfo(server_url, dbname=database.unfinished)) as connection:
            connection.execute(database.ddl.read_bytes())


def _create_reader(server: psycopg.Connection[Any], reader: str) -> None:
    role = sql.Identifier(reader)
    if not server.execute("select 1 from pg_roles where rolname = %s", [reader]).fetchone():
        server.execute(sql.SQL("create role {} login").format(role))
    server.execute(
        sql.SQL(
            "alter role {} with login; alter role {} set default_transaction_read_only = on"
        ).format(role, role)
    )


def _fill(
    servers: dict[Cluster, str], bank: Bank, incidents: Incidents, progress: Progress
) -> None:
    addresses = {
        database.name: make_conninfo(url, dbname=database.unfinished)
        for cluster, url in servers.items()
        for database in cluster.databases
    }
    total = sum(1 for _ in bank.tables(np.datetime64(0, "ms"), incidents))
    with ExitStack() as stack:
        connections = {
            name: stack.enter_context(psycopg.connect(address))
            for name, address in addresses.items()
        }
        for done, (database, table) in enumerate(bank.tables(bank.anchor, incidents)):
            if database in connections:
                title = f"{database}: {table.schema}.{table.name}, rows: {len(table):,}"
                progress(title, done, total)
                copy_table(
                    connections[database],
                    table,
                    partial(_advance, progress, title, done, total),
                )
    progress("all tables", total, total)


def _advance(progress: Progress, title: str, done: int, total: int, share: float) -> None:
    progress(title, done + share, total)


def _finish(
    connection: psycopg.Connection[Any],
    database: Database,
    cluster: Cluster,
    incidents: Incidents,
    breadth: int,
) -> None:
    if database.name == "webbank":
        if breadth:
            connection.execute("select set_config('bank.breadth', %s, true)", [str(breadth)])
            connection.execute((DDL / "breadth.sql").read_bytes())
        if SCHEMA_DRIFT in incidents:
            connection.execute((DDL / "i8_on.sql").read_bytes())
    for schema in database.readable:
        grants = sql.SQL(
            "grant usage on schema {schema} to {reader};"
            " grant select on all tables in schema {schema} to {reader}"
        )
        names = {"schema": sql.Identifier(schema), "reader": sql.Identifier(cluster.reader)}
        connection.execute(grants.format(**names))
    connection.commit()
    connection.execute("analyze")


def _name(server_url: str, cluster: Cluster) -> None:
    with psycopg.connect(server_url) as server:
        for database in _all(cluster):
            rename = sql.SQL("alter database {} rename to {}")
            names = sql.Identifier(database.unfinished), sql.Identifier(database.name)
            server.execute(rename.format(*names))
        if cluster is CLUSTER_A:
            forbid = sql.SQL("revoke connect on database {} from public")
            server.execute(forbid.format(sql.Identifier(MEMORY.name)))
