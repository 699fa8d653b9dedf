"""JSON of the metrics, and whether the API can speak at all."""

from http import HTTPStatus

from fastapi import APIRouter, HTTPException

from heartbeat_api.build import build_id
from heartbeat_api.database import DatabaseUnavailableError
from heartbeat_api.document import DocumentResponse
from heartbeat_api.state import State

router = APIRouter(default_response_class=DocumentResponse)


@router.get("/healthz")
def healthz(state: State) -> DocumentResponse:
    """200 while the database answers; else 503 with the reason."""
    reading = state.snapshots.reading()
    if reading.failure:
        raise DatabaseUnavailableError(reading.failure)
    return DocumentResponse({"status": "ok", "build": build_id()})


@router.get("/api/metrics")
def metrics(state: State) -> DocumentResponse:
    """All metrics in the order of the wall; `as_of` is the moment of the last good read."""
    snapshot = state.snapshots.reading().required()
    return DocumentResponse(
        {"as_of": snapshot.as_of, "build": build_id(), "job": None, "metrics": snapshot.metrics}
    )


@router.get("/api/metrics/{name}")
def metric(name: str, state: State) -> DocumentResponse:
    """One metric by metric_id or code."""
    found = state.snapshots.reading().required().metric(name)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"no metric has the id or code {name!r}")
    return DocumentResponse(found)
