"""A served cockpit whose metrics a test chooses, and a line to it that can be disturbed."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import Enum
from urllib.parse import urlsplit

import httpx
import psycopg
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.unit.heartbeat_api.stored_metrics import StoredMetric, store

_PATIENCE_SECONDS = 120
_BUFFER = 65_536


class Cockpit:
    """A served wall whose metrics a test chooses."""

    def __init__(self, origin: str, connection: psycopg.Connection) -> None:
        self.origin = origin
        self.marts = connection
        self._moment = datetime.now(UTC)

    def shows(self, metrics: Sequence[StoredMetric]) -> None:
        """Store exactly these metrics, and wait until they are served."""
        self._moment = datetime.now(UTC)
        self.then_shows(metrics)

    def then_shows(self, metrics: Sequence[StoredMetric]) -> None:
        """The same at the moment of the last `shows`: what is equal has not changed."""
        store(self.marts, metrics, self._moment)
        expected = sorted(
            (metric.code, metric.short_name, metric.error, metric.owner) for metric in metrics
        )
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._served() != expected:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _served(self) -> list[tuple[str, str, str | None, str | None]]:
        served = httpx.get(f"{self.origin}/api/metrics").json()["metrics"]
        names = ("code", "short_name", "error", "owner")
        return sorted(tuple(metric[name] for name in names) for metric in served)


class Fault(Enum):
    """What goes wrong on the line."""

    REFUSED = "the server answers 503"
    SILENT = "the server takes the request and says nothing"
    RESET = "the connection is reset"
    GARBAGE = "something else answers 200"


_ANSWERS = {
    Fault.REFUSED: b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
    Fault.GARBAGE: b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 16\r\n\r\n"
    b"<p>Log in</p>   ",
}


class Line:
    """A TCP line to a server, on a port of its own, that can be disturbed."""

    def __init__(self, portal: BlockingPortal, origin: str) -> None:
        self._portal = portal
        self._upstream = urlsplit(origin)
        self._fault: Fault | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._server = portal.call(asyncio.start_server, self._serve, "127.0.0.1", 0)
        self.origin = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def is_disturbed(self, fault: Fault | None) -> None:
        """From now on, for open connections too; None: all is well again."""
        self._portal.call(self._turn, fault)

    def close(self) -> None:
        self._portal.call(self._server.close)
        self.is_disturbed(None)

    def _turn(self, fault: Fault | None) -> None:
        self._fault = fault
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self._held(writer), suppress(OSError):
            if self._fault is None:
                await self._pass_on(reader, writer)
            elif self._fault is not Fault.RESET:
                await reader.read(_BUFFER)
                writer.write(_ANSWERS.get(self._fault, b""))
                if self._fault is Fault.SILENT:
                    await reader.read()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._upstream.hostname, self._upstream.port
        answers, server = await asyncio.open_connection(host, port)
        with self._held(server):
            await asyncio.gather(_pipe(reader, server), _pipe(answers, writer))

    @contextmanager
    def _held(self, writer: asyncio.StreamWriter) -> Iterator[None]:
        self._open.add(writer)
        try:
            yield
        finally:
            self._open.discard(writer)
            if self._fault is Fault.RESET:
                writer.transport.abort()
            writer.close()


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_BUFFER):
        sink.write(data)
        await sink.drain()
    sink.close()


@contextmanager
def line_to(origin: str) -> Iterator[Line]:
    """A line to a server, closed afterwards."""
    with start_blocking_portal() as portal:
        line = Line(portal, origin)
        try:
            yield line
        finally:
            line.close()
