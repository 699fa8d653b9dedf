"""The door of a web server: what is too much, or meant for another host, ends here.

Nothing behind the door has read a byte of the body by then, whatever the path is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeAlias, cast

from heartbeat_web.hosts import HostPolicy
from heartbeat_web.refusal import (
    PROTECTION,
    Refusal,
    RefusalLog,
    problem_document,
    problem_page,
)
from heartbeat_web.request_head import RequestHead

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_POLICY_VIOLATION = 1008
_DISCARDED_BYTES = 4_000_000
"""What is still read of a body that is too long: a client that hears of it before it has sent all
sees a broken connection instead of the answer.
"""


@dataclass(frozen=True)
class Limits:
    """How much a request may have: bytes, and seconds for the whole body to arrive."""

    body: int = 1_000_000
    url: int = 8_000
    body_seconds: float = 30.0


class Door:
    """ASGI middleware that refuses by the head of a request, and counts its body."""

    def __init__(
        self,
        app: App,
        hosts: HostPolicy,
        log: RefusalLog,
        *,
        single_headers: Iterable[str] = (),
        limits: Limits | None = None,
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._log = log
        self._single_headers = ("host", "authorization", "origin", "content-type", *single_headers)
        self._limits = limits or Limits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or say why not."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        head = RequestHead(scope)
        try:
            self._check(head)
        except Refusal as refusal:
            return await self._refuse(head, refusal, receive, send)
        if scope["type"] == "websocket":
            return await self._websocket(head, receive, send)
        return await self._http(head, receive, send)

    async def _websocket(self, head: RequestHead, receive: Receive, send: Send) -> None:
        try:
            await self._app(_own(head), receive, send)
        except Refusal as refusal:
            await self._refuse(head, refusal, receive, send)

    async def _http(self, head: RequestHead, receive: Receive, send: Send) -> None:
        body = _Body(receive, self._limits)
        answer = _Answer(send, body)
        try:
            await self._app(_own(head), body.receive, answer.send)
        except Refusal as refusal:
            if answer.started:
                raise
            body.refusal = body.refusal or refusal
        except Exception:
            # an application that made another error of the refusal is not heard
            if body.refusal is None or answer.started:
                raise
        if body.refusal is not None and not answer.started:
            await self._refuse(head, body.refusal, body.rest, send)

    def _check(self, head: RequestHead) -> None:
        for name in self._single_headers:
            head.one(name)
        self._hosts.check_host(head)
        if len(head.scope.get("raw_path") or b"") + len(head.scope["query_string"]) > (
            self._limits.url
        ):
            detail = f"an address has at most {self._limits.url:,} bytes"
            raise Refusal(HTTPStatus.REQUEST_URI_TOO_LONG, detail)
        length = head.one("content-length")
        if length is not None and length.isascii() and length.isdigit():
            _check_length(int(length[:18]), self._limits.body)

    async def _refuse(self, head: RequestHead, refusal: Refusal, rest: Receive, send: Send) -> None:
        self._log.tell(refusal, peer=head.peer_text, method=head.method, path=head.path)
        if head.scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        if refusal.status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            await _discard(rest, self._limits.body_seconds)
            refusal.headers["Connection"] = "close"
        await answer_refusal(head, refusal, send)


def _own(head: RequestHead) -> Scope:
    return cast(Scope, head.scope)


async def answer_refusal(head: RequestHead, refusal: Refusal, send: Send) -> None:
    """Answer with a page to a browser that wants one, else with a problem document."""
    wants_page = any("text/html" in value for value in head.values("accept"))
    if wants_page:
        body, kind = problem_page(refusal), b"text/html; charset=utf-8"
    else:
        body, kind = problem_document(refusal, head.path), b"application/problem+json"
    headers = {**PROTECTION, **refusal.headers}
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    raw += [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": int(refusal.status), "headers": raw})
    await send({"type": "http.response.body", "body": b"" if head.method == "HEAD" else body})


class _Body:
    """The body as it arrives, within its bytes and its seconds."""

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self._receive = receive
        self._limits = limits
        self._deadline: float | None = None
        self._ended = False
        self.received = 0
        self.refusal: Refusal | None = None

    async def receive(self) -> Message:
        """The next message; raises Refusal. After the body there is only its client's leaving."""
        if self._ended:
            return await self._receive()
        try:
            return await self._next()
        except Refusal as refusal:
            self.refusal = refusal
            raise

    async def rest(self) -> Message:
        """What is left of the body, without a limit; at once where nothing is."""
        if self._ended:
            return {"type": "http.request", "body": b"", "more_body": False}
        return await self._receive()

    async def _next(self) -> Message:
        now = asyncio.get_running_loop().time()
        self._deadline = self._deadline or now + self._limits.body_seconds
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError as error:
            detail = f"the body has not arrived within {self._limits.body_seconds:g} s"
            closing = {"Connection": "close"}
            raise Refusal(HTTPStatus.REQUEST_TIMEOUT, detail, closing) from error
        self.received += len(message.get("body", b""))
        self._ended = message["type"] != "http.request" or not message.get("more_body", False)
        _check_length(self.received, self._limits.body)
        return message


class _Answer:
    """What the application answers; nothing once the body was refused: FastAPI answers 400 then."""

    def __init__(self, send: Send, body: _Body) -> None:
        self._send = send
        self._body = body
        self.started = False

    async def send(self, message: Message) -> None:
        if self._body.refusal is None or self.started:
            self.started = True
            await self._send(message)


def _check_length(length: int, limit: int) -> None:
    if length > limit:
        detail = f"a request has at most {limit:,} bytes"
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


async def _discard(rest: Receive, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            more, received = True, 0
            while more and received < _DISCARDED_BYTES:
                message = await rest()
                received += len(message.get("body", b""))
                more = message["type"] == "http.request" and message.get("more_body", False)
    except TimeoutError:
        return
