"""The beats of the walls, gathered here and stored together."""

import logging
import secrets
import threading
from collections import OrderedDict
from datetime import datetime, timedelta

from fastapi import Request
from starlette.responses import Response

from heartbeat.displays import Beat, StoredBeats, store_beats
from heartbeat_api.database import Database, UnavailableError

_STORE_SECONDS = 5.0
_MOST = 500
"""Screens between two stores; what else knocks is not one of ours."""
_MOST_OF_ONE = 200
"""Names that one address may report in an hour: many screens can be behind one proxy."""
_MOST_ADDRESSES = 1_000
_REMEMBERED = timedelta(hours=1)

_logger = logging.getLogger(__name__)


SCREEN_COOKIE = "heartbeat_screen"
"""By which a browser that shows a wall is known again. It opens nothing."""
_COOKIE_SECONDS = 400 * 24 * 3600


def known_again(request: Request, response: Response) -> Response:
    """The same response; a browser without the cookie gets one."""
    if SCREEN_COOKIE not in request.cookies:
        response.set_cookie(
            SCREEN_COOKIE,
            secrets.token_urlsafe(16),
            max_age=_COOKIE_SECONDS,
            httponly=True,
            samesite="strict",
        )
    return response


class TooManyDisplaysError(Exception):
    """More names of screens than anybody has screens."""


class Displays:
    """Takes any number of beats and stores the last of each screen, at most every 5 seconds.

    While the database is away it keeps them, so that no screen looks dark for that.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._beats: dict[tuple[str, str], Beat] = {}
        self._screens: frozenset[str] = frozenset()
        self._names: OrderedDict[str, dict[str, datetime]] = OrderedDict()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._store, name="displays", daemon=True)

    def open(self) -> None:
        """Start to store; the database need not be there yet."""
        self._thread.start()

    def close(self) -> None:
        """Store what is left, and no more."""
        self._closed.set()
        self._thread.join()

    def beats(self, beat: Beat, address: str) -> None:
        """Take one beat that came from an address; raises TooManyDisplaysError."""
        # of a name that two browsers report both are kept: which holds it, the database knows
        key = beat.name, beat.claim
        with self._lock:
            if key not in self._beats and beat.name not in self._screens:
                self._count(beat, address)
            self._beats[key] = beat

    def _count(self, beat: Beat, address: str) -> None:
        names = self._names.pop(address, {})
        long_ago = beat.seen_at - _REMEMBERED
        names = {name: seen for name, seen in names.items() if seen > long_ago}
        self._names[address] = names
        if len(self._names) > _MOST_ADDRESSES:
            self._names.popitem(last=False)
        full = len(names) >= _MOST_OF_ONE and beat.name not in names
        if full or len(self._beats) >= _MOST:
            raise TooManyDisplaysError(f"{address} reports more screens than there can be")
        names[beat.name] = beat.seen_at

    def _store(self) -> None:
        closed = False
        while not closed:
            closed = self._closed.wait(_STORE_SECONDS)
            with self._lock:
                beats, self._beats = self._beats, {}
            if beats:
                self._try_to_store(beats)

    def _try_to_store(self, beats: dict[tuple[str, str], Beat]) -> None:
        try:
            with self._database.writing() as connection:
                stored = store_beats(connection, beats.values())
        except UnavailableError as unavailable:
            _logger.warning("The beats of %d screens wait: %s", len(beats), unavailable)
            with self._lock:
                self._beats = {**beats, **self._beats}
            return
        with self._lock:
            self._screens = stored.screens
        self._tell(stored)

    def _tell(self, stored: StoredBeats) -> None:
        if stored.taken:
            _logger.warning(
                "Two browsers report as the same screen, the later one is left out: %s",
                ", ".join(sorted(stored.taken)[:5]),
            )
        for name, reason in stored.failed.items():
            _logger.warning("The beat of the screen %r cannot be stored: %s", name, reason)
