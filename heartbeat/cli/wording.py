"""How commands write values for programs."""

from datetime import date, timedelta
from decimal import Decimal


def plain(value: object) -> object:
    """A value that JSON does not know: decimals become numbers, days and moments ISO 8601."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(f"{type(value).__name__} has no JSON form")
