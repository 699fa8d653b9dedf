"""The pages for people: the wall, the page behind a tile, the audit pages."""

from datetime import UTC, datetime
from http import HTTPStatus
from zoneinfo import ZoneInfo

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from heartbeat.audit.audit_view import AuditRegistry, read_audit_registry, read_audit_snapshots
from heartbeat_api.audit_page import AuditPage, audit_page
from heartbeat_api.holder import Reading
from heartbeat_api.metric_page import metric_page
from heartbeat_api.snapshot import Snapshot
from heartbeat_api.state import State
from heartbeat_api.template import render
from heartbeat_api.wall import wall

router = APIRouter(include_in_schema=False)

_FRESH = {"Cache-Control": "no-store"}


def wall_html(reading: Reading[Snapshot], zone: ZoneInfo) -> str:
    """The wall of a reading; until there is a good one, a page that waits."""
    if reading.value is None:
        return render("waiting.html", reason=reading.failure)
    return render("wall.html", wall=wall(reading, datetime.now(UTC), zone))


@router.get("/")
async def wall_page(state: State) -> Response:
    """The wall as of the last good reading."""
    reading = await state.snapshots.read()
    status = HTTPStatus.SERVICE_UNAVAILABLE if reading.value is None else HTTPStatus.OK
    return HTMLResponse(reading.made(state.wall_html), status, _FRESH)


@router.get("/m/{code}")
def metric(code: str, state: State) -> Response:
    """The page behind one tile."""
    snapshot = state.snapshots.reading().required()
    found = snapshot.metric(code)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"no metric has the code {code!r}")
    prose = snapshot.prose[found.metric_id]
    page = metric_page(found, prose, datetime.now(UTC), state.zone)
    return HTMLResponse(render("metric.html", page=page), headers=_FRESH)


@router.get("/audit")
def first_audit_page(request: Request, state: State) -> Response:
    """To the first page; without any cut, a page that says so."""
    with state.database.reading() as connection:
        pages = read_audit_registry(connection).pages
    if pages:
        return RedirectResponse(request.url_for("audit", page=pages[0]).path)
    return HTMLResponse(render("audit.html", page=AuditPage("", (), ())), headers=_FRESH)


@router.get("/audit/{page}", name="audit")
def audit(page: str, state: State, window: str | None = None) -> Response:
    """The cuts of one page over `window`, where they have it."""
    with state.database.reading() as connection:
        registry = read_audit_registry(connection)
        cuts = registry.on_page(page)
        snapshots = read_audit_snapshots(connection, [cut.cut_id for cut in cuts])
    _check_window(registry, page, window)
    shown = audit_page(registry, page, window, snapshots, datetime.now(UTC))
    return HTMLResponse(render("audit.html", page=shown), headers=_FRESH)


def _check_window(registry: AuditRegistry, page: str, window: str | None) -> None:
    cuts = registry.on_page(page)
    if not cuts:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"no audit page is called {page!r}")
    if window is not None and not any(window in cut.windows for cut in cuts):
        detail = f"no cut of the page {page!r} has the window {window!r}"
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
