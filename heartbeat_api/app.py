"""The application: routes, errors, headers, and the life of the database pool."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from heartbeat.login import Login
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
    monitoring_routes,
    page_routes,
    readiness_routes,
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
from heartbeat_api.monitoring import Monitoring
from heartbeat_api.negotiation import Negotiation
from heartbeat_api.operators import Operators
from heartbeat_api.platform_watch import PlatformWatch
from heartbeat_api.problem import install_problem_handlers
from heartbeat_api.readiness import read_dagster_state
from heartbeat_api.request_metrics import MeasuredRequests
from heartbeat_api.security import SecurityHeaders
from heartbeat_api.shell import Shell
from heartbeat_api.snapshot import Snapshot, read_snapshot
from heartbeat_api.state import ApiState, WallPage
from heartbeat_api.static_folder import StaticFolder
from heartbeat_web.door import Door
from heartbeat_web.hosts import named_hosts
from heartbeat_web.operators import OperatorPolicy
from heartbeat_web.refusal import RefusalLog

_DAGSTER_SECONDS = 10.0
_LOOKING_SECONDS = 5.0
_STATE_SECONDS = 2.5


def create_app(settings: Settings) -> FastAPI:
    """The API of one marts database; it starts, and answers, also while the database is away."""
    read_urls = {login: settings.read_url(login) for login in (Login.API, Login.OPERATOR)}
    database = Database(settings.login_url(Login.API), read_urls[Login.API])
    operating = Database(settings.login_url(Login.OPERATOR), read_urls[Login.OPERATOR])
    dagster = DagsterClient.of(settings, timeout_seconds=_DAGSTER_SECONDS)
    desk = RefreshDesk(dagster)
    docs = DocsFolder(settings.project / "docs")
    refusals = RefusalLog(logging.getLogger("heartbeat_api.refusals"))
    hosts = named_hosts(settings, settings.public_url)
    operators = Operators(OperatorPolicy(settings, hosts), refusals)
    shell = Shell(docs.exists, settings.feedback_url, settings.zone, operators.closed)
    wall_page = partial(page_routes.wall_page, shell=shell)
    changes = Changes(settings.login_url(Login.API), without_primary=database.has_standby)
    snapshots = _snapshots(database, settings, wall_page, changes)
    jobs = Holder(partial(read_again, partial(read_active_job, database, desk)))
    asked_of_state = DagsterClient.of(settings, timeout_seconds=_STATE_SECONDS)
    state = Holder(partial(read_dagster_state, asked_of_state))
    listener = ChangeListener(settings.login_url(Login.API), snapshots.reading)
    displays = Displays(database)
    looking = DagsterClient.of(settings, timeout_seconds=_LOOKING_SECONDS)
    watch = PlatformWatch(database, looking, settings.home)
    monitoring = Monitoring(version("heartbeat"))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database.open()
        operating.open()
        listener.open()
        displays.open()
        watch.open()
        yield
        for each in (
            listener,
            displays,
            watch,
            snapshots,
            changes,
            jobs,
            state,
            asked_of_state,
            dagster,
            database,
            operating,
        ):
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
        operating=operating,
        snapshots=snapshots,
        jobs=jobs,
        dagster=state,
        displays=displays,
        watch=watch,
        monitoring=monitoring,
        wall_page=wall_page,
        shell=shell,
        docs=docs,
        desk=desk,
        operators=operators,
    )
    # innermost, where the scope is the router's own and says which route it took
    app.add_middleware(MeasuredRequests, metrics=monitoring.requests)
    _install(app)
    # the last that is added is the first that a request meets
    identity = (settings.identity_header,)
    app.add_middleware(Door, hosts=hosts, log=refusals, single_headers=identity)
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
        readiness_routes,
        metric_routes,
        watchlist_routes,
        display_routes,
        audit_routes,
        audit_page_routes,
        page_routes,
        metric_page_routes,
        monitoring_routes,
        typeface_routes,
    ):
        app.include_router(routes.router)
        app.state.routes += routes.router.routes
    app.mount("/static", StaticFolder(directory=Path(__file__).parent / "static"), name="static")
