"""The command that opens marts in psql."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from enum import StrEnum
from typing import Annotated

import typer

from heartbeat.cli.marts import opened_marts
from heartbeat.connection_string import for_command_line, of_database
from heartbeat.embedded_postgres import PSQL
from heartbeat.errors import HeartbeatError
from heartbeat.login import Login
from heartbeat.settings import Settings

# what psql is given goes to psql, options that Heartbeat does not know among them
EXTRA_ARGUMENTS = {"ignore_unknown_options": True, "allow_interspersed_args": False}

# behind options of psql that take no value, as in -Atd name
_DATABASE = re.compile(
    r"(?:--dbname(?:=|$)|-(?P<flags>[aAbeEHlnqsStwWxXz01]*)d)(?P<name>.*)", re.DOTALL
)


class _LoginName(StrEnum):
    OWNER = "owner"
    INGEST = "ingest"
    COMPUTE = "compute"
    READER = "reader"
    API = "api"
    OPERATOR = "operator"


def psql(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="For psql, as in -c 'select 1'.")
    ] = None,
    login: Annotated[
        _LoginName, typer.Option("--as", help="Who logs in: the owner, or the login of a job.")
    ] = _LoginName.OWNER,
) -> None:
    """Open marts in psql, an embedded one too, with whatever psql is given; ends as psql does."""
    settings = Settings.load()
    program = _program()
    embedded = settings.explicit_database_url is None
    with opened_marts() if embedded else nullcontext(settings):
        target, secret = for_command_line(_url(settings, login))
        # Ctrl-C is for psql, which then cancels a statement; psql sets a handler of its own
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        command = [program, f"--dbname={target}", *_on_server(target, arguments or ())]
        ended = subprocess.run(command, env={**os.environ, **secret}, check=False)
    sys.exit(ended.returncode)


def _url(settings: Settings, login: _LoginName) -> str:
    if login is _LoginName.OWNER:
        if not settings.has_owner:
            raise HeartbeatError(
                "HEARTBEAT_DATABASE_URL names no user; say as whom, such as --as reader"
            )
        return settings.database_url
    return settings.login_url(Login[login.name])


def _on_server(target: str, arguments: Sequence[str]) -> Iterator[str]:
    """What psql is given, where a database is named with the server of marts.

    psql would look for it on the server that the shell names. An address is kept as it is.
    """
    given = iter(arguments)
    for place, each in enumerate(given):
        if place == 0 and not each.startswith("-"):
            yield _database(target, each)
        elif option := _DATABASE.fullmatch(each):
            if option["flags"]:
                yield f"-{option['flags']}"
            yield _database(target, option["name"] or next(given, ""))
        else:
            yield each


def _database(target: str, name: str) -> str:
    address = "=" in name or "://" in name
    return f"--dbname={name if address else of_database(target, name)}"


def _program() -> str:
    found = str(PSQL) if PSQL.exists() else shutil.which("psql")
    if found is None:
        raise HeartbeatError("there is no psql on this machine; install a PostgreSQL client")
    return found
