"""uvicorn with bounds: connections, heads, idle and unread sockets."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from heartbeat_web.whole_response import GatheringTransport

MOST_CONNECTIONS = 1_000
LONGEST_HEAD = 32_000
"""Bytes of the request line and all headers; cookies of a proxy's login take a few thousand."""
HEAD_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 15
UNREAD_SECONDS = 60.0
"""How long a client may leave an answer unread before its connection is cut."""
_LOOK_SECONDS = 2.0
_MOST_PIPELINED = 20
"""Requests that wait on one connection for the answer of another; no browser sends any so."""
_LONGEST_REST = 1_000_000
"""Bytes of a body that nobody reads any more, since the answer was sent before."""

_HEAD_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class BoundedProtocol(HttpToolsProtocol):
    """One connection that cannot stay open without saying anything, nor say too much."""

    _taken = False
    _body_is_open = False
    _rest_bytes = 0
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None
    _unread = 0
    _unread_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, unless there are too many."""
        if len(self.connections) >= MOST_CONNECTIONS:
            transport.abort()
            return
        self._taken = True
        gathering = GatheringTransport(transport, self.loop)
        super().connection_made(cast(asyncio.Transport, gathering))
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)
        self._stall_timer = self.loop.call_later(_LOOK_SECONDS, self._look_for_unread)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of what the connection holds."""
        self._cancel()
        if self._taken:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived; a head has a limit, and seconds from its first byte on."""
        if not self._taken or self.transport.is_closing():
            return
        within_head = self._waits_for_head()
        if within_head and self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)
        super().data_received(data)
        if within_head and self._waits_for_head():
            self._head_bytes += 0 if self._body_is_open else len(data)
            if self._head_bytes > LONGEST_HEAD and not self.transport.is_closing():
                self._refuse_head()
        else:
            self._head_ended()

    def on_headers_complete(self) -> None:
        """Take the head, unless it is too long as a whole."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > LONGEST_HEAD:
            self._refuse_head()
            return
        if len(self.pipeline) >= _MOST_PIPELINED:
            self.transport.abort()
            return
        self._body_is_open = True
        self._rest_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; a client that goes on after its answer is not listened to."""
        super().on_body(body)
        if self.cycle is not None and self.cycle.response_complete:
            self._rest_bytes += len(body)
            if self._rest_bytes > _LONGEST_REST:
                self.transport.close()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._body_is_open = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Say that this is no HTTP, once."""
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def _refuse_head(self) -> None:
        self.transport.write(_HEAD_TOO_LONG)
        self.transport.close()

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the websocket, which has limits of its own."""
        self._cancel()
        super().handle_websocket_upgrade()

    def on_response_complete(self) -> None:
        """Wait for the next request of the connection."""
        super().on_response_complete()
        self._head_bytes = 0

    def _waits_for_head(self) -> bool:
        """Whether no request is under way whose head is complete."""
        return self.cycle is None or self.cycle.response_complete

    def _head_ended(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._waits_for_head() and not self.transport.is_closing():
            self.transport.close()

    def _look_for_unread(self) -> None:
        """Cut the connection of a client that no longer takes what it has asked for."""
        now, unread = self.loop.time(), self.transport.get_write_buffer_size()
        if unread == 0 or unread != self._unread:
            self._unread, self._unread_since = unread, now
        elif now - self._unread_since > UNREAD_SECONDS:
            self.transport.abort()
            return
        self._stall_timer = self.loop.call_later(_LOOK_SECONDS, self._look_for_unread)

    def _cancel(self) -> None:
        for timer in (self._head_timer, self._stall_timer):
            if timer is not None:
                timer.cancel()
        self._head_timer = self._stall_timer = None


def server_config(
    app: Callable[..., Awaitable[None]], host: str, port: int, **options: Any
) -> uvicorn.Config:
    """How each web server of Heartbeat runs an application."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=BoundedProtocol,
        server_header=False,
        access_log=False,
        proxy_headers=False,  # who may write depends on who really connects
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        **options,
    )


def serve(app: Callable[..., Awaitable[None]], host: str, port: int, **options: Any) -> None:
    """Serve until a signal."""
    uvicorn.Server(server_config(app, host, port, **options)).run()
