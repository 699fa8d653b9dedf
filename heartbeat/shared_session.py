"""Whether a server's sessions are one's own, or shared through a pooler in transaction mode.

Behind such a pooler (PgBouncer with `pool_mode = transaction`) each transaction may be carried out
by another session of the server: locks, settings and LISTEN of a session reach nobody, or a
stranger. Nothing of the protocol tells, so the sessions themselves are asked.
"""

from contextlib import suppress
from typing import Any

import psycopg
from psycopg import Connection

from heartbeat.errors import HeartbeatError
from heartbeat.postgres_session import Session, with_parameters

_ASK_PROCESS = "select pg_catalog.pg_backend_pid()"
_ROUNDS = 10
_PATIENCE_SECONDS = 2.0
_FOUND: dict[str, bool] = {}
"""What was found through a pooler, by connection string: it takes a second connection to tell."""


class SharedSessionError(HeartbeatError):
    """What needs a session of its own was given a pooler that shares them."""


class _Beside(Session):
    # who has no answer by then waits for a session that another client keeps: they are not shared
    longest_silence = _PATIENCE_SECONDS


def refuse_shared_sessions(session: Connection[Any], connection_string: str) -> None:
    """Raise SharedSessionError where the session is not one's own; it is in autocommit."""
    if shares_sessions(session, connection_string):
        raise SharedSessionError(
            "HEARTBEAT_DATABASE_URL leads through a connection pooler in transaction mode (such as "
            "PgBouncer), where no session keeps its locks and settings: give it the address of the "
            "server itself; through such a pooler only `heartbeat serve api` works"
        )


def refuse_pooler(connection_string: str) -> None:
    """The same for a process that is about to start, whose server may still be away."""
    parameters = with_parameters(connection_string, connect_timeout="2")
    with (
        suppress(psycopg.OperationalError),
        Session.connect(parameters, autocommit=True) as session,
    ):
        refuse_shared_sessions(session, connection_string)


def shares_sessions(session: Connection[Any], connection_string: str) -> bool:
    """Whether other clients get the server's session between two transactions of this one."""
    # a server tells who it is when a client connects; a pooler makes something up
    process = _process_of(session)
    if process == session.info.backend_pid:
        return False
    if connection_string not in _FOUND:
        _FOUND[connection_string] = _shared(session, process, connection_string)
    return _FOUND[connection_string]


def _shared(session: Connection[Any], known: int, connection_string: str) -> bool:
    parameters = with_parameters(connection_string, connect_timeout="2")
    try:
        with _Beside.connect(parameters, autocommit=True) as other:
            # a pooler hands out its sessions in some order, and others take theirs between
            return any(
                _process_of(other) == known or _process_of(session) != known for _ in range(_ROUNDS)
            )
    except psycopg.OperationalError:
        return False


def _process_of(session: Connection[Any]) -> int:
    row = session.execute(_ASK_PROCESS).fetchone()
    assert row is not None
    return int(row[0])
