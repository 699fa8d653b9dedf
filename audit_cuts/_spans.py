"""Spans of time in words."""

from heartbeat.judgement.wording import value_text

MINUTE, HOUR, DAY = 60, 3_600, 86_400

_UNITS = ((90, 1, "s"), (90 * MINUTE, MINUTE, "min"), (72 * HOUR, HOUR, "h"))


def span_text(seconds: float) -> str:
    """A span in the unit that suits it: below 90 s, 90 min and 72 h the smaller, else days."""
    for below, unit, name in _UNITS:
        if seconds < below:
            return value_text(seconds / unit, name)
    return value_text(seconds / DAY, "d")
