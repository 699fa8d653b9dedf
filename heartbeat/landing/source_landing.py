"""The landing of one source in one run: read as a whole, written schema by schema."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg import Connection

from heartbeat.landing.landed_drift import LandedDrift
from heartbeat.landing.ledger import TableLoad, record
from heartbeat.landing.schema_write import SchemaWrite
from heartbeat.landing.selection import SelectedTables
from heartbeat.landing.source_reading import Observer, SourceReading
from heartbeat.landing.source_snapshot import Snapshot
from heartbeat.settings import Settings
from heartbeat.source_drift import DriftSeen


@dataclass
class SourceLanding:
    """The landing of chosen tables of one source."""

    parts: Sequence[SelectedTables]
    settings: Settings
    run_id: str
    reconcile: bool
    observer: Observer
    connection: Connection[Any]
    folder: Path
    _snapshot: Snapshot | None = field(default=None, init=False)

    def land(self, part: SelectedTables) -> tuple[TableLoad, ...]:
        """Land the chosen tables of one schema: one outcome each, failures among them.

        A table that fails keeps its last good rows and says why in its outcome and in the ledger.
        """
        if self._snapshot is None:
            self._snapshot = self._read()
        found = self._snapshot.of_schema(part.landed_schema)
        seen = DriftSeen(datetime.now(UTC), self.settings.zone)
        drift = LandedDrift(part, self.connection, seen)
        for each in drift.close(found.read, found.gone):
            self.observer.noted(each.message)
        write = SchemaWrite(part, self.settings, self.connection, self.reconcile)
        closed = {name: each for name, each in found.read.items() if name not in drift.errors}
        loads = write.run(closed, {**found.errors, **drift.errors})
        drift.settle([load.landed_table for load in loads if load.error is None])
        record(self.connection, loads, self.run_id)
        for load in loads:
            self.observer.landed(load)
        return loads

    def _read(self) -> Snapshot:
        return SourceReading(
            self.parts[0].source,
            {
                (part.landed_schema, name): part.schema_name
                for part in self.parts
                for name in part.tables
            },
            self.settings,
            self.run_id,
            self.reconcile,
            self.observer,
            self.connection,
            self.folder,
        ).read()
