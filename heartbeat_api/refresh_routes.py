"""Ask for new numbers, and after the job that makes them."""

import time
from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, HTTPException, Path
from pydantic import BaseModel, ConfigDict, Field

from heartbeat.refresh.dagster_client import DagsterError
from heartbeat.refresh.desk import Ticket
from heartbeat.refresh.job import RefreshJob
from heartbeat.refresh.scope import UnknownScopeError
from heartbeat_api.active_job import ActiveJob
from heartbeat_api.api_document import BODY_REFUSALS, reads, writes
from heartbeat_api.database import UnavailableError
from heartbeat_api.document import DocumentResponse
from heartbeat_api.reread import RereadingRoute
from heartbeat_api.state import Actor, ApiState, State

router = APIRouter(
    prefix="/api/metrics", default_response_class=DocumentResponse, route_class=RereadingRoute
)

ONE_AT_A_TIME = CapacityLimiter(1)
"""Who asks for a refresh waits here without a thread, which the readers of the wall need."""


class RecomputeRequest(BaseModel):
    """Which metrics, and who wants to know."""

    model_config = ConfigDict(extra="forbid")

    metric_ids: Annotated[list[str], Field(min_length=1)] | Literal["all"]
    trigger: Literal["ui", "schedule", "api"] = "api"


_JOB = {"operationId": "job", "parameters": {"job_id": "$response.body#/job_id"}}
_ASKED = writes(HTTPStatus.NOT_FOUND, *BODY_REFUSALS)
_ASKED["responses"] |= {HTTPStatus.ACCEPTED.value: {"links": {"job": _JOB}}}


@router.post("/recompute", status_code=HTTPStatus.ACCEPTED, response_model=Ticket, **_ASKED)
async def recompute(request: RecomputeRequest, state: State, actor: Actor) -> DocumentResponse:
    """Land what the metrics read and compute them; a job that does so already is joined."""
    metric_ids = None if request.metric_ids == "all" else request.metric_ids
    ticket = await request_refresh(state, metric_ids, trigger=request.trigger, actor=actor)
    return DocumentResponse(
        ticket,
        HTTPStatus.ACCEPTED,
        headers={"Location": f"/api/metrics/recompute/{ticket.job_id}"},
    )


@router.get(
    "/recompute/{job_id}",
    response_model=RefreshJob,
    **reads(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
)
def job(job_id: Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")], state: State) -> DocumentResponse:
    """How a job goes, or went."""
    try:
        with state.database.reading() as connection:
            found = state.desk.job(connection, job_id)
    except DagsterError as error:
        raise UnavailableError(str(error)) from error
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no job {job_id}")
    return DocumentResponse(found)


@router.get("/active-job", response_model=ActiveJob, **reads())
async def active_job(state: State) -> DocumentResponse:
    """The job that runs, or waits; null without any. One read a second for all who ask."""
    return DocumentResponse((await state.jobs.read()).fresh())


async def request_refresh(
    state: ApiState, metric_ids: list[str] | None, *, trigger: str, actor: str
) -> Ticket:
    """Ask for a refresh of some metrics, or of everything; HTTPException, UnavailableError."""
    return await to_thread.run_sync(
        partial(_request, state, metric_ids, trigger, actor, time.monotonic()),
        limiter=ONE_AT_A_TIME,
    )


def _request(
    state: ApiState, metric_ids: list[str] | None, trigger: str, actor: str, asked_at: float
) -> Ticket:
    try:
        with state.database.writing() as connection:
            ticket = state.desk.request(
                connection, metric_ids, trigger=trigger, actor=actor, asked_at=asked_at
            )
    except UnknownScopeError as error:
        raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from error
    except DagsterError as error:
        raise UnavailableError(str(error)) from error
    if not ticket.coalesced:
        # who has asked looks at once how it goes
        state.jobs.renewed()
    return ticket
