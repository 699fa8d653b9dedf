"""What holds for requests of every route: HEAD and compression."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CODINGS = {"gzip", "x-gzip"}


class Negotiation:
    """ASGI middleware: HEAD is GET without its body, and `Accept-Encoding` says gzip or nothing.

    Both are told plainly to whoever is behind, since Starlette's own middleware takes any
    `Accept-Encoding` that has the letters gzip in it for a wish, also `gzip;q=0`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on as it is meant."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headless = scope["method"] == "HEAD"
        plain = {**scope, "method": "GET" if headless else scope["method"]}
        plain["headers"] = _plain_headers(scope)
        send = _without_body(send) if headless else send
        return await self._app(plain, receive, send)


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a client wants gzip (RFC 9110, 12.5.3): a coding of its own goes before `*`."""
    weights: dict[str, float] = {}
    for entry in accept_encoding.lower().split(","):
        coding, *parameters = (part.strip() for part in entry.split(";"))
        weights[coding] = _weight(parameters)
    named = [weights[coding] for coding in _CODINGS if coding in weights]
    return (max(named) if named else weights.get("*", 0.0)) > 0


def _weight(parameters: list[str]) -> float:
    """The q of an entry; one that cannot be read refuses, which is always safe."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _plain_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    headers = MutableHeaders(raw=list(scope["headers"]))
    wished = ",".join(Headers(scope=scope).getlist("accept-encoding"))
    del headers["accept-encoding"]
    if accepts_gzip(wished):
        headers["accept-encoding"] = "gzip"
    return headers.raw


def _without_body(send: Send) -> Send:
    async def headless(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return headless
