"""The audit pages for people, and their forms: they post without JavaScript too."""

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import quote, urlencode

from anyio import to_thread
from fastapi import APIRouter, HTTPException, Request
from pydantic import ValidationError
from starlette.responses import HTMLResponse, RedirectResponse, Response

from heartbeat.audit.audit_view import AuditRegistry, read_audit_registry, read_audit_snapshots
from heartbeat.audit.cut_change import CutChange
from heartbeat_api.audit_page import AuditPage, CutAction, audit_page, cut_href, shown_window
from heartbeat_api.audit_routes import change_cut, registered_cut, request_cut
from heartbeat_api.forms import first_problem, form_fields
from heartbeat_api.job_line import job_shown
from heartbeat_api.page_routes import FRESH
from heartbeat_api.reread import RereadingRoute
from heartbeat_api.state import Actor, ApiState, State
from heartbeat_api.template import render

router = APIRouter(prefix="/audit", include_in_schema=False, route_class=RereadingRoute)


@router.get("")
def first_page(state: State) -> Response:
    """To the first page; without any cut, a page that says so."""
    with state.database.reading() as connection:
        pages = read_audit_registry(connection).pages
    if pages:
        return RedirectResponse(f"/audit/{quote(pages[0], safe='')}")
    return _page(state, AuditPage("", "", (), (), ()))


@router.get("/{page}", name="audit")
def audit(
    page: str,
    state: State,
    window: str | None = None,
    job: str | None = None,
    cut: str | None = None,
) -> Response:
    """The cuts of one page over `window`, where they have it; how the `job` of a `cut` goes."""
    action = CutAction(cut, job=job_shown(state, job)) if cut else None
    return _shown(state, page, window or None, action)


@router.post("/cuts/{cut_id}")
async def change(cut_id: str, request: Request, state: State) -> Response:
    """Change owner or verification; what is refused stays typed, beside the reason."""
    typed = await form_fields(request)
    return await to_thread.run_sync(_change, cut_id, request, state, typed)


@router.post("/cuts/{cut_id}/refresh")
async def refresh(cut_id: str, request: Request, state: State, actor: Actor) -> Response:
    """Compute and draw one cut, and show how it goes."""
    window = (await form_fields(request)).get("window", "")
    ticket = await request_cut(state, cut_id, trigger="ui", actor=actor)
    found = await to_thread.run_sync(registered_cut, state, cut_id)
    asked = urlencode({"window": window, "job": ticket.job_id, "cut": cut_id})
    return RedirectResponse(f"/audit/{found.page}?{asked}#{cut_id}", HTTPStatus.SEE_OTHER)


def _change(cut_id: str, request: Request, state: ApiState, typed: Mapping[str, str]) -> Response:
    found = registered_cut(state, cut_id)
    window = typed.get("window") or None
    given = {name: value.strip() or None for name, value in typed.items() if name != "window"}
    try:
        actor = state.operators.actor(request)
        change_cut(state, cut_id, CutChange.model_validate(given), actor)
    except HTTPException as refusal:
        action = CutAction(cut_id, typed.get("owner"), refusal.detail)
        return _shown(state, found.page, window, action, refusal.status_code)
    except ValidationError as error:
        action = CutAction(cut_id, typed.get("owner"), first_problem(error))
        return _shown(state, found.page, window, action, HTTPStatus.UNPROCESSABLE_ENTITY)
    return RedirectResponse(cut_href(found, window), HTTPStatus.SEE_OTHER)


def _shown(
    state: ApiState,
    page: str,
    window: str | None,
    action: CutAction | None,
    status: int = HTTPStatus.OK,
) -> Response:
    with state.database.reading() as connection:
        registry = read_audit_registry(connection)
        _check(registry, page, window)
        windows = {cut.cut_id: shown_window(cut, window) for cut in registry.on_page(page)}
        snapshots = read_audit_snapshots(connection, windows)
    reading = state.snapshots.reading().value
    metrics = reading.metrics if reading else ()
    now = datetime.now(UTC)
    shown = audit_page(registry, page, window, snapshots, metrics, now, state.shell.zone, action)
    return _page(state, shown, status)


def _page(state: ApiState, page: AuditPage, status: int = HTTPStatus.OK) -> Response:
    return HTMLResponse(render("audit.html", frame=state.frame("/audit"), page=page), status, FRESH)


def _check(registry: AuditRegistry, page: str, window: str | None) -> None:
    cuts = registry.on_page(page)
    if not cuts:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"no audit page is called {page!r}")
    if window is not None and not any(window in cut.windows for cut in cuts):
        detail = f"no cut of the page {page!r} has the window {window!r}"
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
