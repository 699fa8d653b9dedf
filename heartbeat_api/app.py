"""The application: routes, errors, headers, and the life of the database pool."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from heartbeat.refresh.dagster_client import DagsterClient
from heartbeat.refresh.desk import RefreshDesk
from heartbeat.settings import Settings
from heartbeat_api import audit_routes, metric_routes, page_routes, refresh_routes
from heartbeat_api.active_job import read_active_job
from heartbeat_api.build import build_id
from heartbeat_api.change_listener import ChangeListener
from heartbeat_api.database import Database
from heartbeat_api.holder import Holder
from heartbeat_api.operators import OperatorPolicy
from heartbeat_api.problem import install_problem_handlers
from heartbeat_api.security import SecurityHeaders
from heartbeat_api.snapshot import read_snapshot
from heartbeat_api.state import ApiState

_DAGSTER_SECONDS = 10.0


def create_app(settings: Settings) -> FastAPI:
    """The API of one marts database; it starts, and answers, also while the database is away."""
    database = Database(settings.database_url)
    dagster = DagsterClient(settings.dagster_url, timeout_seconds=_DAGSTER_SECONDS)
    desk = RefreshDesk(dagster)
    wall = partial(page_routes.wall_html, zone=settings.zone)
    snapshots = Holder(
        partial(read_snapshot, database, settings.zone),
        made_beforehand=[metric_routes.metrics_json, wall],
    )
    jobs = Holder(partial(read_active_job, database, desk))

    changes = ChangeListener(settings.database_url, snapshots.renewed)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database.open()
        changes.open()
        yield
        for each in (changes, snapshots, jobs, dagster, database):
            each.close()

    app = FastAPI(
        title="Heartbeat",
        version=build_id(),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
    )
    app.state.api = ApiState(
        database=database,
        snapshots=snapshots,
        jobs=jobs,
        wall_html=wall,
        desk=desk,
        zone=settings.zone,
        operators=OperatorPolicy(settings),
    )
    app.add_middleware(SecurityHeaders)
    install_problem_handlers(app)
    for routes in (refresh_routes, metric_routes, audit_routes, page_routes):
        app.include_router(routes.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    return app
