"""Domain objects as JSON: numbers as numbers, days and moments in ISO 8601."""

from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal

# beyond it a reader whose numbers are doubles has no exact whole numbers
_LARGEST_WHOLE = 2**53


def plain_json(value: object) -> object:
    """A decimal, a date, a moment or a dataclass as JSON has it; the `default` of JSON writers.

    Raises TypeError for anything else, also for a decimal that is no finite number.
    """
    if isinstance(value, Decimal) and value.is_finite():
        whole = abs(value) <= _LARGEST_WHOLE and value == value.to_integral_value()
        return int(value) if whole else float(value)
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} {value} has no JSON form")
