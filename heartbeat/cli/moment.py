"""A moment as it is typed."""

from datetime import UTC, datetime

from heartbeat.errors import HeartbeatError


def moment(text: str) -> datetime:
    """ISO 8601, in UTC where no time zone is given; raises HeartbeatError."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise HeartbeatError(f"--as-of {text}: write it as 2026-03-31T23:59:59+00:00") from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
