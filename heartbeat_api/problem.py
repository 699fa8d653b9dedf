"""Errors as RFC 9457 problem documents."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from heartbeat_api.database import UnavailableError
from heartbeat_api.security import SECURITY_HEADERS


class ProblemResponse(JSONResponse):
    """`application/problem+json`: type, title, status, detail, instance."""

    media_type = "application/problem+json"


def problem(
    request: Request, status: int, detail: str, headers: dict[str, str] | None = None
) -> ProblemResponse:
    """The problem document of one request."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
    }
    return ProblemResponse(document, status, headers={**SECURITY_HEADERS, **(headers or {})})


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every error of the app with a problem document."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(UnavailableError, _unavailable)
    app.add_exception_handler(Exception, _unexpected)


def _http(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HTTPException)
    return problem(request, error.status_code, error.detail, dict(error.headers or {}))


def _validation(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(step) for step in first["loc"])
    return problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, f"{place}: {first['msg']}")


def _unavailable(request: Request, error: Exception) -> ProblemResponse:
    return problem(request, HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"Retry-After": "5"})


def _unexpected(request: Request, error: Exception) -> ProblemResponse:
    detail = "the server failed on this request; its log says why"
    return problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail)
