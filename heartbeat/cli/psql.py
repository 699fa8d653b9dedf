"""The command that opens marts in psql."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import nullcontext
from typing import Annotated

import typer
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from heartbeat.cli.marts import opened_marts
from heartbeat.embedded_postgres import PSQL
from heartbeat.errors import HeartbeatError
from heartbeat.settings import Settings

# what psql is given goes to psql, options that Heartbeat does not know among them
EXTRA_ARGUMENTS = {"ignore_unknown_options": True, "allow_interspersed_args": False}


def psql(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="For psql, as in -c 'select 1'.")
    ] = None,
) -> None:
    """Open marts in psql, an embedded one too, with whatever psql is given; ends as psql does."""
    settings = Settings.load()
    program = _program()
    embedded = settings.explicit_database_url is None
    with opened_marts() if embedded else nullcontext(settings):
        target, secret = _connection(settings.database_url)
        # Ctrl-C is for psql, which then cancels a statement; psql sets a handler of its own
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        command = [program, f"--dbname={target}", *(arguments or ())]
        ended = subprocess.run(command, env={**os.environ, **secret}, check=False)
    sys.exit(ended.returncode)


def _connection(url: str) -> tuple[str, dict[str, str]]:
    """What may stand on a command line, and the password, which may not: others read it there."""
    parameters = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    password = parameters.pop("password", None)
    return make_conninfo(**parameters), {"PGPASSWORD": password} if password else {}


def _program() -> str:
    found = str(PSQL) if PSQL.exists() else shutil.which("psql")
    if found is None:
        raise HeartbeatError("there is no psql on this machine; install a PostgreSQL client")
    return found
