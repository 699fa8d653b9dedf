"""The beats of the walls, gathered here and stored together."""

import logging
import threading
from collections.abc import Sequence

from heartbeat.displays import Beat, store_beats
from heartbeat_api.database import Database, UnavailableError

_STORE_SECONDS = 5.0
_MOST = 500
"""Screens between two stores; what else knocks is not one of ours."""

_logger = logging.getLogger(__name__)


class Displays:
    """Takes any number of beats and stores the last of each screen, at most every 5 seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._beats: dict[str, Beat] = {}
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

    def beats(self, beat: Beat) -> None:
        """Take one beat."""
        with self._lock:
            if beat.name in self._beats or len(self._beats) < _MOST:
                self._beats[beat.name] = beat

    def _store(self) -> None:
        closed = False
        while not closed:
            closed = self._closed.wait(_STORE_SECONDS)
            with self._lock:
                beats, self._beats = self._beats, {}
            if beats:
                self._try_to_store(list(beats.values()))

    def _try_to_store(self, beats: Sequence[Beat]) -> None:
        try:
            with self._database.writing() as connection:
                store_beats(connection, beats)
        except UnavailableError as unavailable:
            # the screens report again in half a minute
            _logger.warning("The beats of %d screens are lost: %s", len(beats), unavailable)
