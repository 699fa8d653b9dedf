"""What a source has become since its catalog was written."""

import re
from collections.abc import Collection, Iterator, Sequence

from heartbeat.landing.catalog import Catalog, Column, Table
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
    gone = landed.columns.keys() - _columns(found)
    kept = [each for each in known if each.column in gone and each.kind is not DriftKind.RETYPED]
    lost = gone & {*_columns(recorded), *landed.last.columns} - {each.column for each in kept}
    return [
        *kept,
        *(seen.of(table, name, *_loss(source, recorded, found, name)) for name in sorted(lost)),
        *(
            seen.of(table, name, DriftKind.RETYPED, change, _ACCEPT.format(source=source.name))
            for name, change in _retyped(recorded, found)
        ),
    ]


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
    column = _columns(recorded).get(name)
    if column and column.name in source.options(found.qualified_name).drop_columns:
        return DriftKind.UNLANDED, "is not landed any more", "the source file drops it"
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
        if old and not _means_the_same(old.landed_type, column.landed_type):
            yield name, f"was {old.source_type} and is {column.source_type}"


def _means_the_same(old: str, new: str) -> bool:
    return widens(old, new) or _SIZE.sub("", old) == _SIZE.sub("", new)


def _columns(table: Table) -> dict[str, Column]:
    return {column.landed_as: column for column in table.columns}
