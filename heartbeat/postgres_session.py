"""How every session in Postgres begins: nothing that its results depend on is inherited.

The environment (PGTZ, PGCLIENTENCODING, PGOPTIONS), the server, the database and the role may all
have defaults of their own. They hold until a session says otherwise, so each session says all of
it, in a source and in marts, by the statements of `set_session`. Where the server is and how to
reach it (PGHOST, PGSSLMODE, service files) is left to libpq.
"""

from collections.abc import Generator, Mapping
from time import monotonic
from typing import Any, ClassVar

import psycopg
from psycopg import Connection, sql
from psycopg.abc import RV, PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo

SESSION_SETTINGS: Mapping[str, str] = {
    # how a value reads as text, and a text as a value
    "client_encoding": "UTF8",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "timezone_abbreviations": "Default",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "xmloption": "content",
    "array_nulls": "on",
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "quote_all_identifiers": "off",
    "lc_numeric": "C",
    "lc_time": "C",
    "default_text_search_config": "pg_catalog.simple",
    # which rows a condition meets
    "transform_null_equals": "off",
    "gin_fuzzy_search_limit": "0",
    # what a transaction is
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    # what an error is, and what it ends
    "exit_on_error": "off",
    "client_min_messages": "notice",
    "restrict_nonsystem_relation_kind": "",
    # how long it may take; who needs a shorter limit sets it
    "statement_timeout": "0",
    "lock_timeout": "1min",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    # a session whose process was killed ends so soon, even while it waits for a lock
    "client_connection_check_interval": "2s",
}
"""What each session sets beside its search path. A server that does not know one goes without.

`lc_monetary` is not among them: marts hold no `money`, and in a source it is what gives the numbers
of that type their meaning.
"""

NEWER_SETTINGS = (
    "client_connection_check_interval",
    "idle_session_timeout",
    "restrict_nonsystem_relation_kind",
    "transaction_timeout",
)
"""Those that not every server in use knows."""

SUPERUSER_SETTINGS: Mapping[str, str] = {
    # whether triggers fire
    "session_replication_role": "origin",
    # whether a page that cannot be read is an error, or a page without rows
    "zero_damaged_pages": "off",
    "ignore_checksum_failure": "off",
}
"""What a superuser's session sets as well; other roles have to take what the database says."""

_SEARCH_PATH = "pg_catalog, public, pg_temp"
"""Nothing shadows a function or a table of Postgres; public is where extensions live."""

_CONNECTION: Mapping[str, str] = {
    "application_name": "heartbeat",
    "connect_timeout": "10",
    # a peer that is gone is noticed after a minute, by either side of a connection
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
_LONGEST_SILENCE_SECONDS = 30 * 60.0
"""Longer than any statement of registry, benchmark, segments and hygiene takes."""

LONGEST_WORK_SECONDS = 4 * 3600.0
"""As long as a run may take (`dagster.yaml`): where a statement may work on a whole large table."""


class SilentServerError(psycopg.OperationalError):
    """A server that keeps the connection and sends nothing."""


class Session(Connection[Any]):
    """A connection that waits for an answer only so long."""

    longest_silence: float = _LONGEST_SILENCE_SECONDS
    """Seconds without a byte from the server, after which the connection is closed.

    The wait then raises SilentServerError.
    """
    _interval: ClassVar[float] = 0.1

    def wait(self, gen: PQGen[RV], interval: float = _interval, timeout: float | None = None) -> RV:
        """Wait for what the server sends."""
        try:
            # a row of a COPY has mostly arrived, and a million of them should not cost a wait each
            waited_for = next(gen)
        except StopIteration as arrived:
            result: RV = arrived.value
            return result
        return super().wait(self._heard(gen, waited_for), interval, timeout)

    def _heard(self, gen: PQGen[RV], waited_for: Any) -> Generator[Any, Any, RV]:
        last = monotonic()
        while True:
            ready = yield waited_for
            if ready:
                last = monotonic()
            elif monotonic() - last > self.longest_silence:
                self.close()
                raise SilentServerError(
                    f"the server has sent nothing for {self.longest_silence:g} s"
                )
            try:
                waited_for = gen.send(ready)
            except StopIteration as arrived:
                result: RV = arrived.value
                return result


def connect(
    connection_string: str,
    *,
    autocommit: bool = False,
    settings: Mapping[str, str] = {},
    **parameters: str,
) -> Session:
    """Open a session; `settings` are its own, beside or in the place of SESSION_SETTINGS.

    `parameters` are libpq's, in the place of those that every connection has. Raises
    psycopg.OperationalError, and SharedSessionError where a pooler shares the session with others.
    """
    from heartbeat.shared_session import refuse_shared_sessions  # it needs what is here

    session = Session.connect(with_parameters(connection_string, **parameters), autocommit=True)
    try:
        refuse_shared_sessions(session, connection_string)
    except BaseException:
        session.close()
        raise
    begin(session, settings)
    # set in transactions of their own, so that no rollback undoes the settings
    session.autocommit = autocommit
    return session


def begin(session: Connection[Any], settings: Mapping[str, str] = {}) -> None:
    """Make the settings hold for a session that is in autocommit; closes it where that fails."""
    try:
        session.execute(set_session(settings))
    except BaseException:
        session.close()
        raise


def with_parameters(connection_string: str, **parameters: str) -> str:
    """The connection string with what Heartbeat adds to it; what it says itself stays.

    Only the encoding is not left to it: a client that reads bytes otherwise than they are meant
    cannot be told from one that reads other words.
    """
    said = conninfo_to_dict(connection_string)
    added = {name: value for name, value in _CONNECTION.items() if name not in said}
    return make_conninfo(connection_string, **{**added, **parameters, "client_encoding": "UTF8"})


def set_session(settings: Mapping[str, str] = {}, *, local: bool = False) -> sql.Composed:
    """The statements that set SESSION_SETTINGS and `settings`, for the driver of any library.

    `local` settings end with the transaction, as they must where a pool of connections stands
    between (PgBouncer).
    """
    values = {**SESSION_SETTINGS, **SUPERUSER_SETTINGS, **settings}
    scope = sql.Literal(local)
    # the first statement is the last that an inherited search path could bend
    return sql.SQL(
        "select pg_catalog.set_config('search_path', {path}, {scope}); "
        "select pg_catalog.set_config(setting.name, setting.value, {scope}) "
        "from (values {values}) as setting (name, value) "
        "where (current_setting(setting.name, true) is not null or setting.name like '%.%') "
        # of the systems that servers run on, Linux alone always knows of a lost client
        "and (setting.name <> 'client_connection_check_interval' or version() like '%linux%') "
        "and (setting.name <> all ({superuser}) or current_setting('is_superuser') = 'on')"
    ).format(
        path=sql.Literal(_SEARCH_PATH),
        scope=scope,
        superuser=sql.Literal(list(SUPERUSER_SETTINGS)),
        values=sql.SQL(", ").join(
            sql.SQL("({}::text, {}::text)").format(sql.Literal(name), sql.Literal(value))
            for name, value in values.items()
        ),
    )
