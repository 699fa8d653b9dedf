"""The landing of one source in one run: read in one snapshot, written schema by schema."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg import Connection
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from heartbeat.errors import HeartbeatError, SourceUnreachableError
from heartbeat.landing.catalog import Table
from heartbeat.landing.first_load import FirstLoad, Range
from heartbeat.landing.landed_table import LandedTable, ShapeChangeError, read_landed_tables
from heartbeat.landing.ledger import TableLoad, record, record_range
from heartbeat.landing.load_package import load_tables
from heartbeat.landing.read_table import ReadTable, TableReader
from heartbeat.landing.reflection import Reflection
from heartbeat.landing.selection import SelectedTables
from heartbeat.landing.source_session import (
    SourceSession,
    is_conflict,
    is_lost,
    source_session,
)
from heartbeat.settings import Settings
from heartbeat.source import Source

_TableName = tuple[str, str]
"""Landed schema and table."""

_ATTEMPTS = 5
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 10


class SnapshotLostError(HeartbeatError):
    """The source went away, or took its snapshot back, while it was read."""

    def __init__(self, message: str, conflicting: "_TableName | None" = None) -> None:
        super().__init__(message)
        self.conflicting = conflicting
        """The table that a standby would not let us read."""


class Observer(Protocol):
    """Who watches a landing."""

    def landed(self, load: TableLoad) -> None:
        """A table is done, well or not."""

    def noted(self, message: str) -> None:
        """Something that a person who waits may want to know."""


@dataclass
class _Snapshot:
    """What was read of one source, or why not."""

    read: dict[_TableName, ReadTable] = field(default_factory=dict)
    errors: dict[_TableName, str] = field(default_factory=dict)


@dataclass
class SourceLanding:
    """The landing of chosen tables of one source."""

    source: Source
    parts: Sequence[SelectedTables]
    settings: Settings
    run_id: str
    reconcile: bool
    observer: Observer
    connection: Connection[Any]
    folder: Path
    _snapshot: _Snapshot | None = None
    _connected: bool = False
    _landed_in_ranges: set[_TableName] = field(default_factory=set)

    def land(self, part: SelectedTables) -> tuple[TableLoad, ...]:
        """Land the chosen tables of one schema: one outcome each, failures among them.

        A table that fails keeps its last good rows and says why in its outcome and in the ledger.
        """
        if self._snapshot is None:
            self._snapshot = self._read_source()
        loads = self._write(part, self._snapshot)
        record(self.connection, loads, self.run_id)
        for load in loads:
            self.observer.landed(load)
        return loads

    def _read_source(self) -> _Snapshot:
        """Read all chosen tables in one snapshot, in another one if the first is lost."""
        errors: dict[_TableName, str] = {}
        while True:
            try:
                for attempt in self._retrying():
                    with attempt:
                        return self._read_snapshot(errors)
            except SnapshotLostError as lost:
                # without the table in the way the others may still have a snapshot
                failed = [lost.conflicting] if lost.conflicting else self._chosen
                errors |= dict.fromkeys(failed, str(lost))
            except (SourceUnreachableError, psycopg.Error) as error:
                errors |= dict.fromkeys(self._chosen, str(error))
            if errors.keys() >= set(self._chosen):
                return _Snapshot(errors=errors)

    def _retrying(self) -> Retrying:
        return Retrying(
            retry=retry_if_exception_type(SnapshotLostError),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential_jitter(multiplier=_FIRST_WAIT_SECONDS, max=_LONGEST_WAIT_SECONDS),
            before_sleep=lambda state: self.observer.noted(
                f"{self.source.name}: lost the snapshot, trying again: "
                f"{state.outcome.exception() if state.outcome else ''}"
            ),
            reraise=True,
        )

    def _read_snapshot(self, given_up: Mapping[_TableName, str]) -> _Snapshot:
        snapshot = _Snapshot(errors=dict(given_up))
        with self._session() as session:
            reflection = session.reflection(self.source.catalog)
            landed = self._landed_tables()
            first_loads = self._first_loads(session, reflection, landed, snapshot)
            if not first_loads:
                self._read_tables(session, reflection, landed, snapshot)
                return snapshot
        for name, first_load in first_loads.items():
            with self._failing(name, snapshot):
                self._land_in_ranges(name, first_load)
            self._landed_in_ranges.add(name)
        return self._read_snapshot(snapshot.errors)

    def _first_loads(
        self,
        session: SourceSession,
        reflection: Reflection,
        landed: Mapping[_TableName, LandedTable],
        snapshot: _Snapshot,
    ) -> dict[_TableName, FirstLoad]:
        due: dict[_TableName, FirstLoad] = {}
        for name in self._chosen:
            table = reflection.tables.get((self._schema_name(name), name[1]))
            if table is None or name in snapshot.errors or name in self._landed_in_ranges:
                continue
            with self._failing(name, snapshot):
                first_load = self._first_load(table, landed[name])
                if first_load.is_due(session):
                    due[name] = first_load
        return due

    def _read_tables(
        self,
        session: SourceSession,
        reflection: Reflection,
        landed: Mapping[_TableName, LandedTable],
        snapshot: _Snapshot,
    ) -> None:
        reader = self._reader(session)
        for name in self._chosen:
            if name in snapshot.errors:
                continue
            with self._failing(name, snapshot):
                table = reflection.table(self._schema_name(name), name[1])
                options = self.source.options(table.qualified_name)
                indexes = self._indexes(table)
                snapshot.read[name] = reader.read(table, options, landed[name], indexes)

    def _land_in_ranges(self, name: _TableName, first_load: FirstLoad) -> None:
        if first_load.after is not None:
            self.observer.noted(
                f"{'.'.join(name)}: the first load goes on after {first_load.position}"
            )
        while found := self._read_range(first_load):
            first_load = self._land_range(name, first_load, *found)
            if found[0].is_last:
                return

    def _read_range(self, first_load: FirstLoad) -> tuple[Range, ReadTable] | None:
        for attempt in self._retrying():
            with attempt, self._session() as session:
                range_ = first_load.next_range(session)
                if range_ is None:
                    return None
                return range_, self._reader(session).read_rows(
                    first_load.table, first_load.landed, range_.plan, range_.condition
                )
        return None

    def _land_range(
        self, name: _TableName, first_load: FirstLoad, range_: Range, read: ReadTable
    ) -> FirstLoad:
        table = first_load.table
        assert read.file is not None
        loaded = load_tables(name[0], [(table, read.file)], self.settings)
        read.file.path.unlink()
        if loaded.errors:
            raise HeartbeatError(loaded.errors[table.landed_as])
        landed = self._landed_table(name)
        landed.ensure_indexes(self.connection, table, self._indexes(table))
        record_range(
            self.connection, landed, table, self.run_id, after=range_.until, since=range_.since
        )
        return self._first_load(table, self._landed_table(name))

    def _write(self, part: SelectedTables, snapshot: _Snapshot) -> tuple[TableLoad, ...]:
        schema = part.landed_schema
        read = {name: snapshot.read.get((schema, name)) for name in part.tables}
        files = [(each.table, each.file) for each in read.values() if each and each.file]
        loaded = load_tables(schema, files, self.settings)
        landed = read_landed_tables(self.connection, schema)
        errors = {**loaded.errors} | {
            name: error for (owner, name), error in snapshot.errors.items() if owner == schema
        }
        loads = [
            self._failure(part, name, each, _reason(each, errors[name]))
            if each is None or name in errors
            else self._outcome(part, each, landed[name], loaded.seconds.get(name, 0.0))
            for name, each in read.items()
        ]
        for _, file in files:
            file.path.unlink()
        return tuple(loads)

    def _outcome(
        self, part: SelectedTables, read: ReadTable, landed: LandedTable, write_seconds: float
    ) -> TableLoad:
        table = read.table
        rows, digest = landed.last.row_count, landed.last.digest
        try:
            landed.ensure_indexes(self.connection, table, self._indexes(table))
            landed.mark_gone(self.connection, table)
            if read.file is not None or rows is None:
                rows = landed.count_rows(self.connection)
                landed.analyze(self.connection, rows)
            if read.file is not None:
                digest = landed.digest(read.file)
        except psycopg.Error as error:
            return self._failure(part, table.landed_as, read, str(error))
        return TableLoad(
            landed_schema=part.landed_schema,
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
        )

    def _failure(
        self, part: SelectedTables, name: str, read: ReadTable | None, error: str
    ) -> TableLoad:
        recorded = self.source.catalog.table(part.schema_name, name)
        assert recorded is not None
        return TableLoad(
            landed_schema=part.landed_schema,
            landed_table=name,
            write_mode=recorded.write,
            started_at=read.started_at if read else datetime.now(UTC),
            seconds=read.seconds if read else 0.0,
            error=" ".join(error.split()),
        )

    @contextmanager
    def _failing(self, name: _TableName, snapshot: _Snapshot) -> Iterator[None]:
        """Keep the error of one table, and go on; a lost snapshot is the error of all of them."""
        try:
            yield
        except psycopg.Error as error:
            if is_lost(error):
                conflicting = name if is_conflict(error) else None
                raise SnapshotLostError(" ".join(str(error).split()), conflicting) from error
            snapshot.errors[name] = str(error)
        except SnapshotLostError:
            raise
        except (HeartbeatError, OSError) as error:
            snapshot.errors[name] = str(error)

    @contextmanager
    def _session(self) -> Iterator[SourceSession]:
        try:
            with source_session(self.source.name, self.source.file) as session:
                self._connected = True
                yield session
        except SourceUnreachableError as error:
            if self._connected:
                raise SnapshotLostError(str(error)) from error
            raise
        except psycopg.Error as error:
            if is_lost(error):
                raise SnapshotLostError(" ".join(str(error).split())) from error
            raise

    def _reader(self, session: SourceSession) -> TableReader:
        return TableReader(session, self.connection, self.folder, self.reconcile)

    def _first_load(self, table: Table, landed: LandedTable) -> FirstLoad:
        options = self.source.options(table.qualified_name)
        return FirstLoad(table, options, landed, self.source.file.first_load_rows)

    def _indexes(self, table: Table) -> Sequence[Sequence[str]]:
        """The declared indexes, and one that finds the greatest landed cursor."""
        declared = self.source.file.indexes.get(table.qualified_name, ())
        cursor = self.source.options(table.qualified_name).cursor
        return [*declared, *([(cursor,)] if cursor and table.write in ("merge", "append") else [])]

    @property
    def _chosen(self) -> list[_TableName]:
        return [(part.landed_schema, name) for part in self.parts for name in part.tables]

    def _schema_name(self, name: _TableName) -> str:
        return next(part.schema_name for part in self.parts if part.landed_schema == name[0])

    def _landed_tables(self) -> dict[_TableName, LandedTable]:
        found = {
            part.landed_schema: read_landed_tables(self.connection, part.landed_schema)
            for part in self.parts
        }
        return {name: found[name[0]].get(name[1], LandedTable(*name)) for name in self._chosen}

    def _landed_table(self, name: _TableName) -> LandedTable:
        return read_landed_tables(self.connection, name[0])[name[1]]


def _reason(read: ReadTable | None, error: str) -> str:
    return str(ShapeChangeError(read.reshapes, error)) if read and read.reshapes else error
