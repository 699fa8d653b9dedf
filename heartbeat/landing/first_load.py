"""The first load of a large table, in ranges that are each committed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from heartbeat.landing.catalog import Column, Table
from heartbeat.landing.copy_file import CursorRange, WriteOrder
from heartbeat.landing.cursor import has_come, less_lag
from heartbeat.landing.landed_table import LandedTable
from heartbeat.landing.landed_write import in_range
from heartbeat.landing.read_plan import ReadPlan
from heartbeat.landing.source_rows import source_rows
from heartbeat.landing.source_session import SourceSession
from heartbeat.source import TableOptions


@dataclass(frozen=True)
class Range:
    """One range of a first load."""

    plan: ReadPlan
    condition: sql.Composable
    until: tuple[str, ...]
    """The greatest key, or cursor, of the range."""
    since: str | None
    """The cursor from which the last step reads; it is taken before the first range."""
    is_last: bool


@dataclass(frozen=True)
class FirstLoad:
    """How a table with a key, or with a cursor that only grows, is read range after range.

    Its last step is an ordinary load that reads what changed meanwhile.
    """

    table: Table
    options: TableOptions
    landed: LandedTable
    rows: int
    """Of one range."""

    def is_due(self, session: SourceSession) -> bool:
        """Whether the table is to land in ranges now."""
        if self.table.write == "replace" or self.landed.is_complete:
            return False
        return self.after is not None or session.estimated_rows(self.table) > self.rows

    @property
    def after(self) -> tuple[str, ...] | None:
        """The key, or the cursor, up to which an earlier range landed, if it is the present one."""
        is_of_same_shape = self.landed.has_values_of(self.table) and self.landed.has_key_of(
            self.table
        )
        return self.landed.last.resume_after if is_of_same_shape and self._is_ordered else None

    @property
    def _is_ordered(self) -> bool:
        """Whether the landed ranges follow the present key or cursor: they have an index of it."""
        order = tuple(column.landed_as for column in self._order)
        return any(index.columns == order for index in self.landed.indexes.values())

    @property
    def position(self) -> str:
        """The same, for people to read."""
        return ", ".join(
            f"{column.name} = {value}"
            for column, value in zip(self._order, self.after or (), strict=True)
        )

    def next_range(self, session: SourceSession) -> Range | None:
        """The range after the landed ones; None when no row is left."""
        # a bare name would order by the text that is selected
        names = [sql.Identifier("source", column.name) for column in self._order]
        upwards = sql.SQL("{} offset {}").format(_list(names), sql.Literal(self.rows - 1))
        downwards = _list(sql.SQL("{} desc").format(name) for name in names)
        full = self._first_past(session, upwards)
        until = full or self._first_past(session, downwards)
        if until is None:
            return None
        plan = ReadPlan(self._write(until))
        since = self._since(session)
        return Range(plan, self._between(until), until, since, is_last=full is None)

    def _since(self, session: SourceSession) -> str | None:
        if self.after is not None:
            return self.landed.last.resume_since
        if self.options.cursor is None:
            return None
        cursor = self.table.column(self.options.cursor)
        name = sql.Identifier(cursor.name)
        row = session.first_row(
            sql.SQL("select {}::text from {} where {}").format(
                less_lag(sql.SQL("max({})").format(name), cursor, self.options),
                source_rows(self.table),
                has_come(cursor, name),
            )
        )
        return row[0] if row else None

    @property
    def _order(self) -> Sequence[Column]:
        if self.table.landed_key:
            return self.table.key_columns
        assert self.options.cursor is not None
        return [self.table.column(self.options.cursor)]

    def _first_past(self, session: SourceSession, order: sql.Composable) -> tuple[Any, ...] | None:
        names = [sql.Identifier(column.name) for column in self._order]
        return session.first_row(
            sql.SQL(
                "select {} from {} as source where {} and {} order by {} fetch first row only"
            ).format(
                _list(sql.SQL("{}::text").format(name) for name in names),
                source_rows(self.table),
                self._past(),
                # NULLs, which only a cursor can be, would be the greatest
                sql.SQL("({}) is not null").format(_list(names)),
                order,
            )
        )

    def _write(self, until: tuple[str, ...]) -> WriteOrder:
        columns = tuple((column.landed_as, column.landed_type) for column in self.table.columns)
        if self.after is None:
            reshaping = self.landed.reshaping(self.table)
            return WriteOrder("replace", columns, self.table.landed_key, reshaping=reshaping)
        if self.table.landed_key:
            return WriteOrder("merge", columns, self.table.landed_key)
        (cursor,) = self._order
        return WriteOrder("range", columns, replaced=self._cursor_range(cursor.landed_as, until))

    def _between(self, until: tuple[str, ...]) -> sql.Composable:
        if not self.table.landed_key:
            (cursor,) = self._order
            return in_range(self._cursor_range(cursor.name, until))
        return sql.SQL("{} and {}").format(self._past(), self._compared("<=", until))

    def _cursor_range(self, name: str, until: tuple[str, ...]) -> CursorRange:
        (cursor,) = self._order
        after = self.after[0] if self.after else None
        return CursorRange(name, cursor.landed_type, after, until[0])

    def _past(self) -> sql.Composable:
        return self._compared(">", self.after) if self.after else sql.SQL("true")

    def _compared(self, sign: str, values: tuple[str, ...]) -> sql.Composable:
        return sql.SQL("({}) {} ({})").format(
            _list(sql.Identifier(column.name) for column in self._order),
            sql.SQL(sign),
            _list(
                sql.SQL("{}::{}").format(sql.Literal(value), sql.SQL(column.source_type))
                for column, value in zip(self._order, values, strict=True)
            ),
        )


def _list(parts: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)
