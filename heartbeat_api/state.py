"""What every route needs, held by the app."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, cast
from zoneinfo import ZoneInfo

from fastapi import Depends, Request

from heartbeat.refresh.desk import RefreshDesk
from heartbeat_api.active_job import ActiveJob
from heartbeat_api.database import Database
from heartbeat_api.holder import Holder, Reading
from heartbeat_api.operators import OperatorPolicy
from heartbeat_api.snapshot import Snapshot


@dataclass(frozen=True)
class ApiState:
    """The database, what is read once for all requests, who may write, where to ask for new."""

    database: Database
    snapshots: Holder[Snapshot]
    jobs: Holder[ActiveJob]
    wall_html: Callable[[Reading[Snapshot]], str]
    desk: RefreshDesk
    zone: ZoneInfo
    operators: OperatorPolicy


async def _state_of(request: Request) -> ApiState:
    return cast(ApiState, request.app.state.api)


State = Annotated[ApiState, Depends(_state_of)]
"""The state as a parameter of a route."""


def _actor_of(request: Request, state: State) -> str:
    return state.operators.actor(request)


Actor = Annotated[str, Depends(_actor_of)]
"""The name of the operator who asks, as a parameter of a route that writes."""
