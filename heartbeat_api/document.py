"""JSON as the API writes it: numbers as numbers, moments in ISO 8601."""

import json
from typing import Any

from starlette.responses import JSONResponse

from heartbeat.plain_json import plain_json


def document(content: object) -> str:
    """Domain objects as JSON text: dataclasses, decimals, dates and enums among them."""
    return json.dumps(
        content, default=plain_json, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )


class DocumentResponse(JSONResponse):
    """A JSON response of domain objects: dataclasses, decimals, dates and enums."""

    def render(self, content: Any) -> bytes:
        """The UTF-8 bytes."""
        return document(content).encode()
