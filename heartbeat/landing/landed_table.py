"""The table in marts that a source table lands in."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import Connection, sql
from psycopg.rows import dict_row

from heartbeat.errors import HeartbeatError
from heartbeat.landing.catalog import Column, Table
from heartbeat.landing.copy_file import CopyFile
from heartbeat.landing.table_state import TableState
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("landed_table")
_GONE = "Not in the source any more; found so on"
_ANALYZED_SHARE = 0.1
_WIDER = {
    "smallint": ("integer", "bigint"),
    "integer": ("bigint",),
    "character varying": ("text",),
}
_SIZED = re.compile(r"(?P<name>character varying|numeric)\((?P<size>\d+)(?:,(?P<scale>-?\d+))?\)")


class ShapeChangeError(HeartbeatError):
    """A column or the key is another one in the source now, and marts cannot follow."""

    def __init__(self, differences: str, reason: str) -> None:
        super().__init__(f"{differences}, which cannot follow: {reason}")


@dataclass(frozen=True)
class LandedColumn:
    """One column as it is in marts."""

    type: str
    comment: str | None


@dataclass(frozen=True)
class LandedIndex:
    """One index on plain columns and all rows."""

    columns: tuple[str, ...]
    unique: bool


@dataclass(frozen=True)
class LastLoad:
    """What the ledger says of a table."""

    polled_at: str | None
    digest: str | None
    columns: Mapping[str, str]
    row_count: int | None
    resume_after: tuple[str, ...] | None
    resume_since: str | None
    source_state: TableState | None
    """Of a first load that is there in part, what the source was at its first range."""


_NEVER = LastLoad(None, None, {}, None, None, None, None)


@dataclass(frozen=True)
class LandedTable:
    """A table of a landed schema as it was when the schema was read; without columns, not there."""

    schema_name: str
    name: str
    columns: Mapping[str, LandedColumn] = field(default_factory=dict)
    indexes: Mapping[str, LandedIndex] = field(default_factory=dict)
    file_node: int | None = None
    modified_rows: int = 0
    """Since the planner's statistics were last brought up to date."""
    last: LastLoad = _NEVER

    @property
    def identifier(self) -> sql.Identifier:
        """Its quoted name."""
        return sql.Identifier(self.schema_name, self.name)

    @property
    def is_complete(self) -> bool:
        """Whether it is there and has landed as a whole at least once."""
        is_part = self.last.resume_after is not None
        return bool(self.columns) and self.last.polled_at is not None and not is_part

    def holds(self, file: CopyFile) -> bool:
        """Whether the last load wrote what the file would write, and the table is that one still.

        A table that someone dropped or truncated since is another one.
        """
        return self.is_complete and self.last.digest == self.digest(file)

    def digest(self, file: CopyFile) -> str:
        """What the ledger keeps of a file once it is written."""
        return f"{file.digest}:{self.file_node}"

    def is_of(self, table: Table, state: TableState) -> bool:
        """Whether its rows were read from what the source table is now, or it is not known."""
        earlier = self.last.source_state
        names = (column.name for column in table.columns)
        return earlier is None or state.continues(earlier, names)

    def has_values_of(self, table: Table) -> bool:
        """Whether its rows have a value of each column of the source, in the source's type."""
        wanted = {column.landed_as: column.landed_type for column in table.columns}
        return all(
            name in self.columns and widens(self.last.columns.get(name, ""), type_)
            for name, type_ in wanted.items()
        )

    def has_key_of(self, table: Table) -> bool:
        """Whether it has a unique index on the key of the source, and none on anything else.

        Until then its rows may have a key twice, so only all rows anew can be given the index.
        """
        keys = {index.columns for index in self.indexes.values() if index.unique}
        return keys == ({table.landed_key} if table.landed_key else set())

    def reshaping(self, table: Table) -> tuple[str, ...]:
        """SQL that gives the table, while it has no row, the types and the key of the source."""
        alterations = [
            sql.SQL("alter column {} type {} using null").format(
                sql.Identifier(column.landed_as), sql.SQL(column.landed_type)
            )
            for column in self._changed(table)
        ]
        statements = [
            sql.SQL("drop index {}").format(sql.Identifier(self.schema_name, name))
            for name, index in self.indexes.items()
            if index.unique and index.columns != table.landed_key
        ]
        if alterations:
            statements.append(
                sql.SQL("alter table {} {}").format(
                    self.identifier, sql.SQL(", ").join(alterations)
                )
            )
        return tuple(statement.as_string() for statement in statements)

    def differences(self, table: Table) -> str:
        """What reshaping changes, for people; empty where it changes nothing."""
        sentences = [
            f"column {column.landed_as} is {column.landed_type} in the source now and "
            f"{self.columns[column.landed_as].type} in marts"
            for column in self._changed(table)
        ]
        sentences += [
            f"the key is {', '.join(table.landed_key) or 'no key'} in the source now and "
            f"{', '.join(index.columns)} in marts"
            for index in self.indexes.values()
            if index.unique and index.columns != table.landed_key
        ]
        return ", ".join(sentences)

    def widen(self, connection: Connection[Any], table: Table) -> None:
        """Give columns that were only widened in the source their new type, values as they are.

        Raises ShapeChangeError for a column that something in marts, such as a view, holds on to.
        """
        for column in self._changed(table):
            landed_type = self.columns[column.landed_as].type
            if not widens(landed_type, column.landed_type):
                continue
            statement = sql.SQL("alter table {} alter column {} type {}").format(
                self.identifier, sql.Identifier(column.landed_as), sql.SQL(column.landed_type)
            )
            try:
                connection.execute(statement)
            except psycopg.errors.LockNotAvailable:
                raise
            except psycopg.Error as error:
                raise ShapeChangeError(self.differences(table), str(error)) from error

    def ensure_indexes(
        self, connection: Connection[Any], table: Table, declared: Sequence[Sequence[str]]
    ) -> None:
        """Make the unique index of the key and the declared indexes, given by source columns.

        Building one keeps writers out and lets readers in.
        """
        landed = {column.name: column.landed_as for column in table.columns}
        wanted = [LandedIndex(tuple(landed[name] for name in names), False) for names in declared]
        if table.landed_key:
            wanted.append(LandedIndex(table.landed_key, unique=True))
        for index in dict.fromkeys(wanted):
            if index not in self.indexes.values():
                connection.execute(
                    sql.SQL("create {} on {} ({})").format(
                        sql.SQL("unique index" if index.unique else "index"),
                        self.identifier,
                        sql.SQL(", ").join(map(sql.Identifier, index.columns)),
                    )
                )

    def mark_gone(self, connection: Connection[Any], table: Table) -> None:
        """Comment the columns that the source lacks, and uncomment those that came back."""
        wanted = {column.landed_as for column in table.columns}
        for name, column in self.columns.items():
            is_marked = (column.comment or "").startswith(_GONE)
            if is_marked == (name not in wanted):
                continue
            comment = f"{_GONE} {datetime.now(UTC):%Y-%m-%d}" if not is_marked else None
            connection.execute(
                sql.SQL("comment on column {} is {}").format(
                    sql.Identifier(self.schema_name, self.name, name), sql.Literal(comment)
                )
            )

    def count_rows(self, connection: Connection[Any]) -> int:
        """The number of rows."""
        row = connection.execute(
            sql.SQL("select count(*) from {}").format(self.identifier)
        ).fetchone()
        assert row is not None
        return int(row[0])

    def analyze(self, connection: Connection[Any], rows: int) -> None:
        """Bring the planner's statistics up to date once enough of the rows are new to it."""
        if self.modified_rows > rows * _ANALYZED_SHARE:
            connection.execute(sql.SQL("analyze {}").format(self.identifier))

    def _changed(self, table: Table) -> list[Column]:
        return [
            column
            for column in table.columns
            if column.landed_as in self.columns
            and self.columns[column.landed_as].type != column.landed_type
        ]


