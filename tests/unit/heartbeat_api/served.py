"""The API on a port of its own, for as long as a test needs it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from heartbeat.settings import Settings
from heartbeat_api.app import create_app


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve the app; gives its origin. Connections wait from the start until it answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", lifespan="on", proxy_headers=False)
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
    """The app on one marts database, all else as the environment says."""
    return create_app(Settings.model_validate({"HEARTBEAT_DATABASE_URL": database_url}))
