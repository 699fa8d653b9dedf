"""A row as text that reads the same in the source and in marts, for hashes and checksums.

It does where both sessions have the settings of `postgres_session`.
"""

from collections.abc import Iterable

from psycopg import sql

from heartbeat.landing.catalog import Column, Table


def source_column(column: Column) -> sql.Composable:
    """The value that lands, where the source has the row."""
    name = sql.Identifier(column.name)
    return sql.SQL("{}::{}").format(name, sql.SQL(column.landed_type)) if column.is_cast else name


def source_hash(table: Table) -> sql.Composed:
    """The hash of a row in the source."""
    return _hash(source_column(column) for column in table.columns)


def landed_hash(table: Table) -> sql.Composed:
    """The same hash of the landed row."""
    return _hash(sql.Identifier(column.landed_as) for column in table.columns)


def source_checksum(table: Table) -> sql.Composed:
    """A number for all rows of the source, whatever their order."""
    return _checksum(source_hash(table))


def landed_checksum(table: Table) -> sql.Composed:
    """The same number for the landed rows."""
    return _checksum(landed_hash(table))


def _hash(values: Iterable[sql.Composable]) -> sql.Composed:
    # md5 of a text is that of its bytes in the server's encoding, which the two need not share
    return sql.SQL("md5(convert_to(row({})::text, 'UTF8'))::uuid").format(
        sql.SQL(", ").join(values)
    )


def _checksum(hash_: sql.Composable) -> sql.Composed:
    # sixty bits of each hash, so that the sum of any number of rows is exact
    return sql.SQL(
        "coalesce(sum(('x' || left(({})::text, 8) || right(({})::text, 7))::bit(60)::bigint), 0)"
    ).format(hash_, hash_)
