"""What a form posts."""

from http import HTTPStatus
from urllib.parse import parse_qsl

from fastapi import HTTPException, Request
from pydantic import ValidationError

from heartbeat.wrong_value import wrong_value

_LONGEST_FORM = 20_000


async def form_fields(request: Request) -> dict[str, str]:
    """The fields of a posted form as they were typed; HTTPException for one that is too long."""
    body = await request.body()
    if len(body) > _LONGEST_FORM:
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the form is too long")
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))


def first_problem(error: ValidationError) -> str:
    """The field that is wrong, and why."""
    first = error.errors()[0]
    field = ".".join(str(step) for step in first["loc"])
    return f"{field}: {wrong_value(first)}"
