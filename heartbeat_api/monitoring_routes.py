"""What a monitoring system asks."""

from datetime import UTC, datetime

from fastapi import APIRouter
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from heartbeat_api.page_routes import FRESH
from heartbeat_api.state import State

_PATIENCE_SECONDS = 1.0

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
async def metrics(state: State) -> Response:
    """The state of the platform in the text format of Prometheus; it answers whatever is away."""
    reading = await state.snapshots.read(_PATIENCE_SECONDS)
    body = state.monitoring.exposition(reading, state.watch.seen, datetime.now(UTC))
    return Response(body, media_type=CONTENT_TYPE_LATEST, headers=FRESH)
