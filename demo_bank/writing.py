"""Writes rows of the bank into a source database, by COPY."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import psycopg
from psycopg import sql

from demo_bank.table import Changes, Table

ROWS_PER_CHUNK = 50_000
# COPY's csv has one null marker: a character that no value holds
NULL = "\x02"

Connection = psycopg.Connection[Any]


def copy_table(
    connection: Connection, table: Table, progress: Callable[[float], None] = lambda _: None
) -> None:
    """Append all rows; `progress` hears the share that is written."""
    name = sql.Identifier(table.schema, table.name)
    _copy(connection, name, table.frame, progress)


def write_changes(connection: Connection, table: Table, changed: Changes) -> None:
    """Insert or update what was written and delete what is gone; doing it twice changes nothing."""
    name = sql.Identifier(table.schema, table.name)
    if len(changed.deleted):
        _stage(connection, name, changed.deleted)
        connection.execute(
            sql.SQL("delete from {} t using incoming i where {}").format(
                name, _equal(table.key, "=")
            )
        )
    if len(changed.written):
        _stage(connection, name, changed.written)
        columns = list(changed.written.columns)
        insert = sql.SQL("insert into {} ({}) select {} from incoming i {}").format(
            name, _names(columns), _names(columns), _unless_there(table, name, columns)
        )
        connection.execute(insert)


def _unless_there(table: Table, name: sql.Identifier, columns: Sequence[str]) -> sql.Composable:
    if not table.key:
        there = sql.SQL("where not exists (select from {} t where {})")
        return there.format(name, _equal(columns, "is not distinct from"))
    assignments = sql.SQL(", ").join(
        sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column))
        for column in columns
        if column not in table.key
    )
    update = sql.SQL("on conflict ({}) do update set {}")
    return update.format(_names(table.key), assignments)


def _stage(connection: Connection, name: sql.Identifier, frame: pd.DataFrame) -> None:
    connection.execute("drop table if exists incoming")
    create = sql.SQL("create temp table incoming on commit drop as select {} from {} limit 0")
    connection.execute(create.format(_names(list(frame.columns)), name))
    _copy(connection, sql.Identifier("incoming"), frame, lambda _: None)


def _equal(columns: Sequence[str], comparison: str) -> sql.Composable:
    return sql.SQL(" and ").join(
        sql.SQL("t.{0} {1} i.{0}").format(sql.Identifier(column), sql.SQL(comparison))
        for column in columns
    )


def _names(columns: Sequence[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _copy(
    connection: Connection,
    name: sql.Identifier,
    frame: pd.DataFrame,
    progress: Callable[[float], None],
) -> None:
    statement = sql.SQL("copy {} ({}) from stdin with (format csv, null {})").format(
        name, _names(list(frame.columns)), sql.Literal(NULL)
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for first in range(0, len(frame), ROWS_PER_CHUNK):
            chunk = frame.iloc[first : first + ROWS_PER_CHUNK]
            copy.write(chunk.to_csv(index=False, header=False, na_rep=NULL).encode())
            progress(min(1.0, (first + ROWS_PER_CHUNK) / len(frame)))
