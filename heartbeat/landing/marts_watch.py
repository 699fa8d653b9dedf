"""Sessions of a landing in marts that make no progress, ended after a while.

A COPY into a server that takes no rows any more, a commit that waits for a standby that is gone, a
server that does not answer: in all of them the driver waits in native code, without a limit. What a
session does is asked of the server over another one; while it works, it takes what it takes.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from heartbeat.errors import HeartbeatError
from heartbeat.postgres_session import Session, connect
from heartbeat.sql import platform_statements

_LOOK: Final = platform_statements("marts_watch")["look"].encode()
_SHORTEST_LOOK_SECONDS: Final = 0.1
_LONGEST_LOOK_SECONDS: Final = 10.0


class MartsSilentError(HeartbeatError):
    """Marts made no progress with what they were asked for."""


@dataclass
class WatchedSession:
    """One session, and how long it has made no progress."""

    backend_pid: int
    descriptor: int
    position: str = ""
    """How far it was when it was looked at last."""
    silent_seconds: float = 0.0
    ended: str | None = None
    """Why it was ended, once it was."""


def is_silent(row: tuple[Any, ...] | None, watched: WatchedSession) -> bool:
    """Whether a session that answers so makes no progress; notes how far it is.

    The row is what the server says of it: state, what it waits for, bytes of a COPY so far.
    """
    if row is None:
        return False  # behind a pooler nobody knows which session it is
    state, wait_event, copied = row
    before, watched.position = watched.position, f"{state} {copied}"
    if state != "active":
        return False  # it waits for us
    if wait_event == "SyncRep":
        return True
    return copied is not None and before == watched.position


class MartsWatch:
    """Watches the sessions of a landing; one thread, as long as there are any."""

    def __init__(self, database_url: str, silence: str, seconds: float) -> None:
        self._database_url = database_url
        self._silence = silence
        self._seconds = seconds
        self._interval = min(max(seconds / 10, _SHORTEST_LOOK_SECONDS), _LONGEST_LOOK_SECONDS)
        self._watched: dict[int, WatchedSession] = {}
        self._changing = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, backend_pid: int, descriptor: int) -> Iterator[WatchedSession]:
        """Watch a session; its socket is shut once it has made no progress for too long."""
        watched = self.begin(backend_pid, descriptor)
        try:
            yield watched
        except psycopg.Error as error:
            if watched.ended:
                raise MartsSilentError(watched.ended) from error
            raise
        finally:
            self.end(watched)

    def begin(self, backend_pid: int, descriptor: int) -> WatchedSession:
        """Watch a session until `end`."""
        watched = WatchedSession(backend_pid, descriptor)
        with self._changing:
            self._watched[descriptor] = watched
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="marts", daemon=True)
                self._thread.start()
        return watched

    def end(self, watched: WatchedSession) -> None:
        """Watch it no more; to be called before its connection is closed."""
        with self._changing:
            if self._watched.get(watched.descriptor) is watched:
                del self._watched[watched.descriptor]

    def _watch(self) -> None:
        connection: Session | None = None
        looked = time.monotonic()
        while True:
            time.sleep(self._interval)
            with self._changing:
                if not self._watched:
                    self._thread = None
                    break
                sessions = list(self._watched.values())
            try:
                connection = connection or self._connected()
                rows = {pid: tuple(rest) for pid, *rest in connection.execute(_LOOK)}
                silent = [each for each in sessions if is_silent(rows.get(each.backend_pid), each)]
            except psycopg.Error:
                if connection is not None:
                    connection.close()
                connection = None
                silent = sessions
            # a pause of the whole machine is one long look, and counts no more than any other
            passed = min(time.monotonic() - looked, 2 * self._interval + _LONGEST_LOOK_SECONDS)
            looked = time.monotonic()
            for each in sessions:
                each.silent_seconds = each.silent_seconds + passed if each in silent else 0.0
                if each.silent_seconds > self._seconds:
                    self._end(each, connection)
        if connection is not None:
            connection.close()

    def _connected(self) -> Session:
        seconds = max(1, int(min(self._seconds, _LONGEST_LOOK_SECONDS)))
        session = connect(
            self._database_url,
            autocommit=True,
            settings={"statement_timeout": f"{seconds}s"},
            connect_timeout=str(max(2, seconds)),
        )
        session.longest_silence = float(seconds)
        return session

    def _end(self, watched: WatchedSession, connection: Session | None) -> None:
        with self._changing:
            if self._watched.get(watched.descriptor) is not watched:
                return  # it has just ended well
            watched.ended = (
                f"marts made no progress for {self._silence} (HEARTBEAT_LANDING_SILENCE): they "
                "took no rows, did not answer, or a commit waits for a standby"
            )
            del self._watched[watched.descriptor]
            with (
                contextlib.suppress(OSError),
                socket.socket(fileno=os.dup(watched.descriptor)) as end,
            ):
                end.shutdown(socket.SHUT_RDWR)
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.execute(
                    "select pg_catalog.pg_terminate_backend(%s)", [watched.backend_pid]
                )


_WATCHES: Final[dict[tuple[int, str, str], MartsWatch]] = {}


def marts_watch(database_url: str, silence: str, seconds: float) -> MartsWatch:
    """The watch over the sessions of this process in those marts."""
    return _WATCHES.setdefault(
        (os.getpid(), database_url, silence), MartsWatch(database_url, silence, seconds)
    )
