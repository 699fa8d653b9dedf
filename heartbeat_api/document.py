"""JSON as the API writes it: numbers as numbers, moments in ISO 8601."""

from dataclasses import is_dataclass
from typing import Any

import orjson
from starlette.responses import JSONResponse

from heartbeat.plain_json import plain_json

_BITS = 64


def document(content: object) -> bytes:
    """Domain objects as JSON: dataclasses, decimals, dates and enums among them.

    A float that is no finite number is `null`; a decimal that is none raises TypeError.
    """
    try:
        return orjson.dumps(content, default=plain_json)
    except orjson.JSONEncodeError:
        return orjson.dumps(_writable(content), default=plain_json)


def _writable(content: Any) -> Any:
    """The same where orjson gives up: whole numbers past 64 bits, text that is no Unicode."""
    if isinstance(content, dict):
        return {_writable(key): _writable(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_writable(value) for value in content]
    if isinstance(content, str):
        return content.encode(errors="replace").decode()
    if isinstance(content, int) and content.bit_length() >= _BITS:
        return orjson.Fragment(str(content))
    if is_dataclass(content):
        return _writable(plain_json(content))
    return content


class DocumentResponse(JSONResponse):
    """A JSON response of domain objects: dataclasses, decimals, dates and enums."""

    def render(self, content: Any) -> bytes:
        """The UTF-8 bytes."""
        return document(content)
