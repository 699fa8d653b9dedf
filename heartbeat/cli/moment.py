"""A moment as it is typed."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from heartbeat.errors import HeartbeatError


def moment(text: str, zone: ZoneInfo) -> datetime:
    """ISO 8601, in that zone where it names none; raises HeartbeatError, also for a mere date."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise HeartbeatError(f"--as-of {text}: write it as 2026-03-31T23:59:59+00:00") from error
    if _is_date(text):
        raise HeartbeatError(
            f"--as-of {text}: a date is no moment; write which one of the day, as in "
            f"{parsed.date()}T23:59:59 ({zone})"
        )
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
