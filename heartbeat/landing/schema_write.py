"""The read tables of one schema, written into marts, and what became of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import Connection

from heartbeat.full_disk import with_full_disk_named
from heartbeat.landing.landed_table import LandedTable, ShapeChangeError, read_landed_tables
from heartbeat.landing.ledger import TableLoad
from heartbeat.landing.load_package import load_tables
from heartbeat.landing.lock_wait import LockWaitError, naming_lock_holders
from heartbeat.landing.read_table import ReadTable
from heartbeat.landing.selection import SelectedTables
from heartbeat.settings import Settings


@dataclass(frozen=True)
class SchemaWrite:
    """The write of the chosen tables of one schema.

    The write of a table keeps its number of rows; to `reconcile` is to count them again.
    """

    part: SelectedTables
    settings: Settings
    connection: Connection[Any]
    reconcile: bool

    def run(
        self, read: Mapping[str, ReadTable], unread: Mapping[str, str]
    ) -> tuple[TableLoad, ...]:
        """One outcome a table; `unread` has the errors of those that could not be read."""
        schema = self.part.landed_schema
        files = [(each.table, each.file) for each in read.values() if each.file]
        loaded = load_tables(schema, files, self.settings)
        for _, file in files:
            file.path.unlink()
        landed = read_landed_tables(self.connection, schema)
        return (
            *(self._failure(name, error) for name, error in unread.items()),
            *(self._refusal(read[name], error) for name, error in loaded.errors.items()),
            *(
                self._outcome(each, landed[name], loaded.seconds.get(name, 0.0))
                for name, each in read.items()
                if name not in loaded.errors
            ),
        )

    def _outcome(self, read: ReadTable, landed: LandedTable, write_seconds: float) -> TableLoad:
        table = read.table
        rows, digest = landed.last.row_count, landed.last.digest
        try:
            with naming_lock_holders(self.connection, (landed.schema_name, landed.name)):
                landed.ensure_indexes(self.connection, table, self.part.source.indexes(table))
                landed.mark_gone(self.connection, table)
                if rows is None or self.reconcile:
                    rows = landed.count_rows(self.connection)
                if read.file is not None:
                    landed.analyze(self.connection, rows)
                    digest = landed.digest(read.file)
        except (psycopg.Error, LockWaitError) as error:
            return self._refusal(read, str(error))
        return TableLoad(
            landed_schema=self.part.landed_schema,
            landed_table=table.landed_as,
            write_mode=table.write,
            started_at=read.started_at,
            polled_at=read.polled_at,
            rows_sent=read.rows,
            bytes_sent=read.bytes,
            seconds=read.seconds + write_seconds,
            row_count=rows,
            changed=read.file is not None,
            columns={column.landed_as: column.landed_type for column in table.columns},
            digest=digest,
            source_state=read.state,
        )

    def _refusal(self, read: ReadTable, error: str) -> TableLoad:
        reason = str(ShapeChangeError(read.reshapes, error)) if read.reshapes else error
        return TableLoad(
            landed_schema=self.part.landed_schema,
            landed_table=read.table.landed_as,
            write_mode=read.table.write,
            started_at=read.started_at,
            seconds=read.seconds,
            error=self._said(reason),
        )

    def _failure(self, name: str, error: str) -> TableLoad:
        recorded = self.part.source.catalog.table(self.part.schema_name, name)
        assert recorded is not None
        return TableLoad(
            landed_schema=self.part.landed_schema,
            landed_table=name,
            write_mode=recorded.write,
            started_at=datetime.now(UTC),
            error=self._said(error),
        )

    def _said(self, error: str) -> str:
        return with_full_disk_named(" ".join(error.split()), self.settings.dlt_home)
