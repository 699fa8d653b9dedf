"""What a source has become since its catalog was written."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from heartbeat.landing.catalog import Catalog, Column, Table
from heartbeat.landing.landed_name import landed_name
from heartbeat.landing.landed_table import LandedTable, widens
from heartbeat.landing.reflection import Reflection
from heartbeat.source import Source
from heartbeat.source_drift import DriftKind, DriftSeen, SourceDrift
from heartbeat.table_reference import TableRef

_SIZE = re.compile(r"\(.*?\)")
_ACCEPT = "check what reads it, then run `heartbeat source discover {source}`"


def drift(recorded: Catalog, found: Reflection) -> tuple[str, ...]:
    """One sentence for each table or column that is new, gone, changed or cannot land."""
    old = {
        table.qualified_name: table
        for table in recorded.tables
        if not found.tells_nothing_of(table)
    }
    new = {table.qualified_name: table for table in found.tables.values()}
    return (
        *(str(problem) for problem in found.all_problems),
        *(f"{name}: new table" for name in sorted(new.keys() - old.keys())),
        *(_gone(old[name], found) for name in sorted(old.keys() - new.keys())),
        *(
            sentence
            for name in sorted(old.keys() & new.keys())
            for sentence in _table_drift(old[name], new[name])
        ),
    )


def _gone(table: Table, found: Reflection) -> str:
    reason = found.left_out.get((table.schema_name, table.landed_as))
    return f"{reason} now" if reason else f"{table.qualified_name}: the table is gone"


def _table_drift(old: Table, new: Table) -> list[str]:
    before = {column.name: column.source_type for column in old.columns}
    after = {column.name: column.source_type for column in new.columns}
    where = old.qualified_name
    sentences = [
        f"{where}: new column {name} {after[name]}" for name in after if name not in before
    ]
    sentences += [f"{where}: column {name} is gone" for name in before if name not in after]
    sentences += [
        f"{where}: column {name} was {before[name]} and is {after[name]}"
        for name in before
        if name in after and before[name] != after[name]
    ]
    if old.primary_key != new.primary_key:
        sentences.append(f"{where}: the key was {old.primary_key} and is {new.primary_key}")
    return sentences


def column_drift(
    source: Source,
    found: Table,
    landed: LandedTable,
    known: Collection[SourceDrift],
    seen: DriftSeen,
) -> list[SourceDrift]:
    """The landed columns that the source lost, or whose values may mean something else now.

    A column that is `known` to be gone stays so until the source has it again, or marts has it no
    more. One of another type does until `heartbeat source discover` writes the new type down.
    """
    table = TableRef(landed.schema_name, landed.name)
    recorded = source.catalog.table(found.schema_name, found.landed_as) or found
    missing = landed.columns.keys() - _columns(found)
    lost = missing & {*_columns(recorded), *landed.last.columns, *(each.column for each in known)}
    gone = (
        replace(
            seen.of(table, name, *_loss(source, recorded, found, name)),
            accepted=name not in _columns(recorded),
        )
        for name in sorted(lost)
    )
    retyped = (
        seen.of(table, name, DriftKind.RETYPED, change, _ACCEPT.format(source=source.name))
        for name, change in _retyped(recorded, found)
    )
    before = {(each.column, each.change): each for each in known}
    return [_as_first_seen(each, before) for each in (*gone, *retyped)]


def _as_first_seen(
    drift: SourceDrift, known: Mapping[tuple[str | None, str], SourceDrift]
) -> SourceDrift:
    """The same, of the moment at which it was first seen."""
    before = known.get((drift.column, drift.change))
    return replace(before, accepted=drift.accepted) if before else drift


def gone_table(source: Source, table: Table, found: Reflection) -> str:
    """What to do about a table that is gone: whether another one looks like it."""
    recorded = {each.name for each in source.catalog.of_schema(table.schema_name)}
    alike = [
        name
        for (schema_name, name), each in found.tables.items()
        if schema_name == table.schema_name
        and each.name not in recorded
        and _columns(each).keys() == _columns(table).keys()
    ]
    return _renamed(alike)


def _loss(source: Source, recorded: Table, found: Table, name: str) -> tuple[DriftKind, str, str]:
    dropped = source.options(found.qualified_name).drop_columns
    if name in map(landed_name, dropped):
        return DriftKind.UNLANDED, "is not landed any more", "the source file drops it"
    column = _columns(recorded).get(name)
    alike = [
        new
        for new, each in sorted(_columns(found).items())
        if new not in _columns(recorded) and column and each.landed_type == column.landed_type
    ]
    return DriftKind.GONE, "is gone", _renamed(alike)


def _renamed(candidates: Sequence[str]) -> str:
    return f"renamed to {candidates[0]}?" if len(candidates) == 1 else "renamed?"


def _retyped(recorded: Table, found: Table) -> Iterator[tuple[str, str]]:
    before = _columns(recorded)
    for name, column in _columns(found).items():
        old = before.get(name)
        if old is None:
            continue
        if not _means_the_same(old, column):
            yield name, f"was {old.source_type} and is {column.source_type}"
        elif lost := [label for label in old.labels if label not in column.labels]:
            yield name, f"has lost the value {lost[0]!r}"


def _means_the_same(old: Column, new: Column) -> bool:
    if old.source_type != new.source_type and old.landed_type == new.landed_type == "text":
        # two types that both land as text, such as two enums, have nothing to do with each other
        return not (old.is_cast or new.is_cast)
    types = old.landed_type, new.landed_type
    return widens(*types) or _SIZE.sub("", types[0]) == _SIZE.sub("", types[1])


def _columns(table: Table) -> dict[str, Column]:
    return {column.landed_as: column for column in table.columns}
