"""`python -m dagster_guard WORKSPACE`: serve Dagster's web server behind the guard."""

import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._utils.interrupts import setup_interrupt_handlers
from dagster._utils.log import configure_loggers
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.version import __version__

from dagster_guard.application import guarded
from heartbeat.errors import SettingsError
from heartbeat.settings import Settings
from heartbeat_web.door import App
from heartbeat_web.server import serve

_STATEMENT_MILLISECONDS = 15_000
_POOL_RECYCLE_SECONDS = 3_600
_POOL_OVERFLOW = 20
_LIVE_DATA_MILLISECONDS = 2_000
_LONGEST_MESSAGE = 1_000_000


def main(workspace: str) -> None:
    """Serve until a signal, as `dagster-webserver` does with the options of its default."""
    try:
        settings = Settings.load()
    except SettingsError as error:
        sys.exit(str(error))
    configure_loggers(formatter="colored", log_level="INFO")
    setup_interrupt_handlers()
    with DagsterInstance.get() as instance:
        instance.optimize_for_webserver(
            _STATEMENT_MILLISECONDS, _POOL_RECYCLE_SECONDS, _POOL_OVERFLOW
        )
        target = WorkspaceFileTarget([workspace])
        with WorkspaceProcessContext(
            instance, version=__version__, workspace_load_target=target
        ) as context:
            create = cast(Callable[..., Any], create_app_from_workspace_process_context)
            dagster: App = create(context, "", _LIVE_DATA_MILLISECONDS, lifespan=_lifespan)
            logging.getLogger("dagster_guard").info(
                "Serving Dagster at %s", settings.own_dagster_url
            )
            serve(
                guarded(dagster, settings),
                settings.bind_host,
                settings.dagster_port,
                log_level="warning",
                ws_max_size=_LONGEST_MESSAGE,
            )


@asynccontextmanager
async def _lifespan(app: object) -> AsyncIterator[None]:
    yield


if __name__ == "__main__":
    main(sys.argv[1])
