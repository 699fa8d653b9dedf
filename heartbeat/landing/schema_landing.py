"""Land one source schema: copy out of one snapshot, load through dlt, index, write the ledger."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dlt
import psycopg
from dlt import Pipeline
from dlt.pipeline.exceptions import PipelineStepFailed
from psycopg import Connection, sql

from heartbeat.errors import HeartbeatError, SourceUnreachableError
from heartbeat.landing.catalog import Table
from heartbeat.landing.destination import marts
from heartbeat.landing.landed_table import LandedTable
from heartbeat.landing.ledger import TableLoad, record
from heartbeat.landing.resource import schema_source
from heartbeat.landing.source_session import CopiedRows, SourceSession, source_session
from heartbeat.settings import Settings
from heartbeat.source import Source, TableOptions

Progress = Callable[[str], None]
"""Called with a landed table's name when its rows have been read."""

# extraction in threads breaks under Dagster, dlt's twenty loaders starve a small Postgres, and what
# dlt remembers of a table is no better than the source and marts themselves
_DLT_SETTINGS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "RESTORE_FROM_DESTINATION": "false",
    "EXTRACT__WORKERS": "1",
    "LOAD__WORKERS": "3",
    "LOAD__DELETE_COMPLETED_JOBS": "true",
    "LOAD__TRUNCATE_STAGING_DATASET": "true",
    "LOAD__RAISE_ON_FAILED_JOBS": "true",
    "LOAD__RAISE_ON_MAX_RETRIES": "3",
}


def schema_pipeline(landed_schema: str, settings: Settings, folder: Path) -> Pipeline:
    """The dlt pipeline of one landed schema, with its working folder below `folder`.

    A replace fills a staging table first, so that a failed load leaves the rows that were there.
    """
    os.environ.update(_DLT_SETTINGS)
    return dlt.pipeline(
        pipeline_name=landed_schema,
        pipelines_dir=str(folder),
        destination=marts(settings.database_url, replace_strategy="insert-from-staging"),
        dataset_name=landed_schema,
    )


class LandingInProgressError(HeartbeatError):
    """Another process lands the same schema now."""


@dataclass(frozen=True)
class _ReadTable:
    table: Table
    landed: LandedTable
    copied: CopiedRows
    polled_at: datetime
    started_at: datetime


