"""One table, read out of a snapshot of its source."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from psycopg import Connection, sql

from heartbeat.landing.catalog import Table
from heartbeat.landing.comparison import compared
from heartbeat.landing.copy_file import CopyFile, write_copy_file
from heartbeat.landing.landed_table import LandedTable
from heartbeat.landing.landed_write import in_range
from heartbeat.landing.read_plan import ReadPlan, plan_read
from heartbeat.landing.source_session import SourceSession
from heartbeat.landing.table_state import TableState
from heartbeat.source import Source


@dataclass(frozen=True)
class ReadTable:
    """What a load found; without a file there is nothing to write."""

    table: Table
    state: TableState
    """Of the table in the snapshot that it was read from."""
    started_at: datetime
    polled_at: datetime
    seconds: float
    rows: int
    bytes: int
    file: CopyFile | None
    reshapes: str = ""
    """In which the landed table has to follow the source, for people."""


@dataclass(frozen=True)
class TableReader:
    """Reads tables of one snapshot into files of one folder."""

    session: SourceSession
    connection: Connection[Any]
    """To marts, in autocommit."""
    folder: Path
    reconcile: bool

    def read(self, table: Table, source: Source, landed: LandedTable, in_ranges: bool) -> ReadTable:
        """Read what a load has to write; the landed table gets what the write builds upon.

        `in_ranges` says that a first load in ranges has come to its last step.
        Raises psycopg.Error, OSError, or a HeartbeatError that says why the table cannot land.
        """
        # else all rows are read, and columns that are new have to land before their indexes
        if landed.is_complete and landed.has_values_of(table) and landed.has_key_of(table):
            landed.widen(self.connection, table)
            landed.ensure_indexes(self.connection, table, source.indexes(table))
        options = source.options(table.qualified_name)
        plan = plan_read(
            table,
            options,
            landed,
            self.session.state(table),
            self.connection,
            in_ranges=in_ranges,
            reconcile=self.reconcile,
        )
        if plan.compares:
            return self._compare(table, landed, plan)
        return self.read_rows(table, landed, plan, in_range(plan.past) if plan.past else None)

    def read_rows(
        self, table: Table, landed: LandedTable, plan: ReadPlan, condition: sql.Composable | None
    ) -> ReadTable:
        """Read the rows that meet a condition, or all."""
        watch = _Watch()
        rows = self.session.copy_rows(table, condition)
        file = write_copy_file(self._path(table, landed), plan.order, (), rows)
        adds_nothing = plan.order.how == "merge" and rows.rows == 0
        if (adds_nothing or landed.holds(file)) and not plan.repairs:
            file.path.unlink()
            return self._found(table, watch, rows.rows, file.bytes, None)
        found = self._found(table, watch, rows.rows, file.bytes, file)
        return replace(found, reshapes=landed.differences(table)) if plan.order.reshaping else found

    def _compare(self, table: Table, landed: LandedTable, plan: ReadPlan) -> ReadTable:
        watch = _Watch()
        with compared(self.session, self.connection, landed, table) as difference:
            if difference.is_equal:
                return self._found(table, watch, difference.compared, 0, None)
            rows = self.session.copy_rows(table, difference.missing_rows())
            keys = difference.surplus_keys() if difference.surplus else ()
            file = write_copy_file(self._path(table, landed), plan.order, keys, rows)
        return self._found(table, watch, difference.compared, file.bytes, file)

    def _path(self, table: Table, landed: LandedTable) -> Path:
        return self.folder / f"{landed.schema_name}.{table.landed_as}.copy"

    def _found(
        self, table: Table, watch: "_Watch", rows: int, size: int, file: CopyFile | None
    ) -> ReadTable:
        return ReadTable(
            table,
            self.session.state(table),
            watch.started_at,
            self.session.polled_at,
            watch.seconds,
            rows,
            size,
            file,
        )


class _Watch:
    def __init__(self) -> None:
        self.started_at = datetime.now(UTC)
        self._start = monotonic()

    @property
    def seconds(self) -> float:
        return monotonic() - self._start
