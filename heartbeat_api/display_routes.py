"""What the screens report of themselves, and which of them is dark."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from heartbeat.change_reason import ONE_TEXT
from heartbeat.displays import Beat, read_displays
from heartbeat_api.answers import DisplaysDocument
from heartbeat_api.api_document import BODY_REFUSALS, reads
from heartbeat_api.document import DocumentResponse
from heartbeat_api.reread import RereadingRoute
from heartbeat_api.state import State

_EARLIEST_POLL = datetime(2020, 1, 1, tzinfo=UTC)
"""Before Heartbeat; the first years of the calendar could not be read again from Postgres."""

router = APIRouter(
    prefix="/api/displays", default_response_class=DocumentResponse, route_class=RereadingRoute
)


class BeatReport(BaseModel):
    """A wall is alive: `name` is the one in its address (`?display=hall`), empty without one."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str, StringConstraints(strip_whitespace=True, max_length=60, pattern=ONE_TEXT)
    ] = ""
    page: Annotated[str, StringConstraints(max_length=100, pattern=ONE_TEXT)]
    build: Annotated[str, StringConstraints(max_length=40, pattern=ONE_TEXT)]
    last_good_poll: Annotated[AwareDatetime, Field(ge=_EARLIEST_POLL)]


@router.get("", response_model=DisplaysDocument, **reads())
def displays(state: State) -> DocumentResponse:
    """Every screen with its last beat; `dark_since` is null while it reports."""
    with state.database.reading() as connection:
        return DocumentResponse(DisplaysDocument(read_displays(connection, datetime.now(UTC))))


@router.post(
    "/beat",
    status_code=HTTPStatus.NO_CONTENT,
    **reads(HTTPStatus.UNPROCESSABLE_ENTITY, *BODY_REFUSALS),
)
async def beat(report: BeatReport, request: Request, state: State) -> Response:
    """Take the beat of a wall; a screen without a name is known by its address."""
    now = datetime.now(UTC)
    address = request.client.host if request.client else "unknown"
    polled = min(report.last_good_poll, now)
    state.displays.beats(Beat(report.name or address, report.page, report.build, polled, now))
    return Response(status_code=HTTPStatus.NO_CONTENT)
