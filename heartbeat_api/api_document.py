"""The OpenAPI document at `/api/openapi.json`: every JSON route, all that it answers."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from heartbeat.metrics.backtest import Backtest
from heartbeat_api.answers import MetricsDocument
from heartbeat_api.problem import Problem, ProblemResponse

PATH = "/api/openapi.json"

_OPERATOR = "operator"
_OWN = (Problem, MetricsDocument, Backtest)
"""What FastAPI does not know, and what has decimals, which it takes for texts."""

_PROBLEM = {ProblemResponse.media_type: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_ABOUT = """\
A read needs no login. A write needs an operator: the holder of a bearer token, or whom a trusted
proxy names; while neither is set up, and with the switch for it, whoever asks from the machine
itself. Every `GET` is also a `HEAD`. Any path refuses a host that is none of the server's (421), an
address (414), headers (431) or a body (413) that is too long, and a header of identity that is
there twice (400)."""


def reads(*refusals: HTTPStatus) -> dict[str, Any]:
    """How a route that reads is documented: how it refuses, beside that it may not answer now."""
    return {"responses": _documented(*refusals, HTTPStatus.SERVICE_UNAVAILABLE)}


def writes(*refusals: HTTPStatus) -> dict[str, Any]:
    """The same of a route that only an operator may ask."""
    by_whom = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
    described = reads(*by_whom, *refusals, HTTPStatus.UNPROCESSABLE_ENTITY)
    return {**described, "openapi_extra": {"security": [{_OPERATOR: []}]}}


BODY_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
"""How a route refuses a body before it is looked at."""


def download(media_type: str) -> dict[int | str, dict[str, Any]]:
    """The good answer of a route that gives a file."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {HTTPStatus.OK.value: {"description": "The file", "content": content}}


def openapi(app: FastAPI) -> dict[str, Any]:
    """The document of an app, made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=_ABOUT, routes=app.routes
        )
        made["components"]["schemas"] |= _own_schemas()
        made["components"]["securitySchemes"] = {_OPERATOR: {"type": "http", "scheme": "bearer"}}
        app.openapi_schema = made
    return app.openapi_schema


def _documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    return {
        status.value: {"description": status.phrase, "content": _PROBLEM}
        for status in sorted(set(statuses))
    }


class _Written(GenerateJsonSchema):
    """Of objects as Heartbeat writes them: a decimal as a number."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """Of one decimal."""
        return {"type": "number"}


def _own_schemas() -> Mapping[str, Any]:
    _, found = TypeAdapter.json_schemas(
        [(each.__name__, "serialization", TypeAdapter(each)) for each in _OWN],
        schema_generator=_Written,
        ref_template="#/components/schemas/{model}",
    )
    schemas: Mapping[str, Any] = found["$defs"]
    return schemas
