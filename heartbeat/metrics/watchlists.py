"""Watchlists: the metrics that somebody wants on a wall of their own."""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from psycopg import Connection

from heartbeat.errors import HeartbeatError
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("watchlists")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)

Watchlists = Mapping[str, frozenset[str]]
"""The metric_ids of each watchlist by its name; a watchlist without a metric does not exist."""


class WatchlistNameError(HeartbeatError):
    """A name that no watchlist can have."""


def read_watchlists(connection: Connection[Any]) -> Watchlists:
    """Every watchlist with the registered metrics on it."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for watchlist, metric_id in connection.execute(_sql("watchlists")).fetchall():
        found[watchlist].add(metric_id)
    return {name: frozenset(metric_ids) for name, metric_ids in sorted(found.items())}


def watch(connection: Connection[Any], watchlist: str, metric_id: str, *, actor: str) -> None:
    """Put a registered metric on a watchlist, which begins with its first; logged if it was not.

    Raises WatchlistNameError.
    """
    _change(connection, "watch", watchlist, metric_id, actor)


def unwatch(connection: Connection[Any], watchlist: str, metric_id: str, *, actor: str) -> None:
    """Take a metric from a watchlist, which ends with its last; logged if it was on it.

    Raises WatchlistNameError.
    """
    _change(connection, "unwatch", watchlist, metric_id, actor)


def _change(
    connection: Connection[Any], statement: str, watchlist: str, metric_id: str, actor: str
) -> None:
    if not _NAME.fullmatch(watchlist):
        raise WatchlistNameError(
            f"a watchlist is named with a-z, 0-9 and -, at most 40 long, not {watchlist!r}"
        )
    with connection.transaction():
        connection.execute("set local role heartbeat_operator")
        row = {"watchlist": watchlist, "metric_id": metric_id, "actor": actor}
        if connection.execute(_sql(statement), row).rowcount:
            connection.execute(_sql("log"), row | {"on": statement == "watch"})


def _sql(name: str) -> bytes:
    return _STATEMENTS[name].encode()
