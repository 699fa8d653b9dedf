"""The page behind one tile, and its forms: they post without JavaScript too."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus

from anyio import to_thread
from fastapi import APIRouter, HTTPException, Request
from pydantic import TypeAdapter, ValidationError
from starlette.responses import HTMLResponse, RedirectResponse, Response

from heartbeat.metrics.backtest import BacktestError, backtest
from heartbeat.metrics.metric_rows import read_days, read_observations
from heartbeat.metrics.metric_view import MetricView
from heartbeat.metrics.operator_change import (
    Amount,
    OperatorChange,
    RefusedChangeError,
    UnknownMetricError,
    apply_change,
)
from heartbeat.metrics.watchlists import unwatch, watch
from heartbeat_api.face import metric_href
from heartbeat_api.forms import first_problem, form_fields
from heartbeat_api.job_line import JobLine, job_shown
from heartbeat_api.metric_page import (
    LAST_RUNS,
    LINE_FIELDS,
    Draft,
    backtest_texts,
    metric_page,
)
from heartbeat_api.page_routes import FRESH
from heartbeat_api.refresh_routes import request_refresh
from heartbeat_api.reread import RereadingRoute
from heartbeat_api.state import Actor, ApiState, State
from heartbeat_api.template import render
from heartbeat_api.watchlist_routes import change_watchlist

router = APIRouter(prefix="/m/{code}", include_in_schema=False, route_class=RereadingRoute)


@router.get("")
def page(code: str, request: Request, state: State, job: str | None = None) -> Response:
    """The page; with values of lines in the query, what those would have done."""
    # in this order: a page that says that the refresh has ended shows the numbers that it made
    shown_job = job_shown(state, job)
    metric = _found(state, code)
    typed = {name: value for name, value in request.query_params.items() if name != "job"}
    tried = _backtest(state, metric, typed) if typed.keys() & set(LINE_FIELDS) else ()
    return _page(state, metric, Draft(typed, backtest=tried), job=shown_job)


@router.post("")
async def change(code: str, request: Request, state: State) -> Response:
    """Change what belongs to the operators; what is refused stays typed, beside the reason."""
    typed = await form_fields(request)
    return await to_thread.run_sync(_change, code, request, state, typed)


@router.post("/refresh")
async def refresh(code: str, state: State, actor: Actor) -> Response:
    """Refresh this metric, and show how it goes."""
    metric = _found(state, code)
    ticket = await request_refresh(state, [metric.metric_id], trigger="ui", actor=actor)
    return RedirectResponse(f"{metric_href(metric)}?job={ticket.job_id}", HTTPStatus.SEE_OTHER)


@router.post("/watchlists")
async def watchlists(code: str, request: Request, state: State) -> Response:
    """Put this metric on a watchlist, or take it off; a name that is refused stays typed."""
    typed = await form_fields(request)
    return await to_thread.run_sync(_change_watchlist, code, request, state, typed)


def _change_watchlist(
    code: str, request: Request, state: ApiState, typed: Mapping[str, str]
) -> Response:
    metric = _found(state, code)
    name = typed.get("watchlist", "").strip()
    try:
        actor = state.operators.actor(request)
        change = watch if typed.get("on") else unwatch
        change_watchlist(state, change, name, metric.metric_id, actor)
    except HTTPException as refusal:
        return _page(state, metric, Draft(typed, refusal.detail), status=refusal.status_code)
    return RedirectResponse(metric_href(metric), HTTPStatus.SEE_OTHER)


def _change(code: str, request: Request, state: ApiState, typed: Mapping[str, str]) -> Response:
    metric = _found(state, code)
    try:
        actor = state.operators.actor(request)
        given = OperatorChange.model_validate(
            {name: value.strip() or None for name, value in typed.items()}
        )
        with state.operating.writing() as connection:
            apply_change(connection, metric.metric_id, given, actor=actor)
    except HTTPException as refusal:
        return _page(state, metric, Draft(typed, refusal.detail), status=refusal.status_code)
    except ValidationError as error:
        return _page(state, metric, Draft(typed, first_problem(error)), status=_REFUSED)
    except (RefusedChangeError, UnknownMetricError) as error:
        return _page(state, metric, Draft(typed, str(error)), status=_REFUSED)
    state.snapshots.renewed()
    return RedirectResponse(metric_href(metric), HTTPStatus.SEE_OTHER)


_REFUSED = HTTPStatus.UNPROCESSABLE_ENTITY


def _page(
    state: ApiState,
    metric: MetricView,
    draft: Draft,
    *,
    job: JobLine | None = None,
    status: int = HTTPStatus.OK,
) -> Response:
    snapshot = state.snapshots.reading().required()
    metric = snapshot.metric(metric.metric_id) or metric  # all of a page is of one reading
    with state.database.reading() as connection:
        runs = read_observations(connection, metric.metric_id, LAST_RUNS)
    now = datetime.now(UTC)
    shown = metric_page(metric, snapshot, now, state.shell.zone, runs=runs, draft=draft, job=job)
    frame = state.shell.frame("/", snapshot, now)
    return HTMLResponse(render("metric.html", page=shown, frame=frame), status, FRESH)


def _backtest(state: ApiState, metric: MetricView, typed: Mapping[str, str]) -> tuple[str, ...]:
    """What the typed lines would have done, or why that cannot be told."""
    with state.database.reading() as connection:
        values = read_days(connection, metric.metric_id)[-90:]
    try:
        lines = {name: _number(typed, f"{name}_value") for name in ("alert", "norm")}
        target = _number(typed, "target_value")
        return backtest_texts(backtest(values, metric.direction, lines, target))
    except (BacktestError, _NoNumberError) as error:
        return (str(error),)


_AMOUNT = TypeAdapter[Decimal](Amount)


class _NoNumberError(Exception):
    pass


def _number(typed: Mapping[str, str], name: str) -> Decimal | None:
    text = typed.get(name, "").strip()
    try:
        return _AMOUNT.validate_python(text) if text else None
    except ValidationError as error:
        raise _NoNumberError(f"{text[:40]} is not a number of at most 40 digits") from error


def _found(state: ApiState, code: str) -> MetricView:
    metric = state.snapshots.reading().required().metric(code)
    if metric is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"no metric has the code {code!r}")
    return metric
