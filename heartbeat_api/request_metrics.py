"""How many requests each route answers, and how long they take."""

import time

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_UNMATCHED = "unmatched"


class RequestMetrics:
    """The counts and times of one app, by route and never by path, so that they stay bounded."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "heartbeat_http_requests_total",
            "Requests answered, by route and status",
            ["method", "route", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "heartbeat_http_request_duration_seconds",
            "From the first look at a request to the last byte of its answer",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=registry,
        )

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one request that was answered."""
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = _route(scope)
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)


class MeasuredRequests:
    """ASGI middleware that measures; the router behind it says in the scope which route it took."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and measure it."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began = time.perf_counter()
        status = 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            self._metrics.observe(scope, status, time.perf_counter() - began)


def _route(scope: Scope) -> str:
    """The template of the route, such as /m/{code}; no path that a client made up."""
    template = getattr(scope.get("route"), "path", None)
    if template is not None:
        return str(template)
    return "/static" if scope["path"].startswith("/static/") else _UNMATCHED
