"""A project's files made known to the database."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection

from heartbeat.landing.landing_state import sync_sources
from heartbeat.metrics.registry import SyncPlan, sync
from heartbeat.project import Project
from heartbeat.source_drift import DriftSeen, close_unlanded


def register(connection: Connection[Any], project: Project, zone: ZoneInfo) -> SyncPlan:
    """Bring ledger and metric registry to the files, and close what no source lands any more."""
    # the registry last: a sync inside of a transaction leaves it with the role of the sync
    sync_sources(connection, project.sources)
    close_unlanded(connection, DriftSeen(datetime.now(UTC), zone))
    return sync(connection, project.metrics)
