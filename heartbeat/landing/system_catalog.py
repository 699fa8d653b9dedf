"""What the system catalog of a source says of its schemas, relations and columns."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import Connection, sql
from psycopg.rows import DictRow, dict_row

from heartbeat.landing.catalog import Column
from heartbeat.landing.inheritance import Descendant, descendants_by_table
from heartbeat.landing.landed_name import landed_name
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("reflection")
_KINDS = {"v": "view", "m": "materialized view", "f": "foreign table"}
_SIZE_PATIENCE = "200ms"

SourceName = tuple[str, str]
"""Schema and relation, as the source names them."""


@dataclass(frozen=True)
class Relation:
    """What holds rows, or shows them, under a name of its own; no partition."""

    row: DictRow
    columns: Sequence[Column]
    below: Sequence[Descendant]

    @property
    def name(self) -> SourceName:
        """Schema and relation."""
        return self.row["schema_name"], self.row["name"]

    @property
    def is_partitioned(self) -> bool:
        """Whether its rows are in its partitions."""
        return bool(self.row["kind"] == "p")

    @property
    def no_table(self) -> str | None:
        """What it is instead of a table that can land."""
        if kind := _KINDS.get(self.row["kind"]):
            return f"a {kind}"
        return None if self.columns else "a table without columns"


@dataclass(frozen=True)
class SystemCatalog:
    """All relations of the schemas that are landed; `closed` are schemas that cannot be read."""

    relations: Sequence[Relation]
    closed: Mapping[str, str]
    """Why, by schema."""


def read_system_catalog(connection: Connection[Any], schemas: Sequence[str]) -> SystemCatalog:
    """Four queries for any number of tables, none of which waits for a lock."""
    named = {"schemas": list(schemas)}
    cursor = connection.cursor(row_factory=dict_row)
    found = {row["name"]: row for row in cursor.execute(_STATEMENTS["schemas"], named)}
    columns = _columns_by_table(cursor.execute(_STATEMENTS["columns"], named))
    below = descendants_by_table(cursor.execute(_STATEMENTS["descendants"], named))
    relations = [
        Relation(row, columns.get(name, ()), below.get(name, ()))
        for row in cursor.execute(_STATEMENTS["relations"], named)
        if (name := (row["schema_name"], row["name"]))
    ]
    closed = {name: reason for name in schemas if (reason := _closed(name, found.get(name)))}
    return SystemCatalog(relations, closed)


def known_bytes(
    connection: Connection[Any], relation: Relation, *, with_children: bool
) -> int | None:
    """The size of a relation; None where it was never counted and is locked or gone."""
    row = relation.row
    counted = [row["bytes"], *([row["bytes_below"]] if with_children else [])]
    if None not in counted:
        return int(sum(counted))
    name = sql.Identifier(*relation.name).as_string(connection)
    try:
        # rolled back for the sake of the setting
        with connection.transaction(force_rollback=True):
            connection.execute("select set_config('lock_timeout', %s, true)", [_SIZE_PATIENCE])
            found = connection.execute(
                _STATEMENTS["size"], {"table": name, "with_children": with_children}
            ).fetchone()
    except (psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable):
        return None
    return int(found[0]) if found else None


def existing_parts(connection: Connection[Any], names: Sequence[SourceName]) -> set[SourceName]:
    """Those of the names that partitions have."""
    if not names:
        return set()
    asked = {"schemas": [schema for schema, _ in names], "names": [name for _, name in names]}
    return {(row[0], row[1]) for row in connection.execute(_STATEMENTS["parts"], asked)}


def _closed(name: str, row: DictRow | None) -> str | None:
    if row is None:
        return f"the source has no schema {name}, which the source file names"
    if not row["is_open"]:
        return f"the role {row['role']} may not use schema {name}; grant usage on it"
    return None


def _columns_by_table(rows: Iterable[DictRow]) -> Mapping[SourceName, list[Column]]:
    columns: dict[SourceName, list[Column]] = defaultdict(list)
    for row in rows:
        columns[row["schema_name"], row["table_name"]].append(
            Column(
                name=row["name"],
                landed_as=landed_name(row["name"]),
                source_type=row["source_type"],
                landed_type=row["landed_type"],
                nullable=row["nullable"],
                labels=tuple(row["labels"]),
            )
        )
    return columns
