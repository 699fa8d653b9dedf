"""Who may do what on Dagster's web server.

Reading needs no login, as on the cockpit. What changes something needs an operator, or the token
of the API and the command line; no page of another origin may ask for it, nor for what is behind
the pages.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from dagster_guard.graphql_request import (
    changes_something,
    query_of_address,
    query_of_body,
    query_of_message,
)
from heartbeat.settings import Settings
from heartbeat_web.door import App, Message, Receive, Scope, Send
from heartbeat_web.hosts import HostPolicy
from heartbeat_web.operators import OperatorPolicy
from heartbeat_web.refusal import PROTECTION, Refusal, RefusalLog
from heartbeat_web.request_head import RequestHead

ACTOR = "heartbeat"
"""The API and the command line, which know the token."""

_GRAPHQL = "/graphql"
_SERVED_BY_NOBODY = ("/notebook", "/dagit/notebook")
"""They read any file of that kind on the code location's disk; no asset here has a notebook."""
_BEHIND_THE_PAGES = (_GRAPHQL, "/logs/", "/download_debug/", "/server_info", "/dagit_info")
_POLICY_VIOLATION = 1008
_FRAMES = "frame-ancestors 'none'"


@dataclass(frozen=True)
class Guard:
    """ASGI middleware before Dagster's application."""

    app: App
    settings: Settings
    hosts: HostPolicy
    operators: OperatorPolicy
    log: RefusalLog

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; raises Refusal before anything of it has been answered."""
        if scope["type"] == "websocket":
            await self._websocket(RequestHead(scope), receive, send)
        elif scope["type"] == "http":
            await self._http(RequestHead(scope), receive, _protected(send))
        else:
            await self.app(scope, receive, send)

    async def _http(self, head: RequestHead, receive: Receive, send: Send) -> None:
        if head.path in _SERVED_BY_NOBODY:
            raise Refusal(HTTPStatus.NOT_FOUND, "Heartbeat has no notebooks")
        if head.reads:
            self._check_read(head)
        elif head.path == _GRAPHQL:
            receive = await self._check_graphql(head, receive)
        else:
            self._check_operator(head)
            _check_json(head, required=False)
        await self.app(_writable(head.scope), receive, send)

    def _check_read(self, head: RequestHead) -> None:
        if head.path.startswith(_BEHIND_THE_PAGES):
            self._check_page(head)
        if head.path == _GRAPHQL and changes_something(
            query_of_address(head.scope["query_string"])
        ):
            raise Refusal(
                HTTPStatus.METHOD_NOT_ALLOWED,
                "a mutation is sent by POST, as JSON",
                {"Allow": "POST"},
            )

    async def _check_graphql(self, head: RequestHead, receive: Receive) -> Receive:
        """Read the body, check what it wants, and give it to Dagster once more."""
        self._check_page(head)
        _check_json(head, required=True)
        if query_of_address(head.scope["query_string"]) is not None:
            raise Refusal(HTTPStatus.BAD_REQUEST, "a query that is posted stands in the body")
        body = await _body(receive)
        if changes_something(query_of_body(body)):
            self._check_operator(head)
        return _again(body, receive)

    async def _websocket(self, head: RequestHead, receive: Receive, send: Send) -> None:
        if head.path != _GRAPHQL:
            raise Refusal(HTTPStatus.NOT_FOUND, "there is no such websocket")
        self._check_page(head)

        async def checked() -> Message:
            message = await receive()
            text = message.get("text") if message["type"] == "websocket.receive" else None
            if text is None:
                return message
            try:
                _check_message(text)
            except Refusal as refusal:
                self._tell(head, refusal)
                await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
                return {"type": "websocket.disconnect", "code": _POLICY_VIOLATION}
            return message

        await self.app(_writable(head.scope), checked, send)

    def _check_page(self, head: RequestHead) -> None:
        self.hosts.check_page(head, self.operators.forwarded_host(head))

    def _check_operator(self, head: RequestHead) -> None:
        if not self._has_token(head):
            self.operators.actor(head)

    def _has_token(self, head: RequestHead) -> bool:
        token = self.settings.dagster_token
        given = head.one("authorization") or ""
        return token is not None and hmac.compare_digest(
            given.encode("latin-1", "replace"), f"Bearer {token}".encode()
        )

    def _tell(self, head: RequestHead, refusal: Refusal) -> None:
        self.log.tell(refusal, peer=head.peer_text, method=head.method, path=head.path)


def _check_message(text: str) -> None:
    if changes_something(query_of_message(text)):
        raise Refusal(HTTPStatus.FORBIDDEN, "a mutation is not sent by websocket")


def _check_json(head: RequestHead, *, required: bool) -> None:
    """Raise Refusal for a content type that a form, or a script of any other page, can send."""
    given = head.one("content-type")
    if given is None and not required:
        return
    if (given or "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send it as JSON: Content-Type: application/json"
        )


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Refusal(HTTPStatus.BAD_REQUEST, "the client has gone before the body was there")
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _again(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _writable(scope: Mapping[str, Any]) -> Scope:
    return dict(scope)


def _protected(send: Send) -> Send:
    """No page of another site may show the answer in a frame, or use it as its own."""

    async def protected(message: Message) -> None:
        if message["type"] == "http.response.start":
            # beside the policy that Dagster sends with its page: both hold
            added = {
                "content-security-policy": _FRAMES,
                "x-frame-options": PROTECTION["X-Frame-Options"],
                "cross-origin-resource-policy": "same-origin",
            }
            raw = [(name.encode(), value.encode()) for name, value in added.items()]
            message = {**message, "headers": [*message.get("headers", []), *raw]}
        await send(message)

    return protected
