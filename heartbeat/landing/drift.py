"""What a source has become since its catalog was written."""

from heartbeat.landing.catalog import Catalog, Table
from heartbeat.landing.reflection import Reflection


def drift(recorded: Catalog, found: Reflection) -> tuple[str, ...]:
    """One sentence for each table or column that is new, gone, changed or cannot land."""
    old = {
        table.qualified_name: table
        for table in recorded.tables
        if (table.schema_name, table.landed_as) not in found.problems
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
