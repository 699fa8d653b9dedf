"""The audit cuts in the database: their registry, and one snapshot per cut and window."""

import math
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TypeAlias
from uuid import UUID

import numpy as np
import psycopg
from psycopg.types.json import Jsonb

from heartbeat.audit import chart_rendering
from heartbeat.audit.audit_cut import AuditCut, Connection, LoadedCuts, fault_line
from heartbeat.errors import HeartbeatError
from heartbeat.marts_session import reading_as_of, source_as_of
from heartbeat.sql import platform_statements

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_SQL: Final = platform_statements("audit_snapshot")
_LONGEST_ERROR: Final = 500


class UnknownWindowError(HeartbeatError):
    """A window that the cut does not have."""


class PayloadError(HeartbeatError):
    """A payload that JSON cannot hold; the message names the place in it."""


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


@dataclass(frozen=True)
class _Snapshot:
    payload: Mapping[str, Json]
    chart: chart_rendering.RenderedChart
    source_as_of: datetime | None


class _CutError(Exception):
    pass


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


def compute_snapshot(
    connection_url: str,
    cut: AuditCut,
    window: str,
    *,
    as_of: datetime,
    run_id: str,
    timezone: str = "UTC",
    statement_timeout: str = "60s",
) -> SnapshotOutcome:
    """Compute, draw and store one cut for one window, as of a moment with a time zone.

    The cut reads in one read-only snapshot of the database, each statement within
    `statement_timeout` (as Postgres writes durations). A fault of the cut is stored as `error`
    beside the last good payload, spec, SVG and their times. Raises UnknownWindowError, and
    psycopg's own errors when the database cannot be reached.
    """
    if window not in cut.windows:
        raise UnknownWindowError(
            f"{cut.cut_id} has no window {window!r}; it has {', '.join(cut.windows)}"
        )
    try:
        with reading_as_of(
            connection_url, as_of=as_of, timezone=timezone, statement_timeout=statement_timeout
        ) as connection:
            oldest_poll = source_as_of(connection, cut.reads)
            with _faults_of(cut, "compute"):
                payload = json_payload(cut.compute(connection, window=window))
        with _faults_of(cut, "chart"):
            chart = chart_rendering.render(cut.chart(payload))
    except _CutError as error:
        return _store_error(connection_url, cut, window, run_id, str(error))
    return _store(connection_url, cut, window, run_id, _Snapshot(payload, chart, oldest_poll))


def json_payload(payload: Any) -> dict[str, Json]:
    """The payload as JSON types only.

    Decimals and numpy numbers become numbers, dates and moments ISO 8601 text, UUIDs text, tuples
    and arrays lists. Raises PayloadError for a payload that is no mapping, for NaN, infinity, NaT,
    a key that is not text, and any other type.
    """
    if not isinstance(payload, Mapping):
        raise PayloadError(f"compute must return a dict, not {type(payload).__name__}")
    return _json_mapping(payload, "payload")


def _columns(cut: AuditCut) -> dict[str, Any]:
    return {
        "cut_id": cut.cut_id,
        "page": cut.page,
        "title": cut.title,
        "prose": cut.prose,
        "windows": list(cut.windows),
        "window_default": cut.window_default,
        "reads": [str(table) for table in cut.reads],
        "methodology": cut.methodology,
        "how_to_read": cut.how_to_read,
    }


@contextmanager
def _faults_of(cut: AuditCut, step: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the author's code may raise anything
        line = fault_line(error, cut.path)
        place = f"{cut.path.name}:{line}" if line else cut.path.name
        message = f"{step} failed at {place}: {_reason(error)}"
        raise _CutError(textwrap.shorten(message, _LONGEST_ERROR, placeholder=" ...")) from error


def _reason(error: Exception) -> str:
    lines = str(error).splitlines() or ["no message"]
    if isinstance(error, HeartbeatError):
        return lines[0]
    return f"{type(error).__name__}: {lines[0]}"


def _store(
    connection_url: str, cut: AuditCut, window: str, run_id: str, snapshot: _Snapshot
) -> SnapshotOutcome:
    row = {
        "cut_id": cut.cut_id,
        "window_key": window,
        "payload": Jsonb(snapshot.payload),
        "spec": Jsonb(snapshot.chart.spec),
        "svg": snapshot.chart.svg,
        "source_as_of": snapshot.source_as_of,
        "run_id": run_id,
    }
    with psycopg.connect(connection_url) as connection:
        connection.execute(_SQL["store"], row)
    svg_bytes = len(snapshot.chart.svg.encode())
    return SnapshotOutcome(cut.cut_id, window, snapshot.source_as_of, None, svg_bytes)


def _store_error(
    connection_url: str, cut: AuditCut, window: str, run_id: str, error: str
) -> SnapshotOutcome:
    row = {"cut_id": cut.cut_id, "window_key": window, "error": error, "run_id": run_id}
    with psycopg.connect(connection_url) as connection:
        connection.execute(_SQL["store_error"], row)
    return SnapshotOutcome(cut.cut_id, window, None, error, 0)


def _json_mapping(mapping: Mapping[Any, Any], where: str) -> dict[str, Json]:
    return {_key(key, where): _json(item, f"{where}.{key}") for key, item in mapping.items()}


def _json(value: Any, where: str) -> Json:
    match value:
        case np.generic() | np.ndarray():
            return _json(value.tolist(), where)
        case Mapping():
            return _json_mapping(value, where)
        case list() | tuple():
            return [_json(item, f"{where}[{place}]") for place, item in enumerate(value)]
    return _json_scalar(value, where)


def _json_scalar(value: Any, where: str) -> Json:
    match value:
        case Enum():
            return _json_scalar(value.value, where)
        case None | bool() | int() | str():
            return value
        case float() | Decimal():
            return _number(value, where)
        case date() if value == value:  # NaT is a date that does not equal itself
            return value.isoformat()
        case UUID():
            return str(value)
    raise PayloadError(f"{where} is a {type(value).__name__}, which JSON cannot hold")


def _key(key: Any, where: str) -> str:
    if not isinstance(key, str):
        raise PayloadError(f"{where} has the key {key!r}; keys must be text")
    return key


def _number(value: float | Decimal, where: str) -> int | float:
    if not math.isfinite(value):
        raise PayloadError(f"{where} is {value}; use None for no value")
    return int(value) if isinstance(value, Decimal) and value == int(value) else float(value)
