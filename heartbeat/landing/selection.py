"""Which tables a person asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

from heartbeat.errors import HeartbeatError
from heartbeat.source import Source


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
) -> tuple[SelectedTables, ...]:
    """The tables that meet every condition given; raises HeartbeatError when there is none."""
    selected = [
        SelectedTables(each, schema_name, names)
        for each in sources
        for schema_name in each.file.schemas
        if source in (None, each.name) and schema in (None, each.landed_schema(schema_name))
        if (names := _names(each, schema_name, tables))
    ]
    if not selected:
        raise HeartbeatError("no table is selected; `heartbeat source list` shows all of them")
    return tuple(selected)


def _names(source: Source, schema_name: str, tables: Sequence[str] | None) -> tuple[str, ...]:
    landed = (table.landed_as for table in source.catalog.of_schema(schema_name))
    return tuple(name for name in landed if not tables or name in tables)
