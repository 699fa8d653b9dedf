"""A project's files made known to the database."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection

from heartbeat.metrics.registry import SyncPlan, sync
from heartbeat.project import Project
from heartbeat.source_drift import DriftSeen, close_unlanded


def register(connection: Connection[Any], project: Project, zone: ZoneInfo) -> SyncPlan:
    """Bring the metric registry to the files, and close what no source lands any more."""
    seen = DriftSeen(datetime.now(UTC), zone)
    # first: a sync inside of a transaction leaves it with the role of the sync
    close_unlanded(connection, project.tables.keys(), project.broken_sources, seen)
    return sync(connection, project.metrics)
