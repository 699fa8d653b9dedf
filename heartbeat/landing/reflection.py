"""What a source Postgres has: tables, columns, keys, and how each will be landed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from dlt.common.normalizers.naming.snake_case import NamingConvention
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from heartbeat.errors import HeartbeatError
from heartbeat.landing.catalog import Catalog, Column, Table, WriteMode
from heartbeat.source import SourceFile, TableOptions
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("reflection")
_LONGEST_IDENTIFIER = 63
_naming = NamingConvention(max_length=_LONGEST_IDENTIFIER)


class NameCollisionError(HeartbeatError):
    """Two source names that become one name in marts."""


class UnusableOptionError(HeartbeatError):
    """The source file says something about a table that the table does not allow."""


def reflect(connection: Connection[Any], file: SourceFile) -> Catalog:
    """Read the catalog of the source database, two queries for any number of tables.

    Raises NameCollisionError, and UnusableOptionError for an option that names what is not there.
    """
    cursor = connection.cursor(row_factory=dict_row)
    schemas = {"schemas": list(file.schemas)}
    columns = _columns_by_table(cursor.execute(_STATEMENTS["columns"], schemas))
    tables = [
        _table(row, columns[row["schema_name"], row["name"]], file)
        for row in cursor.execute(_STATEMENTS["tables"], schemas).fetchall()
        if f"{row['schema_name']}.{row['name']}" not in file.skip_tables
    ]
    _refuse_options_for_missing_tables(file, tables)
    for schema_name in file.schemas:
        _refuse_collisions(schema_name, [t for t in tables if t.schema_name == schema_name])
    return Catalog(tables=tuple(tables))


def _columns_by_table(rows: Iterable[DictRow]) -> Mapping[tuple[str, str], list[Column]]:
    columns: dict[tuple[str, str], list[Column]] = defaultdict(list)
    for row in rows:
        columns[row["schema_name"], row["table_name"]].append(
            Column(
                name=row["name"],
                landed_as=_naming.normalize_identifier(row["name"]),
                source_type=row["source_type"],
                landed_type=row["landed_type"],
                nullable=row["nullable"],
            )
        )
    return columns


def _table(row: DictRow, columns: list[Column], file: SourceFile) -> Table:
    qualified_name = f"{row['schema_name']}.{row['name']}"
    options = file.tables.get(qualified_name, TableOptions())
    _refuse_missing_columns(qualified_name, columns, options)
    kept = [column for column in columns if column.name not in options.drop_columns]
    _refuse_collisions(qualified_name, kept)
    key = tuple(row["primary_key"])
    write, reason = _write_mode(qualified_name, key, options)
    return Table(
        schema_name=row["schema_name"],
        name=row["name"],
        landed_as=_naming.normalize_table_identifier(row["name"]),
        columns=tuple(kept),
        primary_key=key,
        write=write,
        reason=reason,
    )


def _write_mode(
    qualified_name: str, key: tuple[str, ...], options: TableOptions
) -> tuple[WriteMode, str]:
    if options.write == "merge" and not key:
        raise UnusableOptionError(
            f"{qualified_name}: `write: merge` needs a primary key, which the table lacks"
        )
    if set(key) & set(options.drop_columns):
        return "replace", "its key is among drop_columns"
    if options.write:
        return options.write, "the source file says so"
    if key and options.cursor:
        return "merge", f"has a key, and {options.cursor} tells what changed"
    if key:
        return "replace", "has a key and no cursor: every load reads all rows"
    return "replace", "has no key: every load reads all rows"


def _refuse_missing_columns(
    qualified_name: str, columns: list[Column], options: TableOptions
) -> None:
    names = {column.name for column in columns}
    asked = {*options.drop_columns, *([options.cursor] if options.cursor else [])}
    if missing := sorted(asked - names):
        raise UnusableOptionError(
            f"{qualified_name}: the source file names column {missing[0]}, which the table lacks; "
            f"it has {', '.join(sorted(names))}"
        )


def _refuse_options_for_missing_tables(file: SourceFile, tables: list[Table]) -> None:
    names = {table.qualified_name for table in tables}
    if missing := sorted({*file.tables, *file.indexes} - names):
        raise UnusableOptionError(
            f"the source file names table {missing[0]}, which the source lacks or which is skipped"
        )


def _refuse_collisions(where: str, named: Iterable[Table | Column]) -> None:
    taken: dict[str, str] = {}
    for item in named:
        other = taken.setdefault(item.landed_as, item.name)
        if other != item.name:
            raise NameCollisionError(
                f"{where}: {other!r} and {item.name!r} both land as {item.landed_as}; "
                "skip or drop one of them in the source file"
            )
