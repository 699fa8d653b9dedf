"""Domain objects as JSON: numbers as numbers, days and moments in ISO 8601."""

from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal


def plain_json(value: object) -> object:
    """A decimal, a date, a moment or a dataclass as JSON has it; the `default` of `json.dumps`.

    Raises TypeError for anything else.
    """
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} has no JSON form")
