"""The beats of the walls, gathered here and stored together."""

import logging
import threading

from heartbeat.displays import Beat, store_beats
from heartbeat_api.database import Database, UnavailableError

_STORE_SECONDS = 5.0
_MOST = 500
"""Screens between two stores; what else knocks is not one of ours."""

_logger = logging.getLogger(__name__)


class Displays:
    """Takes any number of beats and stores the last of each screen, at most every 5 seconds.

    While the database is away it keeps them, so that no screen looks dark for that.
    """

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
                self._try_to_store(beats)

    def _try_to_store(self, beats: dict[str, Beat]) -> None:
        try:
            with self._database.writing() as connection:
                store_beats(connection, beats.values())
        except UnavailableError as unavailable:
            _logger.warning("The beats of %d screens wait: %s", len(beats), unavailable)
            with self._lock:
                self._beats = {**beats, **self._beats}
