"""JSON of the audit cuts, their pictures and tables to download, and what operators change."""

import gzip
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from heartbeat.audit.audit_view import (
    AuditCutView,
    AuditSnapshotView,
    ChartRuntime,
    StoredPicture,
    read_audit_picture,
    read_audit_registry,
    read_audit_snapshots,
    read_audit_spec,
    read_chart_runtime,
)
from heartbeat.audit.cut_change import CutChange, UnknownCutError, apply_cut_change
from heartbeat.audit.palette import on_paper
from heartbeat.refresh.dagster_client import DagsterError
from heartbeat.refresh.desk import Ticket
from heartbeat.typeface import with_letters
from heartbeat_api.answers import AuditPageDocument, AuditRegistryDocument, DrawnCutDocument
from heartbeat_api.api_document import BODY_REFUSALS, download, reads, writes
from heartbeat_api.audit_page import shown_window, table_of
from heartbeat_api.csv_table import csv_table
from heartbeat_api.database import UnavailableError
from heartbeat_api.document import DocumentResponse
from heartbeat_api.refresh_routes import ONE_AT_A_TIME
from heartbeat_api.representation import Representation
from heartbeat_api.reread import RereadingRoute
from heartbeat_api.security import DRAWING_POLICY
from heartbeat_api.state import Actor, ApiState, State

router = APIRouter(default_response_class=DocumentResponse, route_class=RereadingRoute)


def _file(media_type: str) -> dict[str, Any]:
    """How a route that gives a file is documented."""
    refusals = reads(*_NAMED)["responses"]
    return {"response_class": Response, "responses": {**download(media_type), **refusals}}


_NAMED = (HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
_JOB = {"operationId": "job", "parameters": {"job_id": "$response.body#/job_id"}}
_ASKED = writes(HTTPStatus.NOT_FOUND)
_ASKED["responses"] |= {HTTPStatus.ACCEPTED.value: {"links": {"job": _JOB}}}


@router.get("/api/audit/registry", response_model=AuditRegistryDocument, **reads())
def registry(state: State) -> DocumentResponse:
    """Every cut and the pages in order."""
    with state.database.reading() as connection:
        found = read_audit_registry(connection)
    return DocumentResponse({"pages": found.pages, "cuts": found.cuts})


@router.get("/api/audit/pages/{page}", response_model=AuditPageDocument, **reads(*_NAMED))
def page(page: str, state: State) -> DocumentResponse:
    """The cuts of one page, each with its snapshot over its default window."""
    with state.database.reading() as connection:
        cuts = read_audit_registry(connection).on_page(page)
        windows = {cut.cut_id: cut.window_default for cut in cuts}
        snapshots = read_audit_snapshots(connection, windows)
    if not cuts:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"no audit page is called {page!r}")
    documents = [_document(cut, cut.window_default, snapshots.get(cut.cut_id)) for cut in cuts]
    return DocumentResponse({"page": page, "cuts": documents})


@router.get("/api/audit/cuts/{cut_id}", response_model=DrawnCutDocument, **reads(*_NAMED))
def cut(cut_id: str, state: State, window: str | None = None) -> DocumentResponse:
    """One cut with its snapshot over `window`, by default the cut's own, and what draws it."""
    found = registered_cut(state, cut_id)
    shown = _checked_window(found, window)
    with state.database.reading() as connection:
        snapshot = read_audit_snapshots(connection, {cut_id: shown}).get(cut_id)
        spec = read_audit_spec(connection, cut_id, shown)
    return DocumentResponse({**_document(found, shown, snapshot), "spec": spec})


@router.post(
    "/api/audit/cuts/{cut_id}/refresh",
    status_code=HTTPStatus.ACCEPTED,
    response_model=Ticket,
    **_ASKED,
)
async def refresh_cut(cut_id: str, state: State, actor: Actor) -> DocumentResponse:
    """Compute and draw the cut on the rows that are landed; a job that does so is joined."""
    ticket = await request_cut(state, cut_id, trigger="api", actor=actor)
    where = {"Location": f"/api/metrics/recompute/{ticket.job_id}"}
    return DocumentResponse(ticket, HTTPStatus.ACCEPTED, headers=where)


@router.patch(
    "/api/audit/cuts/{cut_id}/verification",
    response_model=AuditCutView,
    **writes(HTTPStatus.NOT_FOUND, *BODY_REFUSALS),
)
def change_cut_verification(
    cut_id: str, change: CutChange, state: State, actor: Actor
) -> DocumentResponse:
    """Change owner or verification; answers with the cut as it is then."""
    registered_cut(state, cut_id)
    try:
        change_cut(state, cut_id, change, actor)
    except UnknownCutError as error:
        raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from error
    return DocumentResponse(asdict(registered_cut(state, cut_id)))


