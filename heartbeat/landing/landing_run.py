"""One run that lands tables of any number of sources."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import Connection
from psycopg.pq import TransactionStatus

from heartbeat.duration import seconds_of
from heartbeat.errors import HeartbeatError
from heartbeat.landing.landing_state import begin_attempts
from heartbeat.landing.ledger import TableLoad
from heartbeat.landing.marts_watch import (
    MartsSilentError,
    MartsWatch,
    WatchedSession,
    marts_watch,
)
from heartbeat.landing.selection import SelectedTables
from heartbeat.landing.source_landing import SourceLanding
from heartbeat.landing.source_reading import Observer
from heartbeat.login import Login
from heartbeat.platform_state import recording_disk
from heartbeat.postgres_session import LONGEST_WORK_SECONDS, connect
from heartbeat.settings import Settings
from heartbeat.source import Source


class LandingInProgressError(HeartbeatError):
    """Another process lands the same source now."""


class LandingRun:
    """Lands chosen tables, all tables of one source from one snapshot.

    The first schema of a source that lands reads the whole source; the source is let go when its
    last schema has landed, and everything when the run is closed. With `reconcile` the rows of
    every table are compared with the source, whatever earlier loads say of them.
    """

    def __init__(
        self,
        settings: Settings,
        run_id: str,
        chosen: Sequence[SelectedTables],
        observer: Observer,
        *,
        reconcile: bool = False,
    ) -> None:
        self._settings = settings
        self._run_id = run_id
        self._waiting = list(chosen)
        self._observer = observer
        self._reconcile = reconcile
        self._open: dict[str, tuple[SourceLanding, ExitStack, WatchedSession]] = {}
        self._recording = ExitStack()

    def __enter__(self) -> Self:
        self._recording.enter_context(recording_disk(self._settings, self._run_id))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._recording:
            for _, resources, _ in self._open.values():
                resources.close()
            self._open.clear()

    def land(self, part: SelectedTables) -> tuple[TableLoad, ...]:
        """Land one of the chosen schemas: one outcome a table, failures among them.

        Raises LandingInProgressError when another process lands the source now.
        """
        landing = self._source_landing(part.source)
        try:
            return landing.land(part)
        except psycopg.Error as error:
            if told := self._open[part.source.name][2].ended:
                raise MartsSilentError(told) from error
            raise
        finally:
            self._waiting.remove(part)
            if all(other.source.name != part.source.name for other in self._waiting):
                _, resources, _ = self._open.pop(part.source.name)
                resources.close()

    def _source_landing(self, source: Source) -> SourceLanding:
        if source.name not in self._open:
            with ExitStack() as resources:
                connection = resources.enter_context(_exclusive(self._settings, source))
                watched = resources.enter_context(
                    _watch(self._settings).watching(
                        connection.info.backend_pid, connection.fileno()
                    )
                )
                parts = [part for part in self._waiting if part.source.name == source.name]
                begin_attempts(connection, parts, self._run_id)
                landing = SourceLanding(
                    parts,
                    self._settings,
                    self._run_id,
                    self._reconcile,
                    self._observer,
                    connection,
                    resources.enter_context(_work_folder(self._settings, source)),
                )
                self._open[source.name] = landing, resources.pop_all(), watched
        return self._open[source.name][0]


def _watch(settings: Settings) -> MartsWatch:
    silence = settings.landing_silence
    return marts_watch(settings.login_url(Login.INGEST), silence, seconds_of(silence))


@contextmanager
def _exclusive(settings: Settings, source: Source) -> Iterator[Connection[Any]]:
    """A connection to marts that holds the right to land the source while it is open."""
    with connect(
        settings.login_url(Login.INGEST),
        autocommit=True,
        settings={"lock_timeout": settings.lock_timeout},
    ) as connection:
        connection.longest_silence = LONGEST_WORK_SECONDS  # shorter where nothing is done: watched
        lock = connection.execute(
            "select pg_try_advisory_lock(hashtextextended(%s, 0))", [f"land {source.name}"]
        ).fetchone()
        if lock != (True,):
            raise LandingInProgressError(
                f"source {source.name} is being landed by another process; try again later"
            )
        try:
            yield connection
        finally:
            # the server lets go a moment after the connection is closed: too late for the next run
            if connection.info.transaction_status == TransactionStatus.IDLE:
                connection.execute("select pg_advisory_unlock_all()")


@contextmanager
def _work_folder(settings: Settings, source: Source) -> Iterator[Path]:
    """The folder of the COPY files; what a killed run left in it goes first."""
    folder = settings.dlt_home / f"{source.name}.copy"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
