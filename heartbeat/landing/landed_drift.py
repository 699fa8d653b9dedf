"""What has drifted of the tables of one schema, kept out of reach while a load writes into them."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection, errors

from heartbeat.landing.drift import column_drift
from heartbeat.landing.landed_table import LandedTable, read_landed_tables
from heartbeat.landing.read_table import ReadTable
from heartbeat.landing.selection import SelectedTables
from heartbeat.source_drift import DriftKind, DriftSeen, SourceDrift, read_drift, record_drift
from heartbeat.table_reference import TableRef

_NOT_CLOSED = (
    "the source has lost what readers may read of it, and it cannot be closed to them while "
    "another session has a GRANT or REVOKE on it open"
)


@dataclass
class LandedDrift:
    """Closes what has drifted before the load writes, and opens what has come back afterwards.

    A compute must neither read NULL where the source has lost a column, nor the rows from before
    where it has that column again.
    """

    part: SelectedTables
    connection: Connection[Any]
    seen: DriftSeen
    errors: dict[str, str] = field(default_factory=dict)
    """The tables that cannot be closed, so that nothing may be written into them."""
    _known: defaultdict[str, list[SourceDrift]] = field(default_factory=lambda: defaultdict(list))
    _found: dict[str, list[SourceDrift]] = field(default_factory=dict)

    def close(
        self, read: Mapping[str, ReadTable], gone: Mapping[str, str]
    ) -> Iterator[SourceDrift]:
        """Close what was found of the tables that were read and of those that are gone.

        `gone` says by landed name what to do about it. Gives what was not known before.
        """
        for each in read_drift(self.connection, [self._table(name) for name in [*read, *gone]]):
            self._known[each.table.table].append(each)
        landed = read_landed_tables(self.connection, self.part.landed_schema)
        for name, table in read.items():
            before = landed.get(name, LandedTable(self.part.landed_schema, name))
            self._found[name] = self._columns(table, before)
        for name, advice in gone.items():
            self._found[name] = [*self._columns_known(name), self._gone(name, advice)]
        for name in self._found:
            yield from self._close(name)

    def settle(self, landed: Collection[str]) -> None:
        """Let readers have what the tables that have landed are now."""
        plain = []
        for name in landed:
            if self._known[name] or self._found[name]:
                record_drift(self.connection, self._table(name), self._found[name])
            else:
                plain.append(name)
        self.connection.execute(
            "call heartbeat.open_to_readers(%s, %s)", [self.part.landed_schema, plain]
        )

    def _close(self, name: str) -> Iterator[SourceDrift]:
        known = self._known[name]
        found = {each.column: each for each in self._found[name]}
        kept = {each.column: each for each in known}
        if kept | found != kept:
            try:
                record_drift(self.connection, self._table(name), [*(kept | found).values()])
            except errors.LockNotAvailable:
                self.errors[name] = _NOT_CLOSED
        changes = {(each.column, each.change) for each in known}
        yield from (
            each
            for each in found.values()
            if not each.accepted and (each.column, each.change) not in changes
        )

    def _columns(self, read: ReadTable, landed: LandedTable) -> list[SourceDrift]:
        known = self._columns_known(landed.name)
        return column_drift(self.part.source, read.table, landed, known, self.seen)

    def _columns_known(self, name: str) -> list[SourceDrift]:
        return [each for each in self._known[name] if each.column]

    def _gone(self, name: str, advice: str) -> SourceDrift:
        return self.seen.of(self._table(name), None, DriftKind.GONE, "is gone", advice)

    def _table(self, name: str) -> TableRef:
        return TableRef(self.part.landed_schema, name)
