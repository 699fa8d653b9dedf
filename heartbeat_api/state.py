"""What every route needs, held by the app."""

from dataclasses import dataclass
from typing import Annotated, cast
from zoneinfo import ZoneInfo

from fastapi import Depends, Request

from heartbeat_api.database import Database
from heartbeat_api.snapshot import SnapshotHolder


@dataclass(frozen=True)
class ApiState:
    """The database, the shared snapshot of the metrics, and the business time zone."""

    database: Database
    snapshots: SnapshotHolder
    zone: ZoneInfo


def _state_of(request: Request) -> ApiState:
    return cast(ApiState, request.app.state.api)


State = Annotated[ApiState, Depends(_state_of)]
"""The state as a parameter of a route."""
