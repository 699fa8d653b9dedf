"""What a source Postgres has: tables, columns, keys, and how each will be landed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection

from heartbeat.errors import HeartbeatError
from heartbeat.landing.catalog import Catalog, Table
from heartbeat.landing.inheritance import reads_descendants
from heartbeat.landing.landed_name import is_dlts_own, landed_name
from heartbeat.landing.reflected_table import (
    UnusableOptionError,
    reflected_table,
    refuse_collision,
)
from heartbeat.landing.system_catalog import (
    Relation,
    SourceName,
    SystemCatalog,
    existing_parts,
    known_bytes,
    read_system_catalog,
)
from heartbeat.qualified_name import qualified_name, split_name
from heartbeat.source import SourceFile

_LARGE_BYTES = 64 << 20

_LandedName = tuple[str, str]
"""Source schema and landed table."""


class MissingTableError(HeartbeatError):
    """The catalog lists a table that the source no longer has."""


class UnlandableSourceError(HeartbeatError):
    """Several tables of a source cannot land as its file says."""


@dataclass(frozen=True)
class Reflection:
    """What the source has now, by source schema and landed name.

    `problems` says of single tables why they cannot be landed; the others can.
    """

    tables: Mapping[_LandedName, Table]
    problems: Mapping[_LandedName, HeartbeatError]
    bytes: Mapping[_LandedName, int | None]
    """Size of each table in the source, as its last vacuum or analyze counted it if one did; None
    where a lock keeps it from being known."""
    left_out: Mapping[_LandedName, str] = field(default_factory=dict)
    """What does not land, such as a view or what the file skips: a sentence each."""
    closed: Mapping[str, str] = field(default_factory=dict)
    """Schemas that the source lacks or does not open to the role: a sentence each."""
    present: Collection[_LandedName] = ()
    """Every table that is there, those that cannot be landed among them."""
    unknown_skips: tuple[HeartbeatError, ...] = ()
    """Entries of `skip_tables` that the source lacks."""
    schemas: Collection[str] = ()
    """The schemas that the source file names."""

    @property
    def all_problems(self) -> tuple[HeartbeatError, ...]:
        """Whatever keeps the source from landing as its file says."""
        closed = (MissingTableError(reason) for reason in self.closed.values())
        return (*closed, *self.unknown_skips, *self.problems.values())

    def catalog(self) -> Catalog:
        """All tables; raises what keeps any of them from being landed."""
        self.refuse_problems()
        return Catalog(tables=tuple(self.tables.values()))

    def usable_catalog(self, recorded: Catalog) -> Catalog:
        """The tables that can be landed; those with a problem stay as they were recorded."""
        kept = (table for table in recorded.tables if self.tells_nothing_of(table))
        return Catalog(tables=(*self.tables.values(), *kept))

    def tells_nothing_of(self, table: Table) -> bool:
        """Whether what the source has of a recorded table cannot be known now."""
        if (table.schema_name, table.landed_as) in self.problems:
            return True
        # a schema that the source lacks may be the misspelt name of one that was recorded
        misspelt = bool(self.closed) and table.schema_name not in self.schemas
        return misspelt or table.schema_name in self.closed

    def refuse_problems(self) -> None:
        """Raise the problem, or one error that tells all of them."""
        problems = self.all_problems
        if len(problems) == 1:
            raise problems[0]
        if problems:
            raise UnlandableSourceError("; ".join(map(str, problems)))

    def lacks(self, schema_name: str, landed_table: str) -> bool:
        """Whether the source has no such table; a view or another thing of its name is none."""
        return (schema_name, landed_table) not in self.present

    def table(self, schema_name: str, landed_table: str) -> Table:
        """One table; raises what is wrong with it, a MissingTableError when it is not there."""
        name = (schema_name, landed_table)
        if name in self.problems:
            raise self.problems[name]
        if name in self.tables:
            return self.tables[name]
        if schema_name in self.closed:
            raise MissingTableError(self.closed[schema_name])
        if name in self.left_out:
            raise MissingTableError(f"{self.left_out[name]} and does not land")
        raise MissingTableError(
            f"the source no longer has the table that lands as {landed_table}; "
            "run `heartbeat source discover`"
        )


def reflect(
    connection: Connection[Any], file: SourceFile, recorded: Catalog | None = None
) -> Reflection:
    """Read the catalog of the source database, a few queries for any number of tables.

    Whether a table counts as large stays as `recorded` has it, so that its write mode does not
    change from load to load as it grows.
    """
    system = read_system_catalog(connection, file.schemas)
    skipped = {split_name(name) for name in file.skip_tables}
    left_out = {
        each.name: reason for each in system.relations if (reason := _reason_out(each, skipped))
    }
    landing = {each.name: each for each in system.relations if each.name not in left_out}
    found = _Found(connection, file, recorded, landing, _options_of_others(file, landing, left_out))
    for relation in landing.values():
        if relation.name[0] not in system.closed:
            found.take(relation)
    return Reflection(
        {name: table for name, table in found.tables.items() if name not in found.problems},
        found.problems,
        found.sizes,
        {(schema_name, landed_name(name)): why for (schema_name, name), why in left_out.items()},
        system.closed,
        {(schema_name, landed_name(name)) for schema_name, name in landing},
        _unknown_skips(connection, file, system),
        file.schemas,
    )


@dataclass
class _Found:
    """The tables that land; one that is locked or odd keeps no other from landing."""

    connection: Connection[Any]
    file: SourceFile
    recorded: Catalog | None
    landing: Mapping[SourceName, Relation]
    problems: dict[_LandedName, HeartbeatError]
    tables: dict[_LandedName, Table] = field(default_factory=dict)
    sizes: dict[_LandedName, int | None] = field(default_factory=dict)
    _names: dict[_LandedName, str] = field(default_factory=dict)

    @property
    def _landing(self) -> Collection[SourceName]:
        """The tables that land: of a load those that the catalog has, since others are new."""
        if self.recorded is None:
            return self.landing
        return {(table.schema_name, table.name) for table in self.recorded.tables}

    def take(self, relation: Relation) -> None:
        """Keep the table of a relation, or why there is none."""
        schema_name, name = relation.name
        landed = (schema_name, landed_name(name))
        try:
            refuse_collision(schema_name, name, self._names.setdefault(landed, name), landed[1])
            with_children = reads_descendants(
                relation.name, relation.below, self._landing, is_partitioned=relation.is_partitioned
            )
            self.tables[landed] = reflected_table(
                relation,
                self.file,
                with_children=with_children,
                is_large=self._is_large(relation, landed, with_children),
            )
        except HeartbeatError as problem:
            self.problems[landed] = problem

    def _is_large(self, relation: Relation, landed: _LandedName, with_children: bool) -> bool:
        if known := self.recorded.table(*landed) if self.recorded else None:
            return known.write == "reconcile"
        size = known_bytes(self.connection, relation, with_children=with_children)
        self.sizes[landed] = size
        return (size or 0) > _LARGE_BYTES


def _reason_out(relation: Relation, skipped: Collection[SourceName]) -> str | None:
    name = qualified_name(*relation.name)
    if relation.name in skipped:
        return f"{name} is in skip_tables"
    if relation.no_table:
        return f"{name} is {relation.no_table}"
    if is_dlts_own(relation.name[1]):
        return f"{name} is named as dlt's own tables in marts"
    return None


def _options_of_others(
    file: SourceFile, landing: Collection[SourceName], left_out: Mapping[SourceName, str]
) -> dict[_LandedName, HeartbeatError]:
    """Tables that the file says something about and that do not land."""
    named = {split_name(name): name for name in sorted({*file.tables, *file.indexes})}
    return {
        (schema_name, landed_name(name)): UnusableOptionError(
            f"the source file names table {written}, "
            + (
                f"but {left_out[schema_name, name]} and does not land"
                if (schema_name, name) in left_out
                else "which the source lacks or which is skipped"
            )
            + "; take it out of the file, then run `heartbeat source discover`"
        )
        for (schema_name, name), written in named.items()
        if (schema_name, name) not in landing
    }


def _unknown_skips(
    connection: Connection[Any], file: SourceFile, system: SystemCatalog
) -> tuple[HeartbeatError, ...]:
    found = {relation.name for relation in system.relations}
    names = {split_name(written): written for written in file.skip_tables}
    unknown = [name for name in names if name not in found and name[0] not in system.closed]
    lacking = set(unknown) - existing_parts(connection, unknown)
    return tuple(
        UnusableOptionError(
            f"skip_tables names {names[name]}, which the source lacks; correct it or take it out"
        )
        for name in unknown
        if name in lacking
    )
