"""The table in marts that a source table lands in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import Connection, sql

from heartbeat.errors import HeartbeatError
from heartbeat.landing.catalog import Table
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("landed_table")


class TypeChangeError(HeartbeatError):
    """A column has another type in the source now, and the landed column cannot follow."""


class KeyChangeError(HeartbeatError):
    """The table has another key in the source now, so the landed rows have no known identity."""


@dataclass(frozen=True)
class LandedTable:
    """One table of a landed schema, by an autocommit connection to marts."""

    connection: Connection[Any]
    schema_name: str
    table: Table

    @property
    def identifier(self) -> sql.Identifier:
        """Its quoted name."""
        return sql.Identifier(self.schema_name, self.table.landed_as)

    def watermark(self, landed_cursor: str) -> str | None:
        """The greatest landed cursor; None when every row of the source must be read.

        That is so for a table that never landed, and for one that lacks a column of the source:
        only a full read fills the new column of the rows that are there.
        """
        columns = sql.SQL(", ").join(sql.Identifier(c.landed_as) for c in self.table.columns)
        query = sql.SQL("select max({})::text from (select {} from {}) as landed").format(
            sql.Identifier(landed_cursor), columns, self.identifier
        )
        try:
            row = self.connection.execute(query).fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
            return None
        return row[0] if row else None

    def refuse_changed_key(self) -> None:
        """Raise KeyChangeError when the key of the landed rows is not the source's key of now."""
        key = self.table.landed_key
        for landed_key, is_unique in self._indexes():
            if is_unique and landed_key != key:
                raise KeyChangeError(
                    f"the key is {', '.join(key) or 'no key'} in the source now and "
                    f"{', '.join(landed_key)} in marts; {self._drop_it}"
                )

    def follow_types(self) -> bool:
        """Give landed columns the types that the source has now; says whether any changed.

        Raises TypeChangeError for values that have no equal in the new type, and for a column that
        a view reads.
        """
        wanted = {column.landed_as: column.landed_type for column in self.table.columns}
        found = self.connection.execute(_STATEMENTS["column_types"], self._name).fetchall()
        changed = [
            (name, landed_type)
            for name, landed_type in found
            if wanted.get(name, landed_type) != landed_type
        ]
        for name, landed_type in changed:
            self._change_type(name, landed_type, wanted[name])
        return bool(changed)

    def drop_staging(self) -> None:
        """Drop what an earlier load filled, so that dlt makes it anew as the source is now."""
        staging = sql.Identifier(f"{self.schema_name}_staging", self.table.landed_as)
        self.connection.execute(sql.SQL("drop table if exists {}").format(staging))

    def ensure_indexes(self, declared: Sequence[Sequence[str]]) -> None:
        """Make the unique index of the key and the declared indexes, given by source columns."""
        landed = {column.name: column.landed_as for column in self.table.columns}
        wanted = [(tuple(landed[name] for name in names), False) for names in declared]
        if self.table.landed_key:
            wanted.append((self.table.landed_key, True))
        found = self._indexes()
        for columns, is_unique in wanted:
            if (columns, is_unique) not in found:
                self._create_index(columns, "unique index" if is_unique else "index")

    def analyze(self) -> int:
        """Bring the planner's statistics up to date; returns the number of rows."""
        self.connection.execute(sql.SQL("analyze {}").format(self.identifier))
        count = sql.SQL("select count(*) from {}").format(self.identifier)
        row = self.connection.execute(count).fetchone()
        assert row is not None
        return int(row[0])

    @property
    def _name(self) -> dict[str, str]:
        return {"schema_name": self.schema_name, "table_name": self.table.landed_as}

    @property
    def _drop_it(self) -> str:
        return f"drop {self.schema_name}.{self.table.landed_as} in marts to land it afresh"

    def _indexes(self) -> set[tuple[tuple[str, ...], bool]]:
        rows = self.connection.execute(_STATEMENTS["indexes"], self._name).fetchall()
        return {(tuple(columns), is_unique) for columns, is_unique in rows}

    def _change_type(self, name: str, old: str, new: str) -> None:
        statement = sql.SQL("alter table {} alter column {} type {new} using {}::{new}").format(
            self.identifier,
            sql.Identifier(name),
            sql.Identifier(name),
            new=sql.SQL(new),
        )
        try:
            self.connection.execute(statement)
        except psycopg.Error as error:
            raise TypeChangeError(
                f"column {name} is {new} in the source now and {old} in marts, which cannot "
                f"follow: {error.diag.message_primary}; {self._drop_it}"
            ) from error

    def _create_index(self, columns: Sequence[str], kind: str) -> None:
        self.connection.execute(
            sql.SQL("create {} on {} ({})").format(
                sql.SQL(kind), self.identifier, sql.SQL(", ").join(map(sql.Identifier, columns))
            )
        )
