"""Answers that leave in one piece, so that a process that is killed leaves none half told.

What a proxy has begun to pass on it cannot ask of another process any more.
"""

import asyncio
from typing import Any


class GatheringTransport:
    """A transport that sends together what is written in one step of the event loop.

    uvicorn writes the head of an answer and its body one after the other.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._written: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send it with what is written beside it."""
        if not self._written:
            self._loop.call_soon(self._send)
        self._written.append(data)

    def close(self) -> None:
        """Close once all is sent."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        written, self._written = self._written, []
        if written and not self._transport.is_closing():
            self._transport.write(b"".join(written))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
