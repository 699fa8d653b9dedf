"""What every route needs, held by the app."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, TypeAlias, cast

from fastapi import Depends, Request

from heartbeat.refresh.desk import RefreshDesk
from heartbeat_api.active_job import ActiveJob
from heartbeat_api.database import Database
from heartbeat_api.displays import Displays
from heartbeat_api.docs_folder import DocsFolder
from heartbeat_api.holder import Holder, Reading
from heartbeat_api.monitoring import Monitoring
from heartbeat_api.operators import Operators
from heartbeat_api.platform_watch import PlatformWatch
from heartbeat_api.readiness import DagsterState
from heartbeat_api.representation import Representation
from heartbeat_api.shell import Frame, Shell
from heartbeat_api.snapshot import Snapshot

_PATIENCE_SECONDS = 1.0

WallPage: TypeAlias = Callable[[Reading[Snapshot], str | None], Representation]
"""Draws the wall of a reading: of a watchlist, or of all metrics."""


@dataclass(frozen=True)
class ApiState:
    """The database, what is read once for all requests, who may write, where to ask for new."""

    database: Database
    operating: Database
    """For what operators write."""
    snapshots: Holder[Snapshot]
    jobs: Holder[ActiveJob]
    dagster: Holder[DagsterState]
    displays: Displays
    watch: PlatformWatch
    monitoring: Monitoring
    wall_page: WallPage
    shell: Shell
    docs: DocsFolder
    desk: RefreshDesk
    operators: Operators

    def frame(self, current: str) -> Frame:
        """The frame of a page that needs no reading of its own."""
        snapshot = self.snapshots.reading(_PATIENCE_SECONDS).value
        return self.shell.frame(current, snapshot, datetime.now(UTC))


async def _state_of(request: Request) -> ApiState:
    return cast(ApiState, request.app.state.api)


State = Annotated[ApiState, Depends(_state_of)]
"""The state as a parameter of a route."""


def _actor_of(request: Request, state: State) -> str:
    return state.operators.actor(request)


Actor = Annotated[str, Depends(_actor_of)]
"""The name of the operator who asks, as a parameter of a route that writes."""
