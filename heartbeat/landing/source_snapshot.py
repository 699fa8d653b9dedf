"""What one reading of a source gave, table by table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from heartbeat.landing.read_table import ReadTable

_T = TypeVar("_T")

LandedName = tuple[str, str]
"""Landed schema and table."""


@dataclass
class Snapshot:
    """What was read of one source, or why not."""

    read: dict[LandedName, ReadTable] = field(default_factory=dict)
    errors: dict[LandedName, str] = field(default_factory=dict)
    gone: dict[LandedName, str] = field(default_factory=dict)
    """The tables that the source no longer has, with what may have become of them."""

    def of_schema(self, schema: str) -> "SchemaSnapshot":
        """What was read of one landed schema."""
        return SchemaSnapshot(
            _of_schema(schema, self.read),
            _of_schema(schema, self.errors),
            _of_schema(schema, self.gone),
        )


@dataclass(frozen=True)
class SchemaSnapshot:
    """The same for the tables of one landed schema, by their names in it."""

    read: Mapping[str, ReadTable]
    errors: Mapping[str, str]
    gone: Mapping[str, str]


def _of_schema(schema: str, tables: Mapping[LandedName, _T]) -> dict[str, _T]:
    return {name: each for (owner, name), each in tables.items() if owner == schema}
