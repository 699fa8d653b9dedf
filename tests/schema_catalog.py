"""What schema `heartbeat` of a database is, and what it holds, to compare two databases by."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

_CATALOG = Path(__file__).with_suffix(".sql")

Rows = Mapping[str, Counter[str]]
"""How often each row is there, as text of JSON with sorted keys, by table."""


def catalog(url: str) -> list[str]:
    """Tables, columns, constraints, indexes, functions, triggers, rights, comments, owners."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("select set_config('search_path', '', false)")
        return [line for (line,) in connection.execute(_CATALOG.read_bytes())]


def rows(
    url: str, schema: str = "heartbeat", within: Mapping[str, Sequence[str]] | None = None
) -> Rows:
    """Every row of every table, or of the tables and in the columns of `within` only."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set timezone = 'UTC'")
        tables = columns(url, schema) if within is None else within
        return {table: _rows(connection, schema, table, names) for table, names in tables.items()}


def columns(url: str, schema: str = "heartbeat") -> Mapping[str, Sequence[str]]:
    """The columns of every table, sorted."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(
            "select c.relname, array_agg(a.attname::text order by a.attname)"
            "  from pg_catalog.pg_class c"
            "  join pg_catalog.pg_attribute a on a.attrelid = c.oid"
            " where c.relnamespace = to_regnamespace(%s) and c.relkind in ('r', 'p')"
            "   and a.attnum > 0 and not a.attisdropped"
            " group by 1 order by 1",
            [schema],
        )
        return dict(found.fetchall())


def _rows(
    connection: psycopg.Connection[Any], schema: str, table: str, names: Sequence[str]
) -> Counter[str]:
    # jsonb sorts its keys, and a number in it is exact
    statement = sql.SQL("select to_jsonb(kept)::text from (select {} from {}) as kept").format(
        sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(schema, table)
    )
    return Counter(row for (row,) in connection.execute(statement))
