"""JSON as the API writes it: numbers as numbers, moments in ISO 8601."""

from typing import Any

import orjson
from starlette.responses import JSONResponse

from heartbeat.plain_json import plain_json


def document(content: object) -> bytes:
    """Domain objects as JSON: dataclasses, decimals, dates and enums among them.

    A float that is no finite number is `null`; a decimal that is none raises TypeError.
    """
    return orjson.dumps(content, default=plain_json)


class DocumentResponse(JSONResponse):
    """A JSON response of domain objects: dataclasses, decimals, dates and enums."""

    def render(self, content: Any) -> bytes:
        """The UTF-8 bytes."""
        return document(content)
