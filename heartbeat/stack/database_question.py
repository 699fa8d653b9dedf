"""What a server of Postgres is asked by who watches the processes; each answers within seconds."""

from typing import Any

from heartbeat.postgres_session import Session, begin, with_parameters

_SECONDS = 4.0
# rows of an earlier daemon may be of parts that this one does not have
_OF_THE_LAST_DAEMON = b"""
from daemon_heartbeats
where daemon_id = (select daemon_id from daemon_heartbeats order by timestamp desc limit 1)"""
_AGE = b"select max(extract(epoch from now() at time zone 'UTC' - timestamp))::float"


class _ImpatientSession(Session):
    longest_silence = _SECONDS


def answers(url: str) -> None:
    """Raises psycopg.Error when it does not."""
    _rows(url, b"select 1")


def beats(url: str) -> dict[str, Any]:
    """When each part of the last daemon wrote its heartbeat. Raises psycopg.Error."""
    return dict(_rows(url, b"select daemon_type, timestamp" + _OF_THE_LAST_DAEMON))


def age_of_beats(url: str) -> float | None:
    """How old the oldest of them is, in seconds; None when there is none. Raises psycopg.Error."""
    ((age,),) = _rows(url, _AGE + _OF_THE_LAST_DAEMON)
    return None if age is None else float(age)


def _rows(url: str, query: bytes) -> list[tuple[Any, ...]]:
    parameters = with_parameters(url, connect_timeout=f"{_SECONDS:.0f}")
    with _ImpatientSession.connect(parameters, autocommit=True) as session:
        begin(session)
        return session.execute(query).fetchall()
