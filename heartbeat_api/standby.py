"""A standby of marts, read only where it has replayed all that anybody can have seen."""

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import Connection

from heartbeat.sql import platform_statements
from heartbeat_api.session_pool import SessionPool, begin_reading

_STATEMENTS = platform_statements("standby")
_PAUSES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Seconds between the looks at what has been replayed; beside a primary it takes milliseconds."""

_BEHIND_SECONDS = 1.0
_AWAY_SECONDS = 10.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Position:
    """How far the log of a server had come at a moment; `system` tells clusters apart."""

    system: int
    lsn: str


def read_position(connection: Connection[Any]) -> Position:
    """What a standby must have replayed to answer like this primary; for autocommit."""
    row = connection.execute(_STATEMENTS["position"].encode()).fetchone()
    assert row is not None
    return Position(*row)


class Standby:
    """Gives transactions that see all that was committed before a position of the primary."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = SessionPool(url)
        self._clock = clock
        self._rests_until = 0.0
        self._told: str | None = None

    def open(self) -> None:
        """Start its pool; the server need not be there yet."""
        self._pool.open()

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def reading(
        self, opened: ExitStack, position: Position | None, *, alone: bool
    ) -> Connection[Any] | None:
        """A read-only transaction that `opened` ends, or None: it cannot answer as of `position`.

        Without a position, as when no primary has been seen yet, it answers as it stands. A standby
        that is away or behind is left alone for a while, unless it is `alone`, without a primary.
        """
        if self._clock() < self._rests_until and not alone:
            return None
        try:
            connection = opened.enter_context(self._pool.session())
            problem = self._problem(connection, position)
            if problem is None:
                begin_reading(connection)
        except psycopg.Error as error:
            self.failed(error)
            return None
        self._tell(problem)
        if problem is not None:
            self._rests_until = self._clock() + _BEHIND_SECONDS
            return None
        return connection

    def failed(self, error: psycopg.Error) -> None:
        """A read broke off, by a conflict with what is replayed or by the loss of the server."""
        self._rests_until = self._clock() + _AWAY_SECONDS
        self._tell(str(error).strip().partition("\n")[0])

    def _problem(self, connection: Connection[Any], position: Position | None) -> str | None:
        """Why the session cannot answer as of the position; None: it can."""
        for pause in _PAUSES:
            # before the transaction: a snapshot may be older than what is replayed meanwhile
            time.sleep(pause)
            row = connection.execute(
                _STATEMENTS["replayed"].encode(), {"lsn": position.lsn if position else None}
            ).fetchone()
            assert row is not None
            stands_by, system, replayed = row
            if not stands_by:
                return "it is no standby"
            if position is not None and system != position.system:
                return "it is a standby of another server than HEARTBEAT_DATABASE_URL"
            if replayed:
                return None
        return "it is behind the primary"

    def _tell(self, problem: str | None) -> None:
        """One line in the log for each change."""
        if problem is None and self._told is not None:
            _logger.warning("The server of HEARTBEAT_READ_DATABASE_URL answers reads again")
        elif problem is not None and problem != self._told:
            _logger.warning(
                "Reads go to the primary, not to HEARTBEAT_READ_DATABASE_URL: %s", problem
            )
        self._told = problem
