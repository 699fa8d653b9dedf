"""Watchlists: who is on which, and what operators change of them."""

from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter, HTTPException, Response

from heartbeat.metrics.watchlists import WatchlistNameError, unwatch, watch
from heartbeat_api.api_document import reads, writes
from heartbeat_api.document import DocumentResponse
from heartbeat_api.state import Actor, ApiState, State

router = APIRouter(prefix="/api/watchlists", default_response_class=DocumentResponse)


_NAMED = (HTTPStatus.NOT_FOUND,)


@router.get("", response_model=dict[str, list[str]], **reads())
async def watchlists(state: State) -> DocumentResponse:
    """The metric_ids of every watchlist by its name, in the order of the wall."""
    snapshot = (await state.snapshots.read()).required()
    return DocumentResponse(
        {name: [view.metric_id for view in snapshot.on(name)] for name in snapshot.watchlists}
    )


@router.put("/{watchlist}/{metric}", status_code=HTTPStatus.NO_CONTENT, **writes(*_NAMED))
def put(watchlist: str, metric: str, state: State, actor: Actor) -> Response:
    """Put a metric, by metric_id or code, on a watchlist, which begins with its first."""
    change_watchlist(state, watch, watchlist, metric, actor)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.delete("/{watchlist}/{metric}", status_code=HTTPStatus.NO_CONTENT, **writes(*_NAMED))
def delete(watchlist: str, metric: str, state: State, actor: Actor) -> Response:
    """Take a metric, by metric_id or code, from a watchlist, which ends with its last."""
    change_watchlist(state, unwatch, watchlist, metric, actor)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def change_watchlist(
    state: ApiState, change: Callable[..., None], watchlist: str, metric: str, actor: str
) -> None:
    """Have a metric `watch`ed or `unwatch`ed, and read anew; raises HTTPException."""
    found = state.snapshots.reading().required().metric(metric)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"no metric has the id or code {metric!r}")
    try:
        with state.operating.writing() as connection:
            change(connection, watchlist, found.metric_id, actor=actor)
    except WatchlistNameError as error:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    state.snapshots.renewed()
