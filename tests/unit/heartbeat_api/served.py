"""The API on a port of its own, for as long as a test needs it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from heartbeat.settings import Settings
from heartbeat_api.app import create_app
from heartbeat_web.door import App
from heartbeat_web.server import server_config


@contextmanager
def served(app: App) -> Iterator[str]:
    """Serve the app; gives its origin. Connections wait from the start until it answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = server_config(app, "127.0.0.1", 0, log_level="critical", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def api_on(database_url: str) -> FastAPI:
    """The app on one marts database, which this machine may write; all else by the environment."""
    return create_app(
        Settings.model_validate(
            {"HEARTBEAT_DATABASE_URL": database_url, "HEARTBEAT_LOOPBACK_WRITES": "yes"}
        )
    )
