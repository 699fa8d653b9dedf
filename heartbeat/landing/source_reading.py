"""The chosen tables of one source, read in one snapshot, in another one where it is lost."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg import Connection
from tenacity import (
    Retrying,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from heartbeat.errors import HeartbeatError, SourceUnreachableError
from heartbeat.landing.catalog import Table
from heartbeat.landing.drift import gone_table
from heartbeat.landing.first_load import FirstLoad, Range
from heartbeat.landing.landed_table import LandedTable, read_landed_tables
from heartbeat.landing.ledger import TableLoad, record_missing, record_range
from heartbeat.landing.load_package import load_tables
from heartbeat.landing.lock_wait import naming_lock_holders
from heartbeat.landing.read_table import ReadTable, TableReader
from heartbeat.landing.reflection import Reflection
from heartbeat.landing.source_session import (
    SourceSession,
    is_conflict,
    is_lost,
    source_session,
)
from heartbeat.landing.source_snapshot import LandedName, Snapshot
from heartbeat.landing.table_state import HeldTableError, TableName
from heartbeat.postgres_session import SilentServerError
from heartbeat.settings import Settings
from heartbeat.source import Source

_ATTEMPTS = 5
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 10


class SnapshotLostError(HeartbeatError):
    """The source went away, or took its snapshot back, while it was read."""

    def __init__(self, message: str, conflicting: LandedName | None = None) -> None:
        super().__init__(message)
        self.conflicting = conflicting
        """The table that a standby would not let us read."""


class SourceSilentError(SnapshotLostError):
    """The source kept the connection and sent nothing; to try again would take as long."""


class Observer(Protocol):
    """Who watches a landing."""

    def landed(self, load: TableLoad) -> None:
        """A table is done, well or not."""

    def noted(self, message: str) -> None:
        """Something that a person who waits may want to know."""


@dataclass
class SourceReading:
    """The reading of one source into files; a large first load is landed on the way, in ranges."""

    source: Source
    chosen: Mapping[LandedName, str]
    """The source schema of each table."""
    settings: Settings
    run_id: str
    reconcile: bool
    observer: Observer
    connection: Connection[Any]
    folder: Path
    _connected: bool = False
    _held: dict[LandedName, TableName] = field(default_factory=dict)
    """Tables that were rewritten under an earlier snapshot, with their names in the source."""
    _given_up: dict[LandedName, str] = field(default_factory=dict)
    _landed_in_ranges: set[LandedName] = field(default_factory=set)
    _silent_at: LandedName | None = None

    def read(self) -> Snapshot:
        """Read all chosen tables in one snapshot, in another one if the first is lost."""
        while self._given_up.keys() < self.chosen.keys():
            try:
                for attempt in self._retrying():
                    with attempt:
                        return self._read_snapshot()
            except SnapshotLostError as lost:
                # without the table in the way the others may still have a snapshot
                failed = [lost.conflicting] if lost.conflicting else [*self.chosen]
                self._given_up = dict.fromkeys(failed, str(lost)) | self._given_up
            except HeldTableError as refused:
                self._give_up_held(refused)
            except (SourceUnreachableError, psycopg.Error) as error:
                self._given_up = dict.fromkeys(self.chosen, str(error)) | self._given_up
        return Snapshot(errors=self._given_up)

    def _give_up_held(self, refused: HeldTableError) -> None:
        """Go on without a table that cannot be held."""
        for name, table in [*self._held.items()]:
            if table == refused.table:
                self._given_up[name] = str(refused)
                del self._held[name]

    def _retrying(self) -> Retrying:
        return Retrying(
            retry=retry_if_exception_type(SnapshotLostError)
            & retry_if_not_exception_type(SourceSilentError),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential_jitter(multiplier=_FIRST_WAIT_SECONDS, max=_LONGEST_WAIT_SECONDS),
            before_sleep=lambda state: self.observer.noted(
                f"{self.source.name}: lost the snapshot, trying again: "
                f"{state.outcome.exception() if state.outcome else ''}"
            ),
            reraise=True,
        )

    def _read_snapshot(self) -> Snapshot:
        snapshot = Snapshot(errors=dict(self._given_up))
        with self._session() as session:
            reflection = session.reflection(self.source.catalog)
            session.look_at(self._chosen_of(reflection))
            landed = self._landed_tables()
            first_loads = self._first_loads(session, reflection, landed, snapshot)
            if not first_loads:
                self._read_tables(session, reflection, landed, snapshot)
                self._refuse_rewritten(
                    session, {name: each.table for name, each in snapshot.read.items()}
                )
                return snapshot
        for name, first_load in first_loads.items():
            with self._failing(name, self._given_up):
                self._land_in_ranges(name, first_load)
                self._landed_in_ranges.add(name)
        return self._read_snapshot()

    def _chosen_of(self, reflection: Reflection) -> list[Table]:
        names = ((schema_name, name) for (_, name), schema_name in self.chosen.items())
        return [reflection.tables[name] for name in names if name in reflection.tables]

    def _first_loads(
        self,
        session: SourceSession,
        reflection: Reflection,
        landed: Mapping[LandedName, LandedTable],
        snapshot: Snapshot,
    ) -> dict[LandedName, FirstLoad]:
        due: dict[LandedName, FirstLoad] = {}
        for name in self.chosen:
            table = reflection.tables.get((self.chosen[name], name[1]))
            if table is None or name in snapshot.errors or name in self._landed_in_ranges:
                continue
            with self._failing(name, snapshot.errors):
                first_load = self._first_load(table, landed[name])
                if first_load.is_due(session):
                    due[name] = first_load
        return due

    def _read_tables(
        self,
        session: SourceSession,
        reflection: Reflection,
        landed: Mapping[LandedName, LandedTable],
        snapshot: Snapshot,
    ) -> None:
        reader = self._reader(session)
        for name in self.chosen:
            if name in snapshot.errors:
                continue
            # what waits in the source for a lock has named its holder already
            with (
                self._failing(name, snapshot.errors),
                naming_lock_holders(self.connection, name),
            ):
                self._note_gone(name, reflection, snapshot)
                table = reflection.table(self.chosen[name], name[1])
                in_ranges = name in self._landed_in_ranges
                snapshot.read[name] = reader.read(table, self.source, landed[name], in_ranges)

    def _refuse_rewritten(self, session: SourceSession, tables: Mapping[LandedName, Table]) -> None:
        """Begin anew where a table is not what it was when the snapshot began; then it is held.

        Held from the start, all tables would keep a change of the source's own waiting, and
        whoever waits behind that, for as long as the whole source is read.
        """
        rewritten = session.rewritten(tables.values())
        found = {
            name: (each.schema_name, each.name)
            for name, each in tables.items()
            if (each.schema_name, each.name) in rewritten
        }
        for name, table in found.items():
            self._held[name] = table
            told = f"{'.'.join(table)} was truncated or rewritten while it was read"
            raise SnapshotLostError(told, name)

    def _note_gone(self, name: LandedName, reflection: Reflection, snapshot: Snapshot) -> None:
        recorded = self.source.catalog.table(self.chosen[name], name[1])
        if recorded and reflection.lacks(self.chosen[name], name[1]):
            snapshot.gone[name] = gone_table(self.source, recorded, reflection)

    def _land_in_ranges(self, name: LandedName, first_load: FirstLoad) -> None:
        if first_load.after is not None:
            self.observer.noted(
                f"{'.'.join(name)}: the first load goes on after {first_load.position}"
            )
        while found := self._read_range(name, first_load):
            first_load = self._land_range(name, first_load, *found)
            if found[0].is_last:
                return

    def _read_range(
        self, name: LandedName, first_load: FirstLoad
    ) -> tuple[Range, ReadTable] | None:
        for attempt in self._retrying():
            with attempt, self._session(name) as session:
                session.look_at([first_load.table])
                range_ = first_load.next_range(session)
                if range_ is None:
                    return None
                read = self._reader(session).read_rows(
                    first_load.table, first_load.landed, range_.plan, range_.condition
                )
                self._refuse_rewritten(session, {name: first_load.table})
                return range_, read
        return None

    def _land_range(
        self, name: LandedName, first_load: FirstLoad, range_: Range, read: ReadTable
    ) -> FirstLoad:
        table = first_load.table
        assert read.file is not None
        loaded = load_tables(name[0], [(table, read.file)], self.settings)
        read.file.path.unlink()
        if loaded.errors:
            raise HeartbeatError(loaded.errors[table.landed_as])
        landed = self._landed_table(name)
        landed.ensure_indexes(self.connection, table, self.source.indexes(table))
        record_range(
            self.connection,
            landed,
            table,
            self.run_id,
            after=range_.until,
            since=range_.since,
            # the last step compares with the first range, and no range has to begin anew
            source_state=first_load.landed.last.source_state if first_load.after else read.state,
        )
        self.observer.noted(f"{'.'.join(name)}: landed up to {', '.join(range_.until)}")
        return self._first_load(table, self._landed_table(name))

    @contextmanager
    def _failing(self, name: LandedName, errors: dict[LandedName, str]) -> Iterator[None]:
        """Keep the error of one table, and go on; a lost snapshot is the error of all of them."""
        try:
            yield
        except SilentServerError as silence:
            # a second table would most likely wait as long for nothing, and a third
            alone = name if self._silent_at is None else None
            self._silent_at = name
            raise SourceSilentError(self._told(silence), alone) from silence
        except psycopg.Error as error:
            if is_lost(error):
                conflicting = name if is_conflict(error) else None
                raise SnapshotLostError(" ".join(str(error).split()), conflicting) from error
            errors[name] = str(error)
        except SnapshotLostError as lost:
            if lost.conflicting is None:
                raise
            errors[name] = str(lost)
        except (HeartbeatError, OSError) as error:
            errors[name] = str(error)

    def _told(self, silence: SilentServerError) -> str:
        return (
            f"source {self.source.name}: {silence}; where the source needs longer, raise "
            f"silence_timeout in {self.source.path.name}"
        )

    @contextmanager
    def _session(self, ranged: LandedName | None = None) -> Iterator[SourceSession]:
        """A snapshot; `ranged` is the one table that it is for, where it is for one."""
        try:
            held = [table for name, table in self._held.items() if ranged in (None, name)]
            with source_session(self.source.name, self.source.file, held) as session:
                self._connected = True
                yield session
        except SourceUnreachableError as error:
            if self._connected:
                raise SnapshotLostError(str(error)) from error
            raise
        except psycopg.Error as error:
            if is_lost(error):
                conflicting = ranged if is_conflict(error) else None
                raise SnapshotLostError(" ".join(str(error).split()), conflicting) from error
            raise

    def _reader(self, session: SourceSession) -> TableReader:
        return TableReader(session, self.connection, self.folder, self.reconcile)

    def _first_load(self, table: Table, landed: LandedTable) -> FirstLoad:
        options = self.source.options(table.qualified_name)
        return FirstLoad(table, options, landed, self.source.file.first_load_rows)

    def _landed_tables(self) -> dict[LandedName, LandedTable]:
        found = {
            schema: read_landed_tables(self.connection, schema)
            for schema in {schema for schema, _ in self.chosen}
        }
        # else a run that is killed in a first load leaves a part with the age of the whole
        record_missing(
            self.connection, [name for name in self.chosen if name[1] not in found[name[0]]]
        )
        return {name: found[name[0]].get(name[1], LandedTable(*name)) for name in self.chosen}

    def _landed_table(self, name: LandedName) -> LandedTable:
        return read_landed_tables(self.connection, name[0])[name[1]]
