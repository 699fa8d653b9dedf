"""JSON of the metrics, what operators change of them, and whether the API can speak at all."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from starlette.responses import Response

from heartbeat.metrics.backtest import Backtest, BacktestError, backtest
from heartbeat.metrics.metric_rows import read_days
from heartbeat.metrics.metric_view import MetricView
from heartbeat.metrics.operator_change import (
    Amount,
    OperatorChange,
    RefusedChangeError,
    UnknownMetricError,
    apply_change,
)
from heartbeat_api.active_job import ActiveJob
from heartbeat_api.answers import Health, LandingDocument, MetricsDocument
from heartbeat_api.api_document import BODY_REFUSALS, reads, writes
from heartbeat_api.build import build_id
from heartbeat_api.database import UnavailableError
from heartbeat_api.document import DocumentResponse, document
from heartbeat_api.holder import Reading
from heartbeat_api.representation import Representation, version_of
from heartbeat_api.reread import RereadingRoute
from heartbeat_api.snapshot import Snapshot
from heartbeat_api.state import Actor, ApiState, State

_JOB_PATIENCE_SECONDS = 0.25

router = APIRouter(default_response_class=DocumentResponse, route_class=RereadingRoute)

Line = Annotated[Amount | None, Query()]
Days = Annotated[int | None, Query(ge=1, description="Only the last days that have a value.")]

_NAMED = (HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
_THE_FIRST = "$response.body#/metrics/0/metric_id"
_LINKS = {
    "metric": {"name": _THE_FIRST},
    "backtested": {"name": _THE_FIRST, "alert": 20},
    "change_metric": {"name": _THE_FIRST},
    "put": {"metric": _THE_FIRST, "watchlist": "board"},
    "delete": {"metric": _THE_FIRST, "watchlist": "board"},
}
_ALL = reads()
_ALL["responses"] |= {
    HTTPStatus.OK.value: {
        "links": {
            operation: {"operationId": operation, "parameters": parameters}
            for operation, parameters in _LINKS.items()
        }
    },
    HTTPStatus.NOT_MODIFIED.value: {"description": "Who asks has this version"},
}

NO_JOB = document(None)


def metrics_document(reading: Reading[Snapshot], job: bytes) -> Representation:
    """All metrics of a reading with the JSON of the active job; raises UnavailableError.

    Its version is that of all but `as_of`: the moment of the read alone changes nothing.
    """
    rows, version = reading.made(_rows)
    head = document({"as_of": reading.required().as_of, "build": build_id()})
    body = b'%b,"job":%b,%b}' % (head[:-1], job, rows)
    return Representation(body, "application/json", version_of(build_id(), version, job))


def _rows(reading: Reading[Snapshot]) -> tuple[bytes, str]:
    """The members `landing` and `metrics`, and their version."""
    snapshot = reading.required()
    rows = document({"landing": _landing(snapshot), "metrics": snapshot.metrics})[1:-1]
    return rows, version_of(rows)


def _landing(snapshot: Snapshot) -> LandingDocument:
    landing = snapshot.landing
    return LandingDocument(
        source_as_of=snapshot.sources_as_of(),
        failed_at=landing.failed_at,
        tables=landing.tables,
        refused=landing.refused,
        broken_off=landing.broken_off,
        restored=landing.restored,
    )


@router.get("/healthz", response_model=Health, **reads())
async def healthz(state: State) -> DocumentResponse:
    """200 while the database answers; else 503 with the reason."""
    reading = await state.snapshots.read()
    if reading.failure:
        raise UnavailableError(reading.failure)
    return DocumentResponse(Health("ok", build_id()))


@router.get("/api/metrics", response_model=MetricsDocument, **_ALL)
async def metrics(request: Request, state: State) -> Response:
    """All metrics in the order of the wall; `as_of` is the moment of the last good read."""
    # in this order: whom this tells that the job has ended gets the numbers that it made
    jobs = await state.jobs.read(_JOB_PATIENCE_SECONDS)
    reading = await state.snapshots.read()
    return reading.made(metrics_document, jobs.made(_shown_job)).answers(request)


@router.get("/api/metrics/{name}", response_model=MetricView, **reads(*_NAMED))
async def metric(name: str, state: State) -> DocumentResponse:
    """One metric by metric_id or code."""
    return DocumentResponse(_named(await state.snapshots.read(), name))


@router.patch(
    "/api/metrics/{name}/verification",
    response_model=MetricView,
    **writes(HTTPStatus.NOT_FOUND, *BODY_REFUSALS),
)
def change_metric(
    name: str, change: OperatorChange, state: State, actor: Actor
) -> DocumentResponse:
    """Change what belongs to the operators; answers with the metric as it is then."""
    metric_id = _found(state, name).metric_id
    try:
        with state.operating.writing() as connection:
            apply_change(connection, metric_id, change, actor=actor)
    except UnknownMetricError as error:
        raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from error
    except RefusedChangeError as error:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    return DocumentResponse(_named(state.snapshots.renewed(), metric_id))


@router.get("/api/metrics/{name}/backtest", response_model=Backtest, **reads(*_NAMED))
def backtested(
    name: str, state: State, alert: Line = None, norm: Line = None, days: Days = None
) -> DocumentResponse:
    """How often and how long lines would have been crossed in the stored history."""
    if alert is None and norm is None:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "give a line: ?alert=20, ?norm=14")
    found = _found(state, name)
    with state.database.reading() as connection:
        values = read_days(connection, found.metric_id)
    try:
        lines = {"alert": alert, "norm": norm}
        return DocumentResponse(
            backtest(values[-days:] if days else values, found.direction, lines, found.target_value)
        )
    except BacktestError as error:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error


def _shown_job(reading: Reading[ActiveJob]) -> bytes:
    """The active job; none while Dagster is away, which is no reason for a blank wall."""
    if reading.value is None or reading.failure is not None:
        return NO_JOB
    return document(reading.value.job)


def _found(state: ApiState, name: str) -> MetricView:
    return _named(state.snapshots.reading(), name)


def _named(reading: Reading[Snapshot], name: str) -> MetricView:
    found = reading.required().metric(name)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"no metric has the id or code {name!r}")
    return found
