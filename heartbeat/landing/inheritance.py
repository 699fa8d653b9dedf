"""Which rows are a table's own where tables inherit from it, or parts of it are elsewhere."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from psycopg.rows import DictRow

from heartbeat.errors import HeartbeatError
from heartbeat.qualified_name import qualified_name

_SourceName = tuple[str, str]
"""Schema and table, as the source names them."""


class SplitRowsError(HeartbeatError):
    """A table whose rows cannot be told from those of tables below it, or are in another server."""


@dataclass(frozen=True)
class Descendant:
    """A table below another one."""

    name: _SourceName
    is_child: bool
    """Whether no other table is in between."""
    is_foreign: bool


def descendants_by_table(rows: Iterable[DictRow]) -> Mapping[_SourceName, tuple[Descendant, ...]]:
    """The tables below each table, from rows in the order of the tables."""
    return {
        ancestor: tuple(
            Descendant((row["schema_name"], row["name"]), row["is_child"], row["is_foreign"])
            for row in below
        )
        for ancestor, below in groupby(
            rows, key=lambda row: (row["ancestor_schema"], row["ancestor"])
        )
    }


def reads_descendants(
    table: _SourceName,
    below: Collection[Descendant],
    landing: Collection[_SourceName],
    *,
    is_partitioned: bool,
) -> bool:
    """Whether the rows of the tables below are to land with the table's own.

    Every row lands once: in the table of a child that lands on its own, else in its parent's.
    `landing` are all tables that land. Raises SplitRowsError.
    """
    landed = [each for each in below if each.name in landing]
    if not is_partitioned and all(each in landed for each in below if each.is_child):
        return False
    if foreign := [each for each in below if each.is_foreign]:
        raise SplitRowsError(
            f"{qualified_name(*table)}: its part {_names(foreign)} is a foreign table, whose rows "
            "are of another moment and may be filtered; land that server as a source of its own, "
            "and name this table in skip_tables"
        )
    if landed:
        raise SplitRowsError(
            f"{qualified_name(*table)}: of the tables that inherit from it, {_names(landed)} "
            f"lands on its own and {_names(set(below) - {*landed})} does not, so some rows would "
            "land twice or never; land all of them, or name all of them in skip_tables"
        )
    return True


def _names(tables: Iterable[Descendant]) -> str:
    return ", ".join(sorted(qualified_name(*each.name) for each in tables))