def read_landed_tables(connection: Connection[Any], schema_name: str) -> dict[str, LandedTable]:
    """The tables of a landed schema, one query for all."""
    cursor = connection.cursor(row_factory=dict_row)
    rows = cursor.execute(_STATEMENTS["tables"], {"schema_name": schema_name})
    return {
        row["table_name"]: LandedTable(
            schema_name,
            row["table_name"],
            {name: LandedColumn(**column) for name, column in (row["columns"] or {}).items()},
            {
                name: LandedIndex(tuple(index["columns"]), index["unique"])
                for name, index in (row["indexes"] or {}).items()
            },
            row["file_node"],
            row["modified_rows"],
            _last_load(row["load"]),
        )
        for row in rows
    }


def _last_load(load: Mapping[str, Any] | None) -> LastLoad:
    if load is None:
        return _NEVER
    after = load["resume_after"]
    return LastLoad(
        polled_at=load["polled_at"],
        digest=load["digest"],
        columns=load["columns"] or {},
        row_count=load["row_count"],
        resume_after=tuple(after) if after else None,
        resume_since=load["resume_since"],
        source_state=TableState.of(load["source_state"]),
    )


def widens(old: str, new: str) -> bool:
    """Whether every value of the old type is the same value, with the same text, in the new one."""
    if old == new or new in _WIDER.get(old, ()):
        return True
    before, after = _SIZED.fullmatch(old), _SIZED.fullmatch(new)
    if before is None:
        return False
    if after is None:
        return new == before["name"] or new in _WIDER.get(before["name"], ())
    return (
        before["name"] == after["name"]
        and before["scale"] == after["scale"]
        and int(before["size"]) <= int(after["size"])
    )
