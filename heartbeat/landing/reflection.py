"""What a source Postgres has: tables, columns, keys, and how each will be landed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
_LARGE_BYTES = 64 << 20
_naming = NamingConvention(max_length=_LONGEST_IDENTIFIER)


class NameCollisionError(HeartbeatError):
    """Two source names that become one name in marts."""


class UnusableOptionError(HeartbeatError):
    """The source file says something about a table that the table does not allow."""


class MissingTableError(HeartbeatError):
    """The catalog lists a table that the source no longer has."""


@dataclass(frozen=True)
class Reflection:
    """What the source has now, by source schema and landed name.

    `problems` says of single tables why they cannot be landed; the others can.
    """

    tables: Mapping[tuple[str, str], Table]
    problems: Mapping[tuple[str, str], HeartbeatError]
    bytes: Mapping[tuple[str, str], int]
    """Size of each table in the source, as its last vacuum or analyze counted it if one did."""

    def catalog(self) -> Catalog:
        """All tables; raises the first problem when there is one."""
        for problem in self.problems.values():
            raise problem
        return Catalog(tables=tuple(self.tables.values()))

    def lacks(self, schema_name: str, landed_table: str) -> bool:
        """Whether the source has no such table."""
        return (schema_name, landed_table) not in self.bytes

    def table(self, schema_name: str, landed_table: str) -> Table:
        """One table; raises what is wrong with it, a MissingTableError when it is not there."""
        landed_name = (schema_name, landed_table)
        if landed_name in self.problems:
            raise self.problems[landed_name]
        if landed_name not in self.tables:
            raise MissingTableError(
                f"the source no longer has the table that lands as {landed_table}; "
                "run `heartbeat source discover`"
            )
        return self.tables[landed_name]


def reflect(
    connection: Connection[Any], file: SourceFile, recorded: Catalog | None = None
) -> Reflection:
    """Read the catalog of the source database, two queries for any number of tables.

    Whether a table counts as large stays as `recorded` has it, so that its write mode does not
    change from load to load as it grows.
    """
    cursor = connection.cursor(row_factory=dict_row)
    schemas = {"schemas": list(file.schemas)}
    columns = _columns_by_table(cursor.execute(_STATEMENTS["columns"], schemas))
    names: dict[tuple[str, str], str] = {}
    tables: dict[tuple[str, str], Table] = {}
    problems = _options_of_missing_tables(file, columns.keys())
    sizes: dict[tuple[str, str], int] = {}
    for row in cursor.execute(_STATEMENTS["tables"], schemas).fetchall():
        schema_name, name = row["schema_name"], row["name"]
        if f"{schema_name}.{name}" in file.skip_tables:
            continue
        landed_name = (schema_name, _landed_table(name))
        try:
            _refuse_collision(
                schema_name, name, names.setdefault(landed_name, name), landed_name[1]
            )
            tables[landed_name] = _table(
                row, columns[schema_name, name], file, _is_large(row, landed_name, recorded)
            )
        except HeartbeatError as problem:
            problems[landed_name] = problem
        sizes[landed_name] = row["bytes"]
    return Reflection(tables, problems, sizes)


def _is_large(row: DictRow, landed_name: tuple[str, str], recorded: Catalog | None) -> bool:
    known = recorded.table(*landed_name) if recorded else None
    return known.write == "reconcile" if known else row["bytes"] > _LARGE_BYTES


def _landed_table(name: str) -> str:
    return str(_naming.normalize_table_identifier(name))


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


def _table(row: DictRow, columns: list[Column], file: SourceFile, is_large: bool) -> Table:
    qualified_name = f"{row['schema_name']}.{row['name']}"
    options = file.tables.get(qualified_name, TableOptions())
    _refuse_missing_columns(qualified_name, columns, file)
    _refuse_lag_of_a_number(qualified_name, columns, options)
    kept = [column for column in columns if column.name not in options.drop_columns]
    names: dict[str, str] = {}
    for column in kept:
        taken_by = names.setdefault(column.landed_as, column.name)
        _refuse_collision(qualified_name, column.name, taken_by, column.landed_as)
    key = tuple(row["primary_key"])
    write, reason = _write_mode(qualified_name, key, options, is_large)
    return Table(
        schema_name=row["schema_name"],
        name=row["name"],
        landed_as=_landed_table(row["name"]),
        columns=tuple(kept),
        primary_key=() if set(key) & set(options.drop_columns) else key,
        write=write,
        reason=reason,
    )


def _write_mode(
    qualified_name: str, key: tuple[str, ...], options: TableOptions, is_large: bool
) -> tuple[WriteMode, str]:
    has_key = key and not set(key) & set(options.drop_columns)
    if options.write in ("merge", "reconcile") and not has_key:
        raise UnusableOptionError(
            f"{qualified_name}: `write: {options.write}` needs a primary key, which the table lacks"
        )
    if options.write == "append" and not options.cursor:
        raise UnusableOptionError(
            f"{qualified_name}: `write: append` needs a `cursor` that only grows"
        )
    if options.write:
        return options.write, "the source file says so"
    if key and not has_key:
        return "replace", "its key is among drop_columns"
    if not key:
        return "replace", "has no key: every load reads and writes all rows"
    if options.cursor:
        return "merge", f"has a key, and {options.cursor} tells what changed"
    if is_large:
        return "reconcile", "has a key, no cursor, and is large: every load compares all rows"
    return "replace", "has a key and no cursor: every load reads all rows"


def _refuse_missing_columns(qualified_name: str, columns: list[Column], file: SourceFile) -> None:
    names = {column.name for column in columns}
    options = file.tables.get(qualified_name, TableOptions())
    indexed = {name for index in file.indexes.get(qualified_name, ()) for name in index}
    asked = {*options.drop_columns, *([options.cursor] if options.cursor else []), *indexed}
    if missing := sorted(asked - names):
        raise UnusableOptionError(
            f"{qualified_name}: the source file names column {missing[0]}, which the table lacks; "
            f"it has {', '.join(sorted(names))}"
        )


def _refuse_lag_of_a_number(
    qualified_name: str, columns: list[Column], options: TableOptions
) -> None:
    cursor = next((column for column in columns if column.name == options.cursor), None)
    if cursor and not cursor.is_temporal and options.lags:
        raise UnusableOptionError(
            f"{qualified_name}: `lag: {options.lag}` needs a cursor that is a date or timestamp; "
            f"{cursor.name} is {cursor.landed_type}"
        )


def _options_of_missing_tables(
    file: SourceFile, found: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], HeartbeatError]:
    landed = {f"{schema_name}.{name}" for schema_name, name in found} - {*file.skip_tables}
    return {
        (schema_name, _landed_table(name)): UnusableOptionError(
            f"the source file names table {schema_name}.{name}, "
            "which the source lacks or which is skipped"
        )
        for schema_name, name in (
            qualified_name.split(".")
            for qualified_name in sorted({*file.tables, *file.indexes} - landed)
        )
    }


def _refuse_collision(where: str, name: str, taken_by: str, landed_as: str) -> None:
    if name != taken_by:
        raise NameCollisionError(
            f"{where}: {taken_by!r} and {name!r} both land as {landed_as}; "
            "skip or drop one of them in the source file"
        )
