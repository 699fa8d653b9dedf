"""Whether the whole stack works; `/healthz`, which says whether this process does, stays cheap."""

from http import HTTPStatus

from fastapi import APIRouter

from heartbeat_api.answers import Readiness
from heartbeat_api.document import DocumentResponse
from heartbeat_api.readiness import readiness
from heartbeat_api.state import State

_PATIENCE_SECONDS = 3.0

router = APIRouter(default_response_class=DocumentResponse)


@router.get(
    "/readyz",
    response_model=Readiness,
    responses={
        HTTPStatus.SERVICE_UNAVAILABLE.value: {
            "model": Readiness,
            "description": "A part does not work; it says why",
        }
    },
)
async def readyz(state: State) -> DocumentResponse:
    """200 while every part of the stack works; else 503. Each part says why it does not."""
    snapshots = await state.snapshots.read(_PATIENCE_SECONDS)
    dagster = await state.dagster.read(_PATIENCE_SECONDS)
    found = readiness(snapshots, dagster.value)
    status = HTTPStatus.OK if found.ready else HTTPStatus.SERVICE_UNAVAILABLE
    return DocumentResponse(found, status, {"Cache-Control": "no-store"})
