"""The landing of one source in one run: read as a whole, written schema by schema."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg import Connection

from heartbeat.landing.ledger import TableLoad, record
from heartbeat.landing.schema_write import SchemaWrite
from heartbeat.landing.selection import SelectedTables
from heartbeat.landing.source_reading import Observer, Snapshot, SourceReading
from heartbeat.settings import Settings


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
        read, errors = self._snapshot.of_schema(part.landed_schema)
        loads = SchemaWrite(part, self.settings, self.connection, self.reconcile).run(read, errors)
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
