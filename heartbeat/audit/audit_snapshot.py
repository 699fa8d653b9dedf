"""The audit cuts in the database: their registry, and one snapshot per cut and window."""

import gzip
import textwrap
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg.types.json import Json as OrderedJson
from psycopg.types.json import Jsonb

from heartbeat.audit import chart_rendering
from heartbeat.audit.audit_cut import AuditCut, Connection, LoadedCuts
from heartbeat.audit.confined_process import (
    ConfinedProcess,
    CutFaultError,
    CutLimitError,
    CutLimits,
    CutProblemError,
    Patience,
    cut_patience,
)
from heartbeat.audit.cut_payload import Json, PayloadError
from heartbeat.audit.cut_session import CutSession, Reading, end_session
from heartbeat.audit.drawing_process import DRAWING
from heartbeat.author_query import QueryError
from heartbeat.errors import HeartbeatError
from heartbeat.login import Login
from heartbeat.marts_session import (
    checking_session,
    empty_tables,
    source_as_of,
    telling_holders,
)
from heartbeat.postgres_session import connect
from heartbeat.settings import Settings
from heartbeat.sql import platform_statements
from heartbeat.table_reference import TableRef

_SQL: Final = platform_statements("audit_snapshot")
_LONGEST_ERROR: Final = 500


class UnknownWindowError(HeartbeatError):
    """A window that the cut does not have."""


