"""What every route needs, held by the app."""

from dataclasses import dataclass
from typing import Annotated, cast
from zoneinfo import ZoneInfo

from fastapi import Depends, Request

from heartbeat_api.database import Database
from heartbeat_api.operators import OperatorPolicy
from heartbeat_api.snapshot import SnapshotHolder


@dataclass(frozen=True)
class ApiState:
    """The database, the shared snapshot of the metrics, the business time zone, who may write."""

    database: Database
    snapshots: SnapshotHolder
    zone: ZoneInfo
    operators: OperatorPolicy


def _state_of(request: Request) -> ApiState:
    return cast(ApiState, request.app.state.api)


State = Annotated[ApiState, Depends(_state_of)]
"""The state as a parameter of a route."""


def _actor_of(request: Request, state: State) -> str:
    return state.operators.actor(request)


Actor = Annotated[str, Depends(_actor_of)]
"""The name of the operator who asks, as a parameter of a route that writes."""
