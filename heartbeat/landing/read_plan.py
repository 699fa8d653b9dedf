"""Which rows of a source table a load reads, and how it writes them."""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from heartbeat.landing.catalog import Column, Table
from heartbeat.landing.copy_file import CursorRange, WriteOrder
from heartbeat.landing.cursor import has_come, less_lag
from heartbeat.landing.landed_table import LandedTable
from heartbeat.landing.table_state import TableState
from heartbeat.source import TableOptions


@dataclass(frozen=True)
class ReadPlan:
    """One load of one table."""

    order: WriteOrder
    past: CursorRange | None = None
    """In the source; None reads all rows."""
    compares: bool = False
    """Whether only rows that differ by key and hash are read."""
    repairs: bool = False
    """Whether rows are written although the last load wrote the same."""


def plan_read(
    table: Table,
    options: TableOptions,
    landed: LandedTable,
    state: TableState,
    connection: Connection[Any],
    *,
    in_ranges: bool,
    reconcile: bool,
) -> ReadPlan:
    """The load that makes the landed rows equal to the source's.

    Where it is not certain that every landed row has the value of every column, as at the first
    load, with a new column, or with another type or key, all rows are read and replace the others.
    After a first load `in_ranges` what changed since its start is read. With `reconcile` nothing
    that the landing remembers is trusted; nor is a cursor where the source table is another one
    than the landed rows were read from, or a column of it.
    """
    columns = tuple((column.landed_as, column.landed_type) for column in table.columns)
    everything = ReadPlan(
        WriteOrder("replace", columns, table.landed_key, reshaping=landed.reshaping(table)),
        # rows that are to get an index must be those of the source, whatever was written last
        repairs=reconcile or not landed.has_key_of(table),
    )
    if not (landed.is_complete or in_ranges) or table.write == "replace":
        return everything
    if not (landed.has_values_of(table) and landed.has_key_of(table)):
        return everything
    is_another = not landed.is_of(table, state)
    if table.write == "reconcile" or (table.write == "merge" and (reconcile or is_another)):
        return ReadPlan(WriteOrder("merge", columns, table.landed_key), compares=True)
    if is_another:
        return everything
    assert options.cursor is not None
    cursor = table.column(options.cursor)
    if in_ranges:
        after = landed.last.resume_since
    else:
        after = _watermark(connection, landed, cursor, options)
    if after is None:
        return everything
    past = CursorRange(cursor.name, cursor.landed_type, after, None)
    if table.write == "merge":
        return ReadPlan(WriteOrder("merge", columns, table.landed_key), past)
    replaced = CursorRange(cursor.landed_as, cursor.landed_type, after, None)
    return ReadPlan(WriteOrder("range", columns, replaced=replaced), past)


def _watermark(
    connection: Connection[Any], landed: LandedTable, cursor: Column, options: TableOptions
) -> str | None:
    """The cursor from which to read; None when no landed row has one that has come to pass.

    A cursor in the future, infinity and NaN among them, must not hide rows that change till then.
    """
    name = sql.Identifier(cursor.landed_as)
    greatest = sql.SQL("max({})").format(name)
    query = sql.SQL("select {}::text from {} where {}").format(
        less_lag(greatest, cursor, options),
        landed.identifier,
        has_come(cursor, name),
    )
    row = connection.execute(query).fetchone()
    return row[0] if row else None
