"""Which tables a person asked for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from heartbeat.errors import HeartbeatError
from heartbeat.source import Source
from heartbeat.table_reference import TableRef


@dataclass(frozen=True)
class SelectedTables:
    """Chosen tables of one source schema, by their landed names."""

    source: Source
    schema_name: str
    tables: tuple[str, ...]

    @property
    def landed_schema(self) -> str:
        """The schema in marts."""
        return self.source.landed_schema(self.schema_name)


def select_tables(
    sources: Sequence[Source],
    *,
    source: str | None,
    schema: str | None,
    tables: Sequence[str] | None,
    reads: Collection[TableRef] | None = None,
) -> tuple[SelectedTables, ...]:
    """The tables that meet every condition given; raises HeartbeatError when there is none.

    `reads` are tables of marts by their full names.
    """
    selected = [
        SelectedTables(each, schema_name, names)
        for each in sources
        for schema_name in each.file.schemas
        if source in (None, each.name) and schema in (None, each.landed_schema(schema_name))
        if (names := _names(each, schema_name, tables, reads))
    ]
    if not selected:
        raise HeartbeatError("no table is selected; `heartbeat source list` shows all of them")
    return tuple(selected)


def _names(
    source: Source,
    schema_name: str,
    tables: Sequence[str] | None,
    reads: Collection[TableRef] | None,
) -> tuple[str, ...]:
    schema = source.landed_schema(schema_name)
    return tuple(
        name
        for name in (table.landed_as for table in source.catalog.of_schema(schema_name))
        if not tables or name in tables
        if reads is None or TableRef(schema, name) in reads
    )
