"""Whether the engine that makes the numbers is alive."""

from datetime import datetime, timedelta

EXPECTED_EVERY = timedelta(hours=1)
"""A refresh of everything is due at minute 17 of every hour."""

_MISSED = 2
_GRACE = timedelta(minutes=15)
"""How long a refresh may take before it is missed."""


def blind_since(last_compute: datetime | None, now: datetime) -> datetime | None:
    """The last compute, once two refreshes in a row that were due since then have not come.

    None while the engine is alive, and while nothing was ever computed: that is another state.
    """
    if last_compute is None or now - last_compute <= _MISSED * EXPECTED_EVERY + _GRACE:
        return None
    return last_compute
