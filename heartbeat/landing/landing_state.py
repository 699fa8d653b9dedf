"""What the last refreshes left behind: which tables did not land, told until they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from heartbeat.landing.selection import SelectedTables
from heartbeat.source import LoadedSources
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("landing_state")

RESTORED = "restored from a backup without its rows; the next refresh lands it"
"""What a restore writes in place of an error, for a table whose rows are not in a backup."""

LeftAttempts = Mapping[str, datetime]
"""When the landing began that left a table behind, by `schema.table`."""


@dataclass(frozen=True)
class FailedLoad:
    """A table whose last attempt failed, or broke off (`error` is None then).

    Its rows are those of `polled_at`; `at` is when the attempt ended, or when the landing began
    that broke off, and None for one from before that was written down.
    """

    table: str
    polled_at: datetime | None
    error: str | None
    at: datetime | None


@dataclass(frozen=True)
class LandingState:
    """How many tables the sources land, and which of them did not land when last attempted."""

    tables: int = 0
    failed: tuple[FailedLoad, ...] = ()

    @property
    def failed_at(self) -> datetime | None:
        """When the last of the failed attempts failed; None when none did."""
        attempted = (load for load in self.failed if load.error != RESTORED)
        return max((load.at for load in attempted if load.at), default=None)

    @property
    def refused(self) -> tuple[str, ...]:
        """The tables whose attempt ended with an error."""
        return tuple(load.table for load in self.failed if load.error not in (None, RESTORED))

    @property
    def restored(self) -> tuple[str, ...]:
        """The tables that have not landed since the database was restored from a backup."""
        return tuple(load.table for load in self.failed if load.error == RESTORED)

    @property
    def broken_off(self) -> tuple[str, ...]:
        """The tables whose attempt began and never ended: what carried it out is gone."""
        return tuple(load.table for load in self.failed if load.error is None)

    def text(self, when: str) -> str:
        """One line: "refresh failed 13:56: 2 of 34 tables refused"; empty when all is well.

        A restore is no refresh that failed: "34 tables not landed since the restore".
        `when` is `failed_at` as the reader is told moments; empty where it is not known.
        """
        if not self.failed:
            return ""
        told = (
            (self.refused, "refused"),
            (self.broken_off, "not landed"),
            (self.restored, "not landed since the restore"),
        )
        first, *others = [(len(names), word) for names, word in told if names]
        of_all = "" if len(self.failed) == self.tables else f" of {self.tables}"
        number, word = first
        noun = "table" if number == 1 and not of_all else "tables"
        parts = [f"{number}{of_all} {noun} {word}", *(f"{each} {what}" for each, what in others)]
        if not self.refused and not self.broken_off:
            return parts[0]
        verb = "failed" if self.refused else "broke off"
        return f"refresh {' '.join([verb, *([when] if when else [])])}: {', '.join(parts)}"


@dataclass(frozen=True)
class _Attempt:
    table: str
    polled_at: datetime | None
    error: str | None
    began_at: datetime | None
    ended_at: datetime | None


def begin_attempts(
    connection: Connection[Any], parts: Sequence[SelectedTables], run_id: str
) -> None:
    """Write down which tables a landing is about to attempt, so that it leaves a trace if it dies.

    The connection holds the right to land their source.
    """
    begun = [
        {
            "schema_name": part.landed_schema,
            "table_name": name,
            "write_mode": table.write,
            "run_id": run_id,
            "source_name": part.source.name,
        }
        for part in parts
        for name in part.tables
        if (table := part.source.catalog.table(part.schema_name, name)) is not None
    ]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(_STATEMENTS["begun"], begun)


def sync_sources(connection: Connection[Any], loaded: LoadedSources) -> None:
    """Bring the ledger to the files in `sources/`: what no source lands is missed by nobody."""
    tables = [
        f"{source.landed_schema(table.schema_name)}.{table.landed_as}"
        for source in loaded.sources
        for table in source.catalog.tables
    ]
    unreadable = sorted({problem.path.name.partition(".")[0] for problem in loaded.problems})
    with connection.transaction():
        connection.execute(_STATEMENTS["sync"], {"tables": tables, "unreadable": unreadable})


def read_left_attempts(connection: Connection[Any]) -> LeftAttempts:
    """Attempts that had not ended while nobody held the lock of their source.

    Locks are as of now and rows as of the transaction's snapshot: a landing that ends between the
    two looks left behind. `read_landing_state` tells them apart, in a later transaction.
    """
    return dict(connection.execute(_STATEMENTS["left"]).fetchall())


def read_landing_state(connection: Connection[Any], left: LeftAttempts) -> LandingState:
    """What did not land; `left` was read in an earlier transaction."""
    with connection.cursor() as cursor:
        tables = cursor.execute(_STATEMENTS["tables"]).fetchone()
    with connection.cursor(row_factory=class_row(_Attempt)) as cursor:
        attempts = cursor.execute(_STATEMENTS["troubled"]).fetchall()
    failed = (_failed_load(attempt, left.get(attempt.table)) for attempt in attempts)
    return LandingState(tables[0] if tables else 0, tuple(load for load in failed if load))


def _failed_load(attempt: _Attempt, left_at: datetime | None) -> FailedLoad | None:
    """None for an attempt that goes on, and whose last one was good."""
    if attempt.began_at is not None and attempt.began_at == left_at:
        return FailedLoad(attempt.table, attempt.polled_at, None, attempt.began_at)
    if attempt.error is None:
        return None
    return FailedLoad(attempt.table, attempt.polled_at, attempt.error, attempt.ended_at)