@router.get("/audit/cuts/{cut_id}.svg", **_file("image/svg+xml"))
def drawing(cut_id: str, state: State, window: str | None = None) -> Response:
    """The stored picture of one cut, in the colours of white paper and with its letters."""
    return _download(state, cut_id, window, "svg", _drawing_on_paper)


@router.get("/audit/cuts/{cut_id}.png", **_file("image/png"))
def picture(cut_id: str, state: State, window: str | None = None) -> Response:
    """The same as pixels."""
    return _download(state, cut_id, window, "png", lambda found: found.png)


@router.get("/audit/cuts/{cut_id}.csv", **_file("text/csv; charset=utf-8"))
def table(cut_id: str, state: State, window: str | None = None) -> Response:
    """The table behind the picture."""

    def rows(found: StoredPicture) -> bytes | None:
        table = table_of(found.payload)
        return csv_table(table) if table else None

    return _download(state, cut_id, window, "csv", rows)


@router.get("/audit/vega.js", include_in_schema=False)
def chart_runtime(request: Request, state: State) -> Response:
    """The script that draws stored specs in a browser."""
    with state.database.reading() as connection:
        runtime = read_chart_runtime(connection)
    if runtime is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "no audit cut is computed yet")
    return _script(runtime).answers(request, caching="no-cache")


async def request_cut(state: ApiState, cut_id: str, *, trigger: str, actor: str) -> Ticket:
    """Ask for a refresh of one cut; HTTPException, UnavailableError."""
    asked = partial(_request_cut, state, cut_id, trigger, actor)
    return await to_thread.run_sync(asked, limiter=ONE_AT_A_TIME)


def change_cut(state: ApiState, cut_id: str, change: CutChange, actor: str) -> None:
    """Write what an operator changes; raises UnknownCutError."""
    with state.operating.writing() as connection:
        apply_cut_change(connection, cut_id, change, actor=actor)
    state.snapshots.renewed()


def registered_cut(state: ApiState, cut_id: str) -> AuditCutView:
    """The registered cut of that id; HTTPException."""
    with state.database.reading() as connection:
        found = read_audit_registry(connection).cut(cut_id)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"no audit cut has the id {cut_id!r}")
    return found


def _request_cut(state: ApiState, cut_id: str, trigger: str, actor: str) -> Ticket:
    registered_cut(state, cut_id)
    try:
        with state.database.writing() as connection:
            return state.desk.request_cut(connection, cut_id, trigger=trigger, actor=actor)
    except DagsterError as error:
        raise UnavailableError(str(error)) from error


def _drawing_on_paper(found: StoredPicture) -> bytes:
    return with_letters(on_paper(found.svg)).encode()


_MEDIA_TYPES = {"svg": "image/svg+xml", "png": "image/png", "csv": "text/csv; charset=utf-8"}


def _download(
    state: ApiState,
    cut_id: str,
    window: str | None,
    kind: str,
    made: Callable[[StoredPicture], bytes | None],
) -> Response:
    shown = _checked_window(registered_cut(state, cut_id), window)
    with state.database.reading() as connection:
        found = read_audit_picture(connection, cut_id, shown)
    body = made(found) if found else None
    if found is None or body is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"{cut_id} over {shown} has no {kind} yet")
    name = f"{cut_id}-{shown}-{found.computed_at:%Y%m%d}.{kind}"
    headers = {
        "Content-Disposition": f'inline; filename="{name}"',
        "Content-Security-Policy": DRAWING_POLICY,
        "Cache-Control": "no-cache",
    }
    return Response(body, media_type=_MEDIA_TYPES[kind], headers=headers)


def _checked_window(cut: AuditCutView, window: str | None) -> str:
    if window is not None and window not in cut.windows:
        raise HTTPException(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{cut.cut_id} has no window {window!r}; it has {', '.join(cut.windows)}",
        )
    return shown_window(cut, window)


def _document(cut: AuditCutView, window: str, snapshot: AuditSnapshotView | None) -> dict[str, Any]:
    """`snapshot` is null until the cut was computed once over that window."""
    stored = {
        name: value
        for name, value in (asdict(snapshot) if snapshot else {}).items()
        if name not in ("cut_id", "window_key", "svg")
    }
    return {**asdict(cut), "window": window, "snapshot": stored or None}


@lru_cache(maxsize=1)
def _script(runtime: ChartRuntime) -> Representation:
    script = gzip.decompress(runtime.javascript)
    return Representation(script, "text/javascript; charset=utf-8", runtime.version)
