"""Errors as RFC 9457 problem documents."""

import json
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from heartbeat.wrong_value import wrong_value
from heartbeat_api.database import UnavailableError
from heartbeat_api.security import SECURITY_HEADERS


@dataclass(frozen=True)
class Problem:
    """Why a request was not answered (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str


class ProblemResponse(JSONResponse):
    """A Problem as `application/problem+json`."""

    media_type = "application/problem+json"

    def render(self, content: Any) -> bytes:
        """The UTF-8 bytes; what is no Unicode text, as a client may send it, becomes "?"."""
        return json.dumps(content, ensure_ascii=False).encode(errors="replace")


def problem(
    request: Request, status: int, detail: str, headers: dict[str, str] | None = None
) -> ProblemResponse:
    """The problem document of one request."""
    document = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.scope["path"],  # request.url fails on a Host that is none
    )
    return ProblemResponse(
        asdict(document), status, headers={**SECURITY_HEADERS, **(headers or {})}
    )


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every error of the app with a problem document."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(UnavailableError, _unavailable)
    app.add_exception_handler(Exception, _unexpected)


def _http(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request))
    return problem(request, error.status_code, error.detail, headers)


def _allowed(request: Request) -> list[str]:
    """The methods of all routes of the path; Starlette names those of the first one only."""
    template = getattr(request.scope.get("route"), "path", None)
    methods = {
        method
        for route in (*request.app.routes, *getattr(request.app.state, "routes", ()))
        if template is not None and getattr(route, "path", None) == template
        for method in route.methods
    }
    if "GET" in methods or not methods:  # what is mounted, static files, is read only
        methods |= {"GET", "HEAD"}
    return sorted(methods)


def _validation(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(step) for step in first["loc"])
    return problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, f"{place}: {wrong_value(first)}")


def _unavailable(request: Request, error: Exception) -> ProblemResponse:
    return problem(request, HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"Retry-After": "5"})


def _unexpected(request: Request, error: Exception) -> ProblemResponse:
    detail = "the server failed on this request; its log says why"
    return problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail)
