"""One daemon a database: a session of Dagster's database holds a lock as long as the daemon runs.

Two daemons would each launch the queue and each tick the schedules, be they of two state folders,
two machines or two containers. The lock is the server's: it ends with the session.
"""

import socket
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import psycopg
from psycopg.pq import ExecStatus, TransactionStatus

from heartbeat.errors import HeartbeatError
from heartbeat.postgres_session import Session, connect
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("daemon_lock")
_CONNECT_SECONDS = "5"
_NAME_BYTES = 63
"""As many as a server keeps of the name of a session."""


class DaemonLockedError(HeartbeatError):
    """Another daemon works on this database; the message says which."""


class DaemonLock:
    """The lock, held by a connection of its own."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @classmethod
    def take(cls, url: str, home: str) -> "DaemonLock":
        """Take it; raises DaemonLockedError, or psycopg.Error where the server does not answer."""
        session = connect(
            url,
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            application_name=session_name(home),
            settings=_NOTICED,
        )
        try:
            taken = session.execute(_STATEMENTS["take"].encode()).fetchone()
            if taken == (True,):
                return cls(session)
            holder = session.execute(_STATEMENTS["holder"].encode()).fetchone()
        except BaseException:
            session.close()
            raise
        session.close()
        raise DaemonLockedError(_told(holder))

    def fileno(self) -> int:
        """What becomes readable when the connection ends."""
        return self._session.fileno()

    def is_lost(self) -> bool:
        """Whether the connection has ended, and the lock with it; waits for nothing."""
        pgconn = self._session.pgconn
        try:
            pgconn.consume_input()
            while not pgconn.is_busy() and (result := pgconn.get_result()):
                if result.status is ExecStatus.FATAL_ERROR:
                    return True
        except psycopg.Error:
            return True
        return False

    def ask(self) -> None:
        """Send something, so that a server that has forgotten the session says so.

        A server that is only silent has forgotten nothing, and is not asked twice.
        """
        pgconn = self._session.pgconn
        with suppress(psycopg.Error):  # then it is lost
            if pgconn.transaction_status is TransactionStatus.IDLE:
                pgconn.send_query(b"select 1")
                pgconn.flush()

    def release(self) -> None:
        """Let another daemon have it."""
        self._session.close()


_NOTICED = {
    # a server would take two hours to notice that the machine of a daemon is gone
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}


def session_name(home: str) -> str:
    """What the server calls the session of this machine's daemon with that state folder."""
    return f"heartbeat daemon, {socket.gethostname()}, {home}"[:_NAME_BYTES]


def dsn(sqlalchemy_url: str) -> str:
    """libpq's connection string in the URL that Dagster's storage has."""
    return parse_qs(urlsplit(sqlalchemy_url).query)["dsn"][0]


def holder_of(url: str) -> str | None:
    """Who works on this database as its daemon, in words; None when nobody does."""
    with connect(url, autocommit=True, connect_timeout=_CONNECT_SECONDS) as session:
        holder = session.execute(_STATEMENTS["holder"].encode()).fetchone()
    return _told(holder) if holder else None


def _told(holder: tuple[str, str, str] | None) -> str:
    if holder is None:  # it has ended between the two questions
        return "another daemon has just held the lock of this database"
    name, address, since = holder
    return (
        f"another daemon works on this database: {name} (from {address}, since {since}); "
        "stop it there (`heartbeat down`), or give this one a database of its own"
    )
