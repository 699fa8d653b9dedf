"""The application: routes, errors, headers, and the life of the database pool."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from heartbeat.refresh.dagster_client import DagsterClient
from heartbeat.refresh.desk import RefreshDesk
from heartbeat.settings import Settings
from heartbeat_api import (
    api_document,
    audit_page_routes,
    audit_routes,
    display_routes,
    metric_page_routes,
    metric_routes,
    page_routes,
    refresh_routes,
    typeface_routes,
    watchlist_routes,
)
from heartbeat_api.active_job import read_active_job
from heartbeat_api.build import build_id
from heartbeat_api.change_listener import ChangeListener, Changes
from heartbeat_api.database import Database, read_again
from heartbeat_api.displays import Displays
from heartbeat_api.docs_folder import DocsFolder
from heartbeat_api.holder import Holder, Reading
from heartbeat_api.negotiation import Negotiation
from heartbeat_api.operators import OperatorPolicy
from heartbeat_api.problem import install_problem_handlers
from heartbeat_api.security import SecurityHeaders
from heartbeat_api.shell import Shell
from heartbeat_api.snapshot import Snapshot, read_snapshot
from heartbeat_api.state import ApiState, WallPage
from heartbeat_api.static_folder import StaticFolder

_DAGSTER_SECONDS = 10.0


def create_app(settings: Settings) -> FastAPI:
    """The API of one marts database; it starts, and answers, also while the database is away."""
    database = Database(settings.database_url, settings.read_database_url)
    dagster = DagsterClient(settings.dagster_url, timeout_seconds=_DAGSTER_SECONDS)
    desk = RefreshDesk(dagster)
    docs = DocsFolder(settings.project / "docs")
    shell = Shell(docs.exists, settings.feedback_url, settings.zone)
    wall_page = partial(page_routes.wall_page, shell=shell)
    changes = Changes(settings.database_url, without_primary=database.has_standby)
    snapshots = _snapshots(database, settings, wall_page, changes)
    jobs = Holder(partial(read_active_job, database, desk))
    listener = ChangeListener(settings.database_url, snapshots.reading)
    displays = Displays(database)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database.open()
        listener.open()
        displays.open()
        yield
        for each in (listener, displays, snapshots, changes, jobs, dagster, database):
            each.close()

    app = FastAPI(
        title="Heartbeat",
        version=build_id(),
        docs_url=None,
        redoc_url=None,
        openapi_url=api_document.PATH,
        generate_unique_id_function=lambda route: route.name,
        lifespan=lifespan,
    )
    app.state.api = ApiState(
        database=database,
        snapshots=snapshots,
        jobs=jobs,
        displays=displays,
        wall_page=wall_page,
        shell=shell,
        docs=docs,
        desk=desk,
        operators=OperatorPolicy(settings),
    )
    _install(app)
    app.openapi = partial(api_document.openapi, app)  # type: ignore[method-assign]
    return app


def _snapshots(
    database: Database, settings: Settings, wall_page: WallPage, changes: Changes
) -> Holder[Snapshot]:
    """What is read once for all, with the answers that every screen asks for made beforehand."""

    def usual_wall(reading: Reading[Snapshot]) -> None:
        reading.made(wall_page, None).compress()

    def usual_metrics(reading: Reading[Snapshot]) -> None:
        reading.made(metric_routes.metrics_document, metric_routes.NO_JOB).compress()

    read = partial(read_again, partial(read_snapshot, database, settings.zone))
    usual = [usual_wall, usual_metrics]
    return Holder(read, beforehand=usual, changed=changes.since_last_asked)


def _install(app: FastAPI) -> None:
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=5)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Negotiation)
    install_problem_handlers(app)
    app.state.routes = []  # those of an included router are not among the app's own
    for routes in (
        refresh_routes,
        metric_routes,
        watchlist_routes,
        display_routes,
        audit_routes,
        audit_page_routes,
        page_routes,
        metric_page_routes,
        typeface_routes,
    ):
        app.include_router(routes.router)
        app.state.routes += routes.router.routes
    app.mount("/static", StaticFolder(directory=Path(__file__).parent / "static"), name="static")
