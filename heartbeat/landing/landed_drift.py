"""What has drifted of the tables of one schema, kept before a load writes into them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from heartbeat.landing.drift import column_drift
from heartbeat.landing.landed_table import LandedTable, read_landed_tables
from heartbeat.landing.read_table import ReadTable
from heartbeat.landing.selection import SelectedTables
from heartbeat.source_drift import DriftKind, DriftSeen, SourceDrift, read_drift, record_drift
from heartbeat.table_reference import TableRef


@dataclass(frozen=True)
class LandedDrift:
    """Closes what has drifted to the readers.

    A load that writes first would let a compute read NULL where the source has lost a column.
    """

    part: SelectedTables
    connection: Connection[Any]
    seen: DriftSeen

    def record(
        self, read: Mapping[str, ReadTable], gone: Mapping[str, str]
    ) -> Iterator[SourceDrift]:
        """Keep what was found of the tables that were read and of those that are gone.

        `gone` says by landed name what to do about it. Gives what was not known before.
        """
        known = self._known([*read, *gone])
        landed = read_landed_tables(self.connection, self.part.landed_schema)
        for name in [*read, *gone]:
            before = known[name]
            if name in gone:
                found = [*(each for each in before if each.column), self._gone(name, gone[name])]
            else:
                found = self._columns(read[name], landed.get(name), before)
            if before or found:
                record_drift(self.connection, self._table(name), found)
            changes = {(each.column, each.change) for each in before}
            yield from (each for each in found if (each.column, each.change) not in changes)

    def _known(self, names: list[str]) -> defaultdict[str, list[SourceDrift]]:
        known: defaultdict[str, list[SourceDrift]] = defaultdict(list)
        for each in read_drift(self.connection, [self._table(name) for name in names]):
            known[each.table.table].append(each)
        return known

    def _columns(
        self, read: ReadTable, landed: LandedTable | None, known: list[SourceDrift]
    ) -> list[SourceDrift]:
        if landed is None:
            return []
        return column_drift(self.part.source, read.table, landed, known, self.seen)

    def _gone(self, name: str, advice: str) -> SourceDrift:
        return self.seen.of(self._table(name), None, DriftKind.GONE, "is gone", advice)

    def _table(self, name: str) -> TableRef:
        return TableRef(self.part.landed_schema, name)
