"""Whether landed rows are those of the source, counted and hashed on both sides."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import Connection, sql

from heartbeat.errors import HeartbeatError
from heartbeat.judgement.wording import counted
from heartbeat.landing.catalog import Table
from heartbeat.landing.comparison import compared
from heartbeat.landing.landed_table import LandedTable, read_landed_tables
from heartbeat.landing.row_text import landed_checksum, source_checksum
from heartbeat.landing.source_rows import source_rows
from heartbeat.landing.source_session import SourceSession, source_session
from heartbeat.login import Login
from heartbeat.postgres_session import LONGEST_WORK_SECONDS, connect
from heartbeat.settings import Settings
from heartbeat.source import Source

_SAMPLE = 3


@dataclass(frozen=True)
class TableParity:
    """One table, compared; without a difference the two sides are equal, row for row."""

    name: str
    """`schema.table` in marts."""
    difference: str | None


def check_parity(source: Source, settings: Settings) -> Iterator[TableParity]:
    """Compare every table of a source with what has landed of it.

    The source is read as it is now: what changed in it since the last load is a difference too.
    Raises SourceUnreachableError.
    """
    with (
        connect(settings.login_url(Login.INGEST), autocommit=True) as connection,
        source_session(source.name, source.file) as session,
    ):
        connection.longest_silence = LONGEST_WORK_SECONDS
        reflection = session.reflection(source.catalog)
        for schema_name in source.file.schemas:
            schema = source.landed_schema(schema_name)
            landed = read_landed_tables(connection, schema)
            for recorded in source.catalog.of_schema(schema_name):
                name = recorded.landed_as
                try:
                    table = reflection.table(schema_name, name)
                    difference = _difference(session, connection, landed.get(name), table)
                except (HeartbeatError, psycopg.Error) as error:
                    difference = " ".join(str(error).split())
                yield TableParity(f"{schema}.{name}", difference)


def _difference(
    session: SourceSession, connection: Connection[Any], landed: LandedTable | None, table: Table
) -> str | None:
    if landed is None:
        return "not landed yet"
    shape = landed.differences(table) or ", ".join(
        f"column {column.landed_as} is not in marts"
        for column in table.columns
        if column.landed_as not in landed.columns
    )
    if shape:
        return shape
    if table.landed_key:
        return _difference_by_key(session, connection, landed, table)
    return _difference_of_sums(session, connection, landed, table)


def _difference_by_key(
    session: SourceSession, connection: Connection[Any], landed: LandedTable, table: Table
) -> str | None:
    with compared(session, connection, landed, table) as comparison:
        if comparison.is_equal:
            return None
        rows = landed.count_rows(connection)
        keys = "; ".join(comparison.sample(_SAMPLE))
    return (
        f"{counted(comparison.compared, 'row')} in the source, {rows} in marts; "
        f"{comparison.missing} missing or other in marts, {comparison.surplus} only in marts; "
        f"for example {', '.join(table.landed_key)} = {keys}"
    )


def _difference_of_sums(
    session: SourceSession, connection: Connection[Any], landed: LandedTable, table: Table
) -> str | None:
    query = sql.SQL("select count(*), {} from {}")
    found = session.first_row(query.format(source_checksum(table), source_rows(table)))
    ours = connection.execute(query.format(landed_checksum(table), landed.identifier)).fetchone()
    assert found is not None
    assert ours is not None
    if found == ours:
        return None
    return (
        f"{counted(found[0], 'row')} in the source, {ours[0]} in marts; "
        f"checksums {found[1]} and {ours[1]}; the table has no key to tell which"
    )
