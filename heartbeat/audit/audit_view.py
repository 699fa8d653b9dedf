"""Audit cuts as people and programs see them: the registry and the stored snapshots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("audit_view")


@dataclass(frozen=True)
class AuditCutView:
    """One registered cut; a cut has one snapshot per window."""

    cut_id: str
    page: str
    title: str
    prose: str
    windows: Sequence[str]
    window_default: str
    reads: Sequence[str]
    methodology: str
    how_to_read: str
    owner: str | None
    verification_state: str


@dataclass(frozen=True)
class AuditSnapshotView:
    """What the worker stored of one cut over one window.

    After a failed compute `error` says why, and all else is what the last good compute left;
    `drawn` says that there is a picture of it.
    """

    cut_id: str
    window_key: str
    payload: Mapping[str, Any] | None
    spec: Mapping[str, Any] | None
    computed_at: datetime | None
    source_as_of: datetime | None
    error: str | None
    drawn: bool


@dataclass(frozen=True)
class AuditRegistry:
    """Every registered cut in the order of reading."""

    cuts: tuple[AuditCutView, ...]

    @property
    def pages(self) -> tuple[str, ...]:
        """The pages in order: `overview` leads, the others follow by name."""
        return tuple(dict.fromkeys(cut.page for cut in self.cuts))

    def on_page(self, page: str) -> tuple[AuditCutView, ...]:
        """The cuts of one page, oldest first; none when there is no such page."""
        return tuple(cut for cut in self.cuts if cut.page == page)

    def cut(self, cut_id: str) -> AuditCutView | None:
        """The cut of that id, or None."""
        return next((cut for cut in self.cuts if cut.cut_id == cut_id), None)


def read_audit_registry(connection: Connection[Any]) -> AuditRegistry:
    """All registered cuts."""
    with connection.cursor(row_factory=class_row(AuditCutView)) as cursor:
        return AuditRegistry(tuple(cursor.execute(_STATEMENTS["cuts"].encode()).fetchall()))


def read_audit_snapshots(
    connection: Connection[Any], cut_ids: Sequence[str]
) -> Mapping[tuple[str, str], AuditSnapshotView]:
    """The stored snapshots of some cuts by (cut_id, window_key)."""
    with connection.cursor(row_factory=class_row(AuditSnapshotView)) as cursor:
        cursor.execute(_STATEMENTS["snapshots"].encode(), {"cut_ids": list(cut_ids)})
        return {(row.cut_id, row.window_key): row for row in cursor}


def read_audit_drawing(connection: Connection[Any], cut_id: str, window_key: str) -> str | None:
    """The stored SVG of one cut over one window; None until it was drawn once."""
    cursor = connection.execute(
        _STATEMENTS["drawing"].encode(), {"cut_id": cut_id, "window": window_key}
    )
    row = cursor.fetchone()
    return row[0] if row else None
