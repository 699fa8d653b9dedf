"""Audit cuts as people and programs see them: the registry and the stored snapshots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("audit_view")


@dataclass(frozen=True)
class AuditCutView:
    """One registered cut; a cut has one snapshot per window.

    `metrics` are the ids of the metrics that it explains, by its own word or by theirs. `lapsed`:
    it was verified, and its code is another one now.
    """

    cut_id: str
    page: str
    title: str
    prose: str
    windows: Sequence[str]
    window_default: str
    reads: Sequence[str]
    metrics: Sequence[str]
    methodology: str
    how_to_read: str
    owner: str | None
    verification_state: str
    lapsed: bool


@dataclass(frozen=True)
class AuditSnapshotView:
    """What the worker stored of one cut over one window.

    After a failed compute `error` says why, and all else is what the last good compute left, if
    there was one.
    """

    cut_id: str
    window_key: str
    payload: Mapping[str, Any] | None
    svg: str | None
    computed_at: datetime | None
    source_as_of: datetime | None
    error: str | None


@dataclass(frozen=True)
class StoredPicture:
    """The pictures of one snapshot and what they are drawn from."""

    svg: str
    png: bytes | None
    payload: Mapping[str, Any]
    computed_at: datetime


@dataclass(frozen=True)
class ChartRuntime:
    """The script that draws stored specs in a browser, compressed with gzip."""

    version: str
    javascript: bytes


@dataclass(frozen=True)
class AuditRegistry:
    """Every registered cut in the order of reading."""

    cuts: tuple[AuditCutView, ...]

    @property
    def pages(self) -> tuple[str, ...]:
        """The pages in order: `overview` leads, the others follow by name."""
        return tuple(dict.fromkeys(cut.page for cut in self.cuts))

    def on_page(self, page: str) -> tuple[AuditCutView, ...]:
        """The cuts of one page in their order; none when there is no such page."""
        return tuple(cut for cut in self.cuts if cut.page == page)

    def cut(self, cut_id: str) -> AuditCutView | None:
        """The cut of that id, or None."""
        return next((cut for cut in self.cuts if cut.cut_id == cut_id), None)

    def of_metric(self, metric_id: str) -> tuple[AuditCutView, ...]:
        """The cuts that explain a metric."""
        return tuple(cut for cut in self.cuts if metric_id in cut.metrics)


def read_audit_registry(connection: Connection[Any]) -> AuditRegistry:
    """All registered cuts."""
    with connection.cursor(row_factory=class_row(AuditCutView)) as cursor:
        return AuditRegistry(tuple(cursor.execute(_sql("cuts")).fetchall()))


def read_audit_snapshots(
    connection: Connection[Any], windows: Mapping[str, str]
) -> Mapping[str, AuditSnapshotView]:
    """The stored snapshots of some cuts, each over its window, by cut_id."""
    asked = {"cut_ids": list(windows), "windows": list(set(windows.values()))}
    with connection.cursor(row_factory=class_row(AuditSnapshotView)) as cursor:
        rows = cursor.execute(_sql("snapshots"), asked).fetchall()
    return {row.cut_id: row for row in rows if row.window_key == windows[row.cut_id]}


def read_audit_spec(
    connection: Connection[Any], cut_id: str, window_key: str
) -> Mapping[str, Any] | None:
    """The stored Vega-Lite spec of one cut over one window; None until it was drawn once."""
    row = connection.execute(_sql("spec"), {"cut_id": cut_id, "window": window_key}).fetchone()
    return row[0] if row else None


def read_audit_picture(
    connection: Connection[Any], cut_id: str, window_key: str
) -> StoredPicture | None:
    """The stored pictures of one cut over one window; None until it was drawn once."""
    with connection.cursor(row_factory=class_row(StoredPicture)) as cursor:
        return cursor.execute(_sql("picture"), {"cut_id": cut_id, "window": window_key}).fetchone()


def read_chart_runtime(connection: Connection[Any]) -> ChartRuntime | None:
    """The script for browsers; None until a cut was computed once."""
    with connection.cursor(row_factory=class_row(ChartRuntime)) as cursor:
        return cursor.execute(_sql("runtime")).fetchone()


def any_undrawn(connection: Connection[Any], age: timedelta) -> bool:
    """Whether a registered cut has a window without a picture, or one that is older than `age`."""
    row = connection.execute(_sql("undrawn"), {"age": age}).fetchone()
    return bool(row and row[0])


def _sql(name: str) -> bytes:
    return _STATEMENTS[name].encode()
