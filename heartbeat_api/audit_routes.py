"""JSON and drawings of the audit cuts."""

from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from heartbeat.audit.audit_view import (
    AuditCutView,
    AuditSnapshotView,
    read_audit_drawing,
    read_audit_registry,
    read_audit_snapshots,
)
from heartbeat_api.audit_page import shown_window
from heartbeat_api.document import DocumentResponse
from heartbeat_api.security import DRAWING_POLICY
from heartbeat_api.state import ApiState, State

router = APIRouter(default_response_class=DocumentResponse)


@router.get("/api/audit/registry")
def registry(state: State) -> DocumentResponse:
    """Every cut and the pages in order."""
    with state.database.reading() as connection:
        found = read_audit_registry(connection)
    return DocumentResponse({"pages": found.pages, "cuts": found.cuts})


@router.get("/api/audit/pages/{page}")
def page(page: str, state: State) -> DocumentResponse:
    """The cuts of one page, each with its snapshot over its default window."""
    with state.database.reading() as connection:
        cuts = read_audit_registry(connection).on_page(page)
        snapshots = read_audit_snapshots(connection, [cut.cut_id for cut in cuts])
    if not cuts:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"no audit page is called {page!r}")
    documents = [
        _document(cut, cut.window_default, snapshots.get((cut.cut_id, cut.window_default)))
        for cut in cuts
    ]
    return DocumentResponse({"page": page, "cuts": documents})


@router.get("/api/audit/cuts/{cut_id}")
def cut(cut_id: str, state: State, window: str | None = None) -> DocumentResponse:
    """One cut with its snapshot over `window`, by default the cut's own."""
    found = _registered(state, cut_id)
    shown = _checked_window(found, window)
    with state.database.reading() as connection:
        snapshot = read_audit_snapshots(connection, [cut_id]).get((cut_id, shown))
    return DocumentResponse(_document(found, shown, snapshot))


@router.get("/audit/cuts/{cut_id}.svg")
def drawing(cut_id: str, state: State, window: str | None = None) -> Response:
    """The stored picture of one cut."""
    shown = _checked_window(_registered(state, cut_id), window)
    with state.database.reading() as connection:
        svg = read_audit_drawing(connection, cut_id, shown)
    if svg is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"{cut_id} over {shown} is not computed yet")
    headers = {"Content-Security-Policy": DRAWING_POLICY, "Cache-Control": "no-cache"}
    return Response(svg, media_type="image/svg+xml", headers=headers)


def _registered(state: ApiState, cut_id: str) -> AuditCutView:
    with state.database.reading() as connection:
        found = read_audit_registry(connection).cut(cut_id)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"no audit cut has the id {cut_id!r}")
    return found


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
        if name not in ("cut_id", "window_key", "drawn")
    }
    return {**asdict(cut), "window": window, "snapshot": stored or None}
