"""Which tables a person asked for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from heartbeat.errors import HeartbeatError
from heartbeat.source import Source
from heartbeat.table_reference import TableRef

_NEAR = 3


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
    """The tables that meet every condition given.

    `tables` are landed names, with their landed schema or without; `reads` are tables of marts by
    their full names. Raises HeartbeatError for a name that nothing has, and when nothing is left.
    """
    _refuse_unknown("source", [source], {each.name for each in sources})
    parts = [
        SelectedTables(each, name, tuple(table.landed_as for table in each.catalog.of_schema(name)))
        for each in sources
        for name in each.file.schemas
        if source in (None, each.name)
    ]
    _refuse_unknown("landed schema", [schema], {part.landed_schema for part in parts})
    known = {
        f"{part.landed_schema}.{name}": name
        for part in parts
        for name in part.tables
        if schema in (None, part.landed_schema)
    }
    asked = [name for name in tables or () if name not in known.values()]
    _refuse_unknown("landed table", asked, known)
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


def _refuse_unknown(what: str, asked: Sequence[str | None], known: Collection[str]) -> None:
    for name in asked:
        if name is not None and name not in known:
            near = get_close_matches(name, known, n=_NEAR, cutoff=0.5) or sorted(known)[:_NEAR]
            there_are = f"there are {', '.join(near)}" if near else "there are none"
            more = " and others" if len(known) > len(near) > 0 else ""
            raise HeartbeatError(f"there is no {what} {name}; {there_are}{more}")


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
        if not tables or name in tables or f"{schema}.{name}" in tables
        if reads is None or TableRef(schema, name) in reads
    )
