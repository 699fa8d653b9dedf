"""JSON as the API writes it: numbers as numbers, moments in ISO 8601."""

import json
from dataclasses import asdict, is_dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from starlette.responses import JSONResponse


class DocumentResponse(JSONResponse):
    """A JSON response of domain objects: dataclasses, decimals, dates and enums."""

    def render(self, content: Any) -> bytes:
        """The UTF-8 bytes."""
        text = json.dumps(
            content, default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        return text.encode()


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