@dataclass(frozen=True)
class RegistryChange:
    """What one sync did to the registry of cuts: ids, sorted."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True)
class SnapshotOutcome:
    """What became of one compute. With an `error` the last good snapshot stayed as it was."""

    cut_id: str
    window_key: str
    source_as_of: datetime | None
    """The oldest `polled_at` among the tables it reads; None when one of them never landed."""
    error: str | None
    svg_bytes: int
    headline: str = ""
    """The finding in one line, where the payload has one."""


class ReadsError(HeartbeatError):
    """The tables that a cut declares are not those that it reads."""


class CutError(HeartbeatError):
    """A fault of the cut; the message names the step, the file and the line."""


@dataclass(frozen=True)
class DrawnCut:
    """One cut over one window, computed and drawn."""

    payload: Mapping[str, Json]
    chart: chart_rendering.RenderedChart
    source_as_of: datetime | None
    """The oldest `polled_at` among the tables it reads; None when one of them never landed."""
    empty_reads: frozenset[TableRef]
    """Those of the tables it reads that have no row."""


def sync_cuts(connection: Connection, loaded: LoadedCuts) -> RegistryChange:
    """Bring `audit_cut_registry` to the files, in one transaction.

    A cut whose file is gone leaves the registry, its snapshots stay. A file that is there but
    broken keeps its row. Owner and verification state belong to the operators: never touched.
    """
    kept = [*(cut.cut_id for cut in loaded.cuts), *loaded.broken]
    with connection.transaction(), connection.cursor() as cursor:
        before = {cut_id for (cut_id,) in cursor.execute(_SQL["registered"])}
        written = set()
        for cut in loaded.cuts:
            written |= {cut_id for (cut_id,) in cursor.execute(_SQL["register"], _columns(cut))}
        removed = {cut_id for (cut_id,) in cursor.execute(_SQL["unregister"], {"kept": kept})}
    return RegistryChange(
        added=tuple(sorted(written - before)),
        changed=tuple(sorted(written & before)),
        removed=tuple(sorted(removed)),
    )


def compute_snapshots(
    cut: AuditCut, settings: Settings, *, as_of: datetime, run_id: str
) -> list[SnapshotOutcome]:
    """Compute, draw and store one cut for all its windows, within the time that a cut has."""
    patience = cut_patience(CutLimits.of(settings))
    return [
        compute_snapshot(cut, window, settings, as_of=as_of, run_id=run_id, patience=patience)
        for window in cut.windows
    ]


def compute_snapshot(
    cut: AuditCut,
    window: str,
    settings: Settings,
    *,
    as_of: datetime,
    run_id: str,
    patience: Patience | None = None,
) -> SnapshotOutcome:
    """Compute, draw and store one cut for one window, as of a moment with a time zone.

    A fault of the cut is stored as `error` beside the last good payload, spec, pictures and their
    times; so is a table that had rows then and has none now, since nothing would look like all
    well. Raises UnknownWindowError, and psycopg's own errors when the database cannot be reached.
    """
    try:
        drawn = draw_cut(cut, window, settings, as_of=as_of, patience=patience)
    except (CutError, QueryError) as error:
        return _store_error(settings, cut, window, run_id, str(error))
    if emptied := _emptied(settings, cut, window, drawn):
        told = f"no data: {_listed(emptied)} had rows at the last compute and has none now"
        return _store_error(settings, cut, window, run_id, told)
    try:
        return _store(settings, cut, window, run_id, drawn)
    except psycopg.DataError as error:
        told = f"the database cannot hold what {cut.path.name} gives: {error.diag.message_primary}"
        return _store_error(settings, cut, window, run_id, told)


def draw_cut(
    cut: AuditCut,
    window: str,
    settings: Settings,
    *,
    as_of: datetime,
    patience: Patience | None = None,
) -> DrawnCut:
    """Compute and draw one cut for one window, as of a moment with a time zone; store nothing.

    The cut reads in one read-only snapshot of the database, each statement within the settings'
    `statement_timeout`, and must read the tables of its `reads`, all of them and no other. Its code
    runs in processes that hold nothing else, within the settings' `cut_timeout` (or `patience`) and
    `cut_memory`. Raises CutError, QueryError, UnknownWindowError, and psycopg's own errors when the
    database cannot be reached.
    """
    if window not in cut.windows:
        raise UnknownWindowError(
            f"{cut.cut_id} has no window {window!r}; it has {', '.join(cut.windows)}"
        )
    limits = CutLimits.of(settings)
    patience = patience or cut_patience(limits)
    with checking_session(settings, cut.reads) as checking:
        session = CutSession.of(checking, cut.reads, settings, as_of=as_of)
        with telling_holders(checking), _faults_of(cut, "compute"):
            payload = _computed(cut, window, settings, session, patience)
        oldest_poll = source_as_of(checking, cut.reads)
        empty_reads = empty_tables(checking, cut.reads)
    with _faults_of(cut, "chart"):
        with ConfinedProcess(limits, cut.path.parent, patience=patience) as process:
            spec = process.ask("chart", path=str(cut.path.absolute()), payload=payload)
        chart = DRAWING.draw(spec, settings.timezone, limits, patience)
    return DrawnCut(payload, chart, oldest_poll, empty_reads)


def _computed(
    cut: AuditCut,
    window: str,
    settings: Settings,
    session: CutSession,
    patience: Patience,
) -> dict[str, Json]:
    """What the cut counts, once it is sure which tables it has read for that."""
    limits = CutLimits.of(settings)
    with ConfinedProcess(limits, cut.path.parent, patience=patience, session=session) as process:
        assert process.backend_pid is not None
        reading = Reading.of(session.checking, process.backend_pid)
        try:
            payload = process.ask("compute", path=str(cut.path.absolute()), window=window)
        except CutLimitError:
            end_session(settings, process.backend_pid)
            raise
        if not isinstance(payload, dict):
            raise PayloadError("compute must return a dict")
        touched = reading.touched()
        # the server hears of a connection that was closed a moment later
        if not (process.ask("is_open") and reading.goes_on()):
            raise ReadsError(
                "it ended its transaction, so that nobody can tell what it has read; "
                "leave out commit, rollback and close"
            )
        _refuse_other_reads(cut, touched)
    return payload


def store_chart_runtime(connection: Connection) -> None:
    """Keep what draws the specs in a browser: of the version that draws them here, once."""
    version = chart_rendering.runtime_version()
    with connection.transaction(), connection.cursor() as cursor:
        if (version,) in cursor.execute(_SQL["runtime_version"]).fetchall():
            return
        javascript = gzip.compress(chart_rendering.runtime().encode(), mtime=0)
        cursor.execute(_SQL["forget_runtime"], {"version": version})
        cursor.execute(_SQL["store_runtime"], {"version": version, "javascript": javascript})


def _refuse_other_reads(cut: AuditCut, touched: frozenset[TableRef]) -> None:
    undeclared, unread = touched - set(cut.reads), set(cut.reads) - touched
    if undeclared:
        raise ReadsError(f"its SQL reads {_listed(undeclared)}; add it to META.reads")
    if unread:
        raise ReadsError(f"META.reads has {_listed(unread)}, which its SQL does not read")


def _listed(tables: Set[TableRef]) -> str:
    return ", ".join(sorted(map(str, tables)))


def _columns(cut: AuditCut) -> dict[str, Any]:
    return {
        "cut_id": cut.cut_id,
        "page": cut.page,
        "place": cut.place,
        "title": cut.title,
        "prose": cut.prose,
        "windows": list(cut.windows),
        "window_default": cut.window_default,
        "reads": [str(table) for table in cut.reads],
        "metrics": list(cut.metrics),
        "methodology": cut.methodology,
        "how_to_read": cut.how_to_read,
        "definition_hash": cut.definition_hash,
        "words": list(cut.words),
    }


@contextmanager
def _faults_of(cut: AuditCut, step: str) -> Iterator[None]:
    try:
        yield
    except (CutProblemError, CutFaultError, CutLimitError, ReadsError, PayloadError) as error:
        line = None if isinstance(error, CutLimitError | ReadsError | PayloadError) else error.line
        place = f"{cut.path.name}:{line}" if line else cut.path.name
        message = f"{step} failed at {place}: {error}"
        told = CutError(textwrap.shorten(message, _LONGEST_ERROR, placeholder=" ..."))
        raise told from _cause(error)


def _cause(error: HeartbeatError) -> Exception:
    """The error of the database that the code met in its own process, where it was one."""
    if isinstance(error, CutFaultError) and error.sqlstate:
        with suppress(KeyError):
            return psycopg.errors.lookup(error.sqlstate)()
    return error


def _emptied(
    settings: Settings, cut: AuditCut, window: str, drawn: DrawnCut
) -> frozenset[TableRef]:
    """The tables that have lost all their rows since the last good compute; none before one."""
    asked = {"cut_id": cut.cut_id, "window_key": window}
    with connect(settings.login_url(Login.COMPUTE)) as connection:
        last_good = connection.execute(_SQL["last_good"], asked).fetchone()
    if last_good is None:
        return frozenset()
    return frozenset(table for table in drawn.empty_reads if str(table) not in last_good[0])


def _store(
    settings: Settings, cut: AuditCut, window: str, run_id: str, drawn: DrawnCut
) -> SnapshotOutcome:
    row = {
        "cut_id": cut.cut_id,
        "window_key": window,
        "payload": OrderedJson(drawn.payload),
        "spec": Jsonb(drawn.chart.spec),
        "svg": drawn.chart.svg,
        "png": drawn.chart.png,
        "empty_reads": sorted(map(str, drawn.empty_reads)),
        "source_as_of": drawn.source_as_of,
        "run_id": run_id,
    }
    with connect(settings.login_url(Login.COMPUTE)) as connection:
        connection.execute(_SQL["store"], row)
    return SnapshotOutcome(
        cut.cut_id,
        window,
        drawn.source_as_of,
        error=None,
        svg_bytes=len(drawn.chart.svg.encode()),
        headline=str(drawn.payload.get("headline") or ""),
    )


def _store_error(
    settings: Settings, cut: AuditCut, window: str, run_id: str, error: str
) -> SnapshotOutcome:
    row = {"cut_id": cut.cut_id, "window_key": window, "error": error, "run_id": run_id}
    with connect(settings.login_url(Login.COMPUTE)) as connection:
        connection.execute(_SQL["store_error"], row)
    return SnapshotOutcome(cut.cut_id, window, None, error, 0)