@dataclass(frozen=True)
class SchemaLanding:
    """The landing of chosen tables of one source schema into its landed schema."""

    source: Source
    schema_name: str
    settings: Settings
    run_id: str

    @property
    def landed_schema(self) -> str:
        """The schema in marts."""
        return self.source.landed_schema(self.schema_name)

    def land(self, landed_tables: Sequence[str], progress: Progress) -> tuple[TableLoad, ...]:
        """Land the tables, given by their landed names: one outcome each, failures among them.

        A table that fails keeps its last good rows and says why in its outcome and in the ledger.
        Raises LandingInProgressError when another process lands this schema now.
        """
        with (
            psycopg.connect(self.settings.database_url, autocommit=True) as connection,
            self._exclusively(connection),
            self._work_folder() as folder,
        ):
            read, failed = self._read(landed_tables, connection, folder, progress)
            errors = self._load(read)
            outcomes = [
                *failed,
                *(self._outcome(each, errors.get(each.table.landed_as)) for each in read),
            ]
            for outcome in outcomes:
                record(connection, outcome, self.run_id)
        return tuple(outcomes)

    def _read(
        self,
        landed_tables: Sequence[str],
        connection: Connection[Any],
        folder: Path,
        progress: Progress,
    ) -> tuple[list[_ReadTable], list[TableLoad]]:
        read: list[_ReadTable] = []
        failed: list[TableLoad] = []
        try:
            with source_session(self.source.name, self.source.file) as session:
                reflection = session.reflection()
                for name in landed_tables:
                    started_at = datetime.now(UTC)
                    try:
                        table = reflection.table(self.schema_name, name)
                        read.append(self._read_table(table, session, connection, folder))
                    except (HeartbeatError, psycopg.Error, OSError) as error:
                        failed.append(self._failure(name, started_at, str(error)))
                    progress(name)
        except (SourceUnreachableError, psycopg.OperationalError) as error:
            done = {each.table.landed_as for each in read}
            remaining = [name for name in landed_tables if name not in done]
            failed = [self._failure(name, datetime.now(UTC), str(error)) for name in remaining]
        return read, failed

    def _read_table(
        self, table: Table, session: SourceSession, connection: Connection[Any], folder: Path
    ) -> _ReadTable:
        started_at = datetime.now(UTC)
        landed = LandedTable(connection, self.landed_schema, table)
        landed.refuse_changed_key()
        copied = session.copy_out(
            table,
            folder / f"{table.landed_as}.copy",
            after=None if landed.follow_types() else self._newer_rows(table, landed),
        )
        return _ReadTable(table, landed, copied, session.polled_at, started_at)

    def _newer_rows(self, table: Table, landed: LandedTable) -> sql.Composable | None:
        options = self._options(table)
        if table.write != "merge" or options.cursor is None:
            return None
        cursor = next(c for c in table.columns if c.name == options.cursor)
        watermark = landed.watermark(cursor.landed_as)
        if watermark is None:
            return None
        lag = sql.SQL("- interval {}").format(sql.Literal(options.lag))
        return sql.SQL("({cursor} >= {watermark}::{type} {lag} or {cursor} is null)").format(
            cursor=sql.Identifier(cursor.name),
            watermark=sql.Literal(watermark),
            type=sql.SQL(cursor.landed_type),
            lag=lag if cursor.is_temporal else sql.SQL(""),
        )

    def _load(self, read: Sequence[_ReadTable]) -> Mapping[str, str]:
        """The error of each table that did not load, by landed name.

        One table's error stops the package that dlt loads, so each then gets one of its own.
        """
        error = self._load_package(read) if read else None
        if error is None:
            return {}
        if len(read) == 1:
            return {read[0].table.landed_as: error}
        return {name: error for each in read for name, error in self._load([each]).items()}

    def _load_package(self, read: Sequence[_ReadTable]) -> str | None:
        source = schema_source(
            self.landed_schema,
            [each.table for each in read],
            {each.table.landed_as: each.copied for each in read},
        )
        for each in read:
            each.landed.drop_staging()
        pipeline = schema_pipeline(self.landed_schema, self.settings, self.settings.dlt_home).drop()
        try:
            pipeline.run(source)
        except PipelineStepFailed as error:
            return _first_cause(error)
        return None

    def _outcome(self, read: _ReadTable, error: str | None) -> TableLoad:
        table = read.table
        if error is not None:
            return self._failure(table.landed_as, read.started_at, error)
        try:
            read.landed.ensure_indexes(self.source.file.indexes.get(table.qualified_name, ()))
        except psycopg.Error as unusable:
            return self._failure(table.landed_as, read.started_at, str(unusable))
        return TableLoad(
            landed_schema=self.landed_schema,
            landed_table=table.landed_as,
            write_mode=table.write,
            started_at=read.started_at,
            polled_at=read.polled_at,
            rows_sent=read.copied.rows,
            bytes_sent=read.copied.bytes,
            row_count=read.landed.analyze(),
        )

    def _options(self, table: Table) -> TableOptions:
        return self.source.file.tables.get(table.qualified_name, TableOptions())

    def _failure(self, landed_table: str, started_at: datetime, error: str) -> TableLoad:
        modes = {t.landed_as: t.write for t in self.source.catalog.of_schema(self.schema_name)}
        return TableLoad(
            landed_schema=self.landed_schema,
            landed_table=landed_table,
            write_mode=modes[landed_table],
            started_at=started_at,
            error=" ".join(error.split()),
        )

    @contextmanager
    def _exclusively(self, connection: Connection[Any]) -> Iterator[None]:
        lock = connection.execute(
            "select pg_try_advisory_lock(hashtextextended(%s, 0))", [f"land {self.landed_schema}"]
        ).fetchone()
        if lock != (True,):
            raise LandingInProgressError(
                f"{self.landed_schema} is being landed by another process; try again later"
            )
        yield

    @contextmanager
    def _work_folder(self) -> Iterator[Path]:
        folder = self.settings.dlt_home / f"{self.landed_schema}.copy"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def _first_cause(error: PipelineStepFailed) -> str:
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return str(cause) or type(cause).__name__
