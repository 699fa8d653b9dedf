"""The pages for people: the wall, the page behind a tile, the audit pages."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from fastapi.templating import Jinja2Templates
from starlette.responses import HTMLResponse, RedirectResponse, Response

from heartbeat.audit.audit_view import AuditRegistry, read_audit_registry, read_audit_snapshots
from heartbeat_api.audit_page import AuditPage, audit_page
from heartbeat_api.build import build_id
from heartbeat_api.holder import Reading
from heartbeat_api.metric_page import metric_page
from heartbeat_api.snapshot import Snapshot
from heartbeat_api.state import ApiState, State
from heartbeat_api.wall import wall

router = APIRouter(include_in_schema=False)

_templates = Jinja2Templates(directory=Path(__file__).parent / "templates")
_templates.env.trim_blocks = True
_templates.env.lstrip_blocks = True


_FRESH = {"Cache-Control": "no-store"}


@router.get("/")
async def wall_page(request: Request, state: State) -> Response:
    """The wall: the last good reading; until there is one, a page that waits."""
    reading = await state.snapshots.read()
    if reading.value is None:
        context = {"reason": reading.failure}
        return _page(request, "waiting.html", context, HTTPStatus.SERVICE_UNAVAILABLE)
    return HTMLResponse(
        state.walls.of(reading, partial(_wall, request, reading, state)), 200, _FRESH
    )


def _wall(request: Request, reading: Reading[Snapshot], state: ApiState) -> str:
    shown = wall(reading, datetime.now(UTC), state.zone)
    return bytes(_page(request, "wall.html", {"wall": shown}).body).decode()


@router.get("/m/{code}")
def metric(request: Request, code: str, state: State) -> Response:
    """The page behind one tile."""
    snapshot = state.snapshots.reading().required()
    found = snapshot.metric(code)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"no metric has the code {code!r}")
    prose = snapshot.prose[found.metric_id]
    page = metric_page(found, prose, datetime.now(UTC), state.zone)
    return _page(request, "metric.html", {"page": page})


@router.get("/audit")
def first_audit_page(request: Request, state: State) -> Response:
    """To the first page; without any cut, a page that says so."""
    with state.database.reading() as connection:
        pages = read_audit_registry(connection).pages
    if pages:
        return RedirectResponse(request.url_for("audit", page=pages[0]).path)
    return _page(request, "audit.html", {"page": AuditPage("", (), ())})


@router.get("/audit/{page}", name="audit")
def audit(request: Request, page: str, state: State, window: str | None = None) -> Response:
    """The cuts of one page over `window`, where they have it."""
    with state.database.reading() as connection:
        registry = read_audit_registry(connection)
        cuts = registry.on_page(page)
        snapshots = read_audit_snapshots(connection, [cut.cut_id for cut in cuts])
    _check_window(registry, page, window)
    shown = audit_page(registry, page, window, snapshots, datetime.now(UTC))
    return _page(request, "audit.html", {"page": shown})


def _check_window(registry: AuditRegistry, page: str, window: str | None) -> None:
    cuts = registry.on_page(page)
    if not cuts:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"no audit page is called {page!r}")
    if window is not None and not any(window in cut.windows for cut in cuts):
        detail = f"no cut of the page {page!r} has the window {window!r}"
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, detail)


def _page(
    request: Request,
    template: str,
    context: Mapping[str, object],
    status: HTTPStatus = HTTPStatus.OK,
) -> Response:
    return _templates.TemplateResponse(
        request,
        template,
        {**context, "build": build_id()},
        status_code=status,
        headers=_FRESH,
    )
