"""One transaction that writes the rows of a COPY file into their landed table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, LiteralString, Protocol

from psycopg import sql

from heartbeat.landing.copy_file import CursorRange, Section, WriteOrder, read_order
from heartbeat.landing.cursor import is_beyond_time

COPY_OPTIONS = sql.SQL("(format binary)")
"""How rows are written to and read from a COPY file: exact, and half as costly as text."""

_BUFFER_BYTES = 1 << 20
_STAGED = sql.Identifier("heartbeat_staged")
_DELETED = sql.Identifier("heartbeat_deleted")


class CopyCursor(Protocol):
    """A cursor of the driver that dlt brings along, inside a transaction."""

    rowcount: int
    """Of the last statement."""

    def execute(self, query: str) -> Any:
        """Run one statement."""

    def copy_expert(self, query: str, file: Any, size: int) -> Any:
        """Run a COPY that reads from a file."""

    def fetchone(self) -> Any:
        """The next row."""


@dataclass(frozen=True)
class LandedWrite:
    """The write of one file; readers see the rows from before until its transaction commits.

    Writing the same file twice gives the same rows as writing it once.
    """

    cursor: CopyCursor
    name: tuple[str, str]
    """Schema and table in marts."""
    file: BinaryIO

    @property
    def table(self) -> sql.Identifier:
        """Its quoted name."""
        return sql.Identifier(*self.name)

    def run(self) -> None:
        """Write the whole file, and keep the ledger's number of rows right."""
        order = read_order(self.file)
        deleted = Section(self.file, order.deleted_bytes)
        if order.replaced is not None:
            self._run("delete from {table} where {range}", range=in_range(order.replaced))
            removed = self.cursor.rowcount
            self._count("row_count + {}", self._copy(self.table, order.names, self.file) - removed)
        elif self._is_empty():
            self._skip(deleted)
            self._reshape(order)
            self._count("{}", self._copy(self.table, order.names, self.file))
        elif order.how == "replace":
            self._stage(order)
            self._run("truncate {table}")
            self._reshape(order)
            self._run("insert into {table} ({names}) select * from {staged}", order)
            self._count("{}", self.cursor.rowcount)
        else:
            removed = self._delete(order, deleted)
            self._stage(order)
            self._count("row_count + {}", self._upsert(order) - removed)

    def _count(self, expression: LiteralString, rows: int) -> None:
        statement = sql.SQL(
            "update heartbeat.table_load set row_count = {} "
            "where schema_name = {} and table_name = {}"
        ).format(sql.SQL(expression).format(rows), *map(sql.Literal, self.name))
        self.cursor.execute(statement.as_string())

    def _is_empty(self) -> bool:
        self._run("lock table {table} in share row exclusive mode")
        self._run("select not exists (select from {table})")
        return bool(self.cursor.fetchone()[0])

    def _skip(self, section: Section) -> None:
        while section.read(_BUFFER_BYTES):
            pass

    def _reshape(self, order: WriteOrder) -> None:
        for statement in order.reshaping:
            self.cursor.execute(statement)

    def _stage(self, order: WriteOrder) -> None:
        self._create(_STAGED, order.columns)
        self._copy(_STAGED, order.names, self.file)

    def _delete(self, order: WriteOrder, keys: Section) -> int:
        """The number of rows that were there and are gone."""
        if order.deleted_bytes == 0:
            return 0
        self._create(_DELETED, [each for each in order.columns if each[0] in order.key])
        self._copy(_DELETED, order.key, keys)
        same_key = sql.SQL(" and ").join(
            sql.SQL("landed.{0} = deleted.{0}").format(sql.Identifier(name)) for name in order.key
        )
        self._run(
            "delete from {table} as landed using {deleted} as deleted where {same_key}",
            deleted=_DELETED,
            same_key=same_key,
        )
        return self.cursor.rowcount

    def _upsert(self, order: WriteOrder) -> int:
        """The number of rows that were not there before: those that no transaction has ended."""
        # the operators of the types call values equal that read differently, 1.0 and 1.00
        self._run(
            "with written as ("
            "insert into {table} as landed ({names}) select * from {staged} "
            "on conflict ({key}) do update set {values} "
            "where record_image_ne(row({landed}), row({excluded})) "
            "returning landed.xmax) "
            "select count(*) from written where xmax = '0'",
            order,
            key=_list("{0}", order.key),
            values=_list("{0} = excluded.{0}", order.names),
            landed=_list("landed.{0}", order.names),
            excluded=_list("excluded.{0}", order.names),
        )
        return int(self.cursor.fetchone()[0])

    def _create(self, table: sql.Identifier, columns: Sequence[tuple[str, str]]) -> None:
        definitions = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(type_)) for name, type_ in columns
        )
        self._run(
            "create temporary table {temporary} ({definitions}) on commit drop",
            temporary=table,
            definitions=definitions,
        )

    def _copy(self, table: sql.Identifier, names: Sequence[str], file: Any) -> int:
        copy = sql.SQL("copy {} ({}) from stdin {}").format(
            table, _list("{0}", names), COPY_OPTIONS
        )
        self.cursor.copy_expert(copy.as_string(), file, size=_BUFFER_BYTES)
        return self.cursor.rowcount

    def _run(
        self, statement: str, order: WriteOrder | None = None, **parts: sql.Composable
    ) -> None:
        names = {"names": _list("{0}", order.names)} if order else {}
        composed = sql.SQL(statement).format(table=self.table, staged=_STAGED, **names, **parts)
        self.cursor.execute(composed.as_string())


def in_range(range_: CursorRange) -> sql.Composed:
    """The condition on a row to lie in the range, or to have no cursor that could lie in one."""
    cursor = sql.Identifier(range_.cursor)
    bounds = [
        sql.SQL("{} {} {}::{}").format(
            cursor, sql.SQL(sign), sql.Literal(value), sql.SQL(range_.type)
        )
        for sign, value in ((">=", range_.after), ("<=", range_.until))
        if value is not None
    ]
    inside = sql.SQL(" and ").join(bounds) if bounds else sql.SQL("true")
    return sql.SQL("(({}) or {})").format(inside, is_beyond_time(range_.type, cursor))


def _list(pattern: str, names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL(pattern).format(sql.Identifier(name)) for name in names)
