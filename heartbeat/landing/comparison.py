"""Source and marts compared by key and hash of every row, without moving the rows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from heartbeat.landing.catalog import Table
from heartbeat.landing.landed_table import LandedTable
from heartbeat.landing.landed_write import COPY_OPTIONS
from heartbeat.landing.row_text import landed_hash
from heartbeat.landing.source_session import CopyData, SourceSession

_MOST_KEYS = 50_000
_FOUND = sql.Identifier("heartbeat_found")
_HASH = sql.Identifier("_heartbeat_hash")


@dataclass(frozen=True)
class Comparison:
    """The difference, inside of the transaction in marts that holds what the source has."""

    connection: Connection[Any]
    landed: LandedTable
    table: Table
    compared: int
    """Rows of the source."""
    missing: int
    """Rows of the source that marts lacks or has otherwise."""
    surplus: int
    """Landed rows whose key the source lacks."""

    @property
    def is_equal(self) -> bool:
        """Whether nothing is to be written."""
        return not (self.missing or self.surplus)

    def surplus_keys(self) -> CopyData:
        """The keys of the landed rows that the source lacks."""
        return CopyData(self.connection, _surplus(self.landed, self.table, _keys(self.table)))

    def sample(self, size: int) -> list[str]:
        """Keys of some rows that differ, as text."""
        names = [sql.Identifier(name) for name in self.table.landed_key]
        keys = sql.SQL("concat_ws(', ', {})")
        missing = _missing(self.landed, self.table, keys.format(_qualified("found", names)))
        surplus = _surplus(self.landed, self.table, keys.format(_qualified("landed", names)))
        query = sql.SQL("({}) union all ({}) limit {}").format(missing, surplus, sql.Literal(size))
        return [key for (key,) in self.connection.execute(query)]

    def missing_rows(self) -> sql.Composable | None:
        """A condition in the source for the rows to read; None when they are too many to name."""
        if self.missing > _MOST_KEYS:
            return None
        # each key as text: an array of arrays would have to be of one length, and has no name
        lists = sql.SQL(", ").join(
            sql.SQL("array_agg(found.{}::text)::text").format(sql.Identifier(name))
            for name in self.table.landed_key
        )
        values = self.connection.execute(_missing(self.landed, self.table, lists)).fetchone()
        assert values is not None
        arrays = [sql.SQL("{}::text[]").format(sql.Literal(value or "{}")) for value in values]
        given = [sql.Identifier(f"key_{number}") for number in range(len(arrays))]
        typed = [
            sql.SQL("{}::{}").format(name, sql.SQL(column.source_type))
            for name, column in zip(given, self.table.key_columns, strict=True)
        ]
        return sql.SQL("({}) in (select {} from unnest({}) as given ({}))").format(
            sql.SQL(", ").join(sql.Identifier(name) for name in self.table.primary_key),
            *(sql.SQL(", ").join(parts) for parts in (typed, arrays, given)),
        )


@contextmanager
def compared(
    session: SourceSession, connection: Connection[Any], landed: LandedTable, table: Table
) -> Iterator[Comparison]:
    """Bring the keys and hashes of the source into marts and hold them while they are needed."""
    with connection.transaction(), connection.cursor() as cursor:
        definitions = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(column.landed_as), sql.SQL(column.landed_type))
            for column in table.key_columns
        )
        cursor.execute(
            sql.SQL("create temporary table {} ({}, {} uuid) on commit drop").format(
                _FOUND, definitions, _HASH
            )
        )
        hashes = session.copy_hashes(table)
        with cursor.copy(sql.SQL("copy {} from stdin {}").format(_FOUND, COPY_OPTIONS)) as copy:
            for chunk in hashes:
                copy.write(chunk)
        cursor.execute(sql.SQL("analyze {}").format(_FOUND))
        count = sql.SQL("count(*)")
        counts = [
            cursor.execute(query).fetchone()
            for query in (_missing(landed, table, count), _surplus(landed, table, count))
        ]
        missing, surplus = (row[0] for row in counts if row)
        yield Comparison(connection, landed, table, hashes.rows, missing, surplus)


def _missing(landed: LandedTable, table: Table, values: sql.Composable) -> sql.Composed:
    return sql.SQL(
        "select {values} from {found} as found "
        "left join (select {keys}, {hash} as {name} from {table}) as landed using ({keys}) "
        "where landed.{name} is distinct from found.{name}"
    ).format(
        values=values,
        found=_FOUND,
        keys=_keys(table),
        hash=landed_hash(table),
        table=landed.identifier,
        name=_HASH,
    )


def _surplus(landed: LandedTable, table: Table, values: sql.Composable) -> sql.Composed:
    return sql.SQL(
        "select {values} from {table} as landed "
        "where not exists (select from {found} as found where {same_key})"
    ).format(
        values=values,
        table=landed.identifier,
        found=_FOUND,
        same_key=sql.SQL(" and ").join(
            sql.SQL("found.{0} = landed.{0}").format(sql.Identifier(name))
            for name in table.landed_key
        ),
    )


def _keys(table: Table) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, table.landed_key))


def _qualified(alias: str, names: Sequence[sql.Identifier]) -> sql.Composable:
    return sql.SQL(", ").join(sql.SQL("{}.{}").format(sql.Identifier(alias), n) for n in names)
