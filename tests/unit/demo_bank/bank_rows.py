"""What the servers of a bank hold, in a form that two banks can be compared by."""

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from demo_bank.databases import CLUSTER_A

BASE_TABLES = """
    select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition
    and n.nspname not in ('pg_catalog', 'information_schema') order by 1, 2
"""

_DATABASES = (*(database.name for database in CLUSTER_A.databases), "simulation")


def checksums(server_url: str, *, without: str = "") -> dict[str, tuple[int, str]]:
    """Number of rows and their hash, by database and table; one column may be left out."""
    found: dict[str, tuple[int, str]] = {}
    for database in CLUSTER_A.databases:
        with psycopg.connect(make_conninfo(server_url, dbname=database.name)) as connection:
            for schema, table in connection.execute(BASE_TABLES).fetchall():
                query = sql.SQL(
                    "select count(*), md5(coalesce(string_agg(r, '|' order by r), '')) from"
                    " (select (to_jsonb(t) - {})::text as r from {} t) rows"
                ).format(sql.Literal(without), sql.Identifier(schema, table))
                found[f"{database.name}.{schema}.{table}"] = connection.execute(query).fetchall()[0]
    return found


def forget_everything(server_url: str) -> None:
    """Drop every database of cluster A and the bank's memory, finished or not."""
    with psycopg.connect(server_url, autocommit=True) as server:
        for name in _DATABASES:
            for each in (name, f"{name}-seeding"):
                drop = sql.SQL("drop database if exists {} with (force)")
                server.execute(drop.format(sql.Identifier(each)))


def keep(server_url: str) -> None:
    """Set the bank of a server aside: from now on there is none, but it can be had back."""
    with psycopg.connect(server_url, autocommit=True) as server:
        for name in _DATABASES:
            rename = sql.SQL("alter database {} rename to {}")
            server.execute(rename.format(sql.Identifier(name), sql.Identifier(f"{name}-kept")))


def have_back(server_url: str) -> None:
    """Bring the bank that was kept, as it was then: far sooner than seeding it anew."""
    with psycopg.connect(server_url, autocommit=True) as server:
        for name in _DATABASES:
            create = sql.SQL("create database {} template {} strategy file_copy")
            server.execute(create.format(sql.Identifier(name), sql.Identifier(f"{name}-kept")))
