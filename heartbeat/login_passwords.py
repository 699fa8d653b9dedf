"""The passwords of the logins, kept the same in the server and where the processes find them."""

from typing import Any

import psycopg
from psycopg import Connection, sql

from heartbeat.connection_string import without_password
from heartbeat.errors import HeartbeatError
from heartbeat.login import Login
from heartbeat.postgres_session import connect
from heartbeat.settings import Settings
from heartbeat.sql import platform_statements

_OTHERS = platform_statements("logins")["other_dagster_databases"].encode()


class LoginRefusedError(HeartbeatError):
    """The server does not let a job in."""


def refuse_logins_of_another(connection: Connection[Any], settings: Settings) -> None:
    """Raise LoginRefusedError where the logins of the server are those of another Heartbeat.

    Roles belong to the whole server: a password that is made here would lock the other one out.
    """
    for login in Login:
        # to log in to Dagster's database it has to be there
        if login is not Login.DAGSTER and login_refusal(login, settings) is not None:
            _refuse_change(connection, settings, login)


def _refuse_change(connection: Connection[Any], settings: Settings, login: Login) -> None:
    if settings.given_password(login) is not None:
        return
    asked = {"dagster_database": settings.dagster_database_name}
    others = [row[0] for row in connection.execute(_OTHERS, asked).fetchall()]
    if others:
        raise LoginRefusedError(
            f"the server has the logins of another Heartbeat (its database {', '.join(others)}), "
            f"and {login} does not log in with a password that is known here: to share its logins, "
            "set HEARTBEAT_INGEST_PASSWORD and the other five to their passwords; otherwise use "
            "another server"
        )


def set_passwords(connection: Connection[Any], settings: Settings) -> None:
    """Let every login in by the password of its setting, or by one that is made and kept.

    A login that the server lets in stays as it is. Raises LoginRefusedError.
    """
    for login in Login:
        if login_refusal(login, settings) is not None:
            _refuse_change(connection, settings, login)
            _set_password(connection, settings, login)
            if refusal := login_refusal(login, settings):
                raise LoginRefusedError(
                    f"{login} cannot log in: {refusal}; {login.password_variable} may not be its "
                    "password, or pg_hba.conf of the server does not let it in"
                )


def login_refusal(login: Login, settings: Settings) -> str | None:
    """Why the server does not let the login in; None where it does."""
    url = settings.login_url(login)
    if login is Login.DAGSTER:
        url = settings.dagster_login_url
    try:
        connect(url).close()
    except psycopg.OperationalError as error:
        return without_password(str(error), url)
    return None


def _set_password(connection: Connection[Any], settings: Settings, login: Login) -> None:
    password = settings.password(login) or settings.login_folder.ensure(login.value)
    # as a verifier: a statement may end in the log of the server
    verifier = connection.pgconn.encrypt_password(
        password.encode(), login.value.encode(), b"scram-sha-256"
    )
    alter = sql.SQL("alter role {} password {}")
    connection.execute(alter.format(sql.Identifier(login), sql.Literal(verifier.decode())))
