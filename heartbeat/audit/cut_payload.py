"""What a cut computed, as JSON holds it."""

import math
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np

from heartbeat.errors import HeartbeatError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class PayloadError(HeartbeatError):
    """A payload that JSON cannot hold; the message names the place in it."""


def json_payload(payload: Any) -> dict[str, Json]:
    """The payload as JSON types only.

    Decimals and numpy numbers become numbers, dates and moments ISO 8601 text, UUIDs text, tuples
    and arrays lists. Raises PayloadError for a payload that is no mapping, for NaN, infinity, NaT,
    a key that is not text, and any other type.
    """
    if not isinstance(payload, Mapping):
        raise PayloadError(f"compute must return a dict, not {type(payload).__name__}")
    return _json_mapping(payload, "payload")


def _json_mapping(mapping: Mapping[Any, Any], where: str) -> dict[str, Json]:
    return {_key(key, where): _json(item, f"{where}.{key}") for key, item in mapping.items()}


def _json(value: Any, where: str) -> Json:
    match value:
        case np.generic() | np.ndarray():
            return _json(value.tolist(), where)
        case Mapping():
            return _json_mapping(value, where)
        case list() | tuple():
            return [_json(item, f"{where}[{place}]") for place, item in enumerate(value)]
    return _json_scalar(value, where)


def _json_scalar(value: Any, where: str) -> Json:
    match value:
        case Enum():
            return _json_scalar(value.value, where)
        case None | bool() | int() | str():
            return value
        case float() | Decimal():
            return _number(value, where)
        case date() if value == value:  # NaT is a date that does not equal itself
            return value.isoformat()
        case UUID():
            return str(value)
    raise PayloadError(f"{where} is a {type(value).__name__}, which JSON cannot hold")


def _key(key: Any, where: str) -> str:
    if not isinstance(key, str):
        raise PayloadError(f"{where} has the key {key!r}; keys must be text")
    return key


def _number(value: float | Decimal, where: str) -> int | float:
    if not math.isfinite(value):
        raise PayloadError(f"{where} is {value}; use None for no value")
    return int(value) if isinstance(value, Decimal) and value == int(value) else float(value)
