"""What the screens report of themselves, and which of them is dark."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from heartbeat.client_text import OneLine
from heartbeat.displays import Beat, claim_of, read_displays
from heartbeat_api.answers import DisplaysDocument
from heartbeat_api.api_document import BODY_REFUSALS, reads
from heartbeat_api.displays import SCREEN_COOKIE, TooManyDisplaysError
from heartbeat_api.document import DocumentResponse
from heartbeat_api.reread import RereadingRoute
from heartbeat_api.state import State
from heartbeat_web.request_head import is_address

_EARLIEST_POLL = datetime(2020, 1, 1, tzinfo=UTC)
"""Before Heartbeat; the first years of the calendar could not be read again from Postgres."""

_REFUSALS = (
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
    *BODY_REFUSALS,
)
router = APIRouter(
    prefix="/api/displays", default_response_class=DocumentResponse, route_class=RereadingRoute
)


def _no_address(name: str) -> str:
    if is_address(name):
        raise ValueError("must not be an address: that is the name of a screen without one")
    return name


class BeatReport(BaseModel):
    """A wall is alive: `name` is the one in its address (`?display=hall`), empty without one.

    While it reports, its name is no other browser's: the wall has given each a cookie.
    """

    model_config = ConfigDict(extra="forbid")

    name: Annotated[OneLine, AfterValidator(_no_address), StringConstraints(max_length=60)] = ""
    page: Annotated[OneLine, StringConstraints(max_length=100)]
    build: Annotated[OneLine, StringConstraints(max_length=40)]
    last_good_poll: Annotated[AwareDatetime, Field(ge=_EARLIEST_POLL)]


@router.get("", response_model=DisplaysDocument, **reads())
def displays(state: State) -> DocumentResponse:
    """Every screen with its last beat; `dark_since` is null while it reports."""
    with state.database.reading() as connection:
        return DocumentResponse(DisplaysDocument(read_displays(connection, datetime.now(UTC))))


@router.post(
    "/beat",
    status_code=HTTPStatus.NO_CONTENT,
    **reads(*_REFUSALS),
)
async def beat(report: BeatReport, request: Request, state: State) -> Response:
    """Take the beat of a wall; a screen without a name is known by its address."""
    now = datetime.now(UTC)
    address = state.operators.address(request)
    beat = Beat(
        name=report.name or address,
        page=report.page,
        build=report.build,
        last_good_poll=min(report.last_good_poll, now),
        seen_at=now,
        claim=claim_of(request.cookies.get(SCREEN_COOKIE, address) if report.name else address),
    )
    try:
        state.displays.beats(beat, address)
    except TooManyDisplaysError as error:
        raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, str(error)) from error
    return Response(status_code=HTTPStatus.NO_CONTENT)
