"""The pages for people: the walls and the documentation."""

from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from heartbeat_api.displays import known_again
from heartbeat_api.holder import Reading
from heartbeat_api.refresh_routes import request_refresh
from heartbeat_api.representation import Representation
from heartbeat_api.shell import Shell
from heartbeat_api.snapshot import Snapshot
from heartbeat_api.state import Actor, ApiState, State
from heartbeat_api.template import render
from heartbeat_api.wall import wall

router = APIRouter(include_in_schema=False)

FRESH = {"Cache-Control": "no-store"}


def wall_page(reading: Reading[Snapshot], watchlist: str | None, *, shell: Shell) -> Representation:
    """The wall of a reading; raises UnavailableError until there is a good one."""
    snapshot, now = reading.required(), datetime.now(UTC)
    shown = wall(reading, now, shell.zone, watchlist)
    frame = shell.frame("/", snapshot, now)
    page = render("wall.html", wall=shown, frame=frame)
    return Representation(page.encode(), "text/html; charset=utf-8", shown.version)


@router.get("/")
async def cockpit(request: Request, state: State) -> Response:
    """The wall of all metrics as of the last good reading."""
    return await _wall(request, state, None)


@router.get("/w/{watchlist}")
async def watchlist_wall(watchlist: str, request: Request, state: State) -> Response:
    """The wall of one watchlist."""
    return await _wall(request, state, watchlist)


@router.post("/refresh")
async def refresh_all(state: State, actor: Actor) -> Response:
    """Refresh everything, for a browser without scripts; back to the wall."""
    await request_refresh(state, None, trigger="ui", actor=actor)
    return RedirectResponse("/", HTTPStatus.SEE_OTHER)


@router.get("/docs")
def documentation(state: State) -> Response:
    """Every page of the documentation."""
    frame = state.frame("/docs")
    return HTMLResponse(
        render("docs.html", frame=frame, title="", documents=state.docs.documents(), text="")
    )


@router.get("/docs/{name:path}")
def document(name: str, state: State) -> Response:
    """A page of the documentation, or a picture or a file that one links to."""
    text = state.docs.html(name)
    if text is not None:
        frame = state.frame("/docs")
        return HTMLResponse(render("docs.html", frame=frame, title=name, documents=(), text=text))
    if (file := state.docs.text(name)) is not None:
        return FileResponse(file, media_type="text/plain; charset=utf-8")
    picture = state.docs.picture(name)
    if picture is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"the documentation has no page {name!r}")
    return FileResponse(picture)


async def _wall(request: Request, state: ApiState, watchlist: str | None) -> Response:
    reading = await state.snapshots.read()
    if reading.value is None:
        waiting = render("waiting.html", reason=reading.failure)
        return HTMLResponse(waiting, HTTPStatus.SERVICE_UNAVAILABLE, FRESH)
    if watchlist is not None and watchlist not in reading.value.watchlists:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"no watchlist is called {watchlist!r}")
    return known_again(request, reading.made(state.wall_page, watchlist).answers(request))
