"""A past moment as it is typed."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from heartbeat.errors import HeartbeatError


def moment(text: str, zone: ZoneInfo) -> datetime:
    """ISO 8601, in that zone where it names none.

    Raises HeartbeatError, also for a mere date and for a moment to come, of which nothing is known.
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise HeartbeatError(f"--as-of {text}: write it as 2026-03-31T23:59:59+00:00") from error
    if _is_date(text):
        raise HeartbeatError(
            f"--as-of {text}: a date is no moment; write which one of the day, as in "
            f"{parsed.date()}T23:59:59 ({zone})"
        )
    typed = parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)
    now = datetime.now(UTC)
    if typed > now:
        raise HeartbeatError(
            f"--as-of {text}: that is still to come; now it is "
            f"{now.astimezone(zone):%Y-%m-%dT%H:%M} ({zone})"
        )
    return typed


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
