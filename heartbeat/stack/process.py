"""The long-running processes; `heartbeat serve NAME` becomes one, here or in a container."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from heartbeat.connection_string import without_login
from heartbeat.errors import SettingsError
from heartbeat.json_log import PROCESS_VARIABLE, LogFormat
from heartbeat.login import Login
from heartbeat.secret import file_variable
from heartbeat.settings import DATABASE_URL, Settings, reachable
from heartbeat.shared_session import refuse_pooler
from heartbeat.stack.guard import Guarded
from heartbeat.stack.process_secrets import DAGSTER_DATABASE_URL, only_needed
from heartbeat.stack.schema_wait import wait_for_schema

_SESSION_DEFAULTS = {"PGCLIENTENCODING", "PGDATESTYLE", "PGGEQO", "PGOPTIONS", "PGTZ"}

_FOLDER = Path(__file__).parent
"""Has `dagster.yaml` and `workspace.yaml`: links to those of the repository, files in a wheel."""

DAEMON = "daemon"
"""The process that launches runs."""

API = "api"
"""The process that serves the cockpit; the only one that works through a pooler."""

CODE_MODULE = "heartbeat_assets.definitions"

_QUIET_START = ("--log-level", "warning")
"""For what Dagster's code server starts: until that has loaded the code, its lines are text."""
_NEVER_SECONDS = 10 * 365 * 24 * 3600

# modules, since the scripts of a package are beside the interpreter in a venv only; -P as for a
# script: no module of the folder that a process is started in takes the place of a library's
_RUN_MODULE = (sys.executable, "-P", "-m")


@dataclass(frozen=True)
class Process:
    """One process of the stack."""

    name: str
    command: tuple[str, ...]
    port: int | None
    """The TCP port that it listens on."""
    port_setting: str | None
    question: str
    """What its guard asks it: probe.py."""


def processes(settings: Settings) -> tuple[Process, ...]:
    """Every process that Heartbeat itself runs, in the order in which they start."""
    code = reachable(settings.code_bind_host)
    workspace = str(_FOLDER / "workspace.yaml")
    return (
        Process(
            "code-location",
            (
                *(*_RUN_MODULE, "dagster", "code-server", "start"),
                *("--module-name", CODE_MODULE, "--location-name", "heartbeat"),
                *("--host", settings.code_bind_host, "--port", str(settings.code_port)),
                # its guard sees to it that no child is left: one that only has not been heard of,
                # since the machine slept, must not end
                *("--heartbeat-ttl", str(_NEVER_SECONDS)),
            ),
            settings.code_port,
            "HEARTBEAT_CODE_PORT",
            f"grpc://{code}:{settings.code_port}",
        ),
        Process(
            DAEMON,
            (*_RUN_MODULE, "dagster._daemon", "run", "--workspace", workspace),
            None,
            None,
            "daemon:",
        ),
        Process(
            "webserver",
            (*_RUN_MODULE, "dagster_guard", workspace),
            settings.dagster_port,
            "HEARTBEAT_DAGSTER_PORT",
            f"{settings.own_dagster_url}/graphql".replace("http", "graphql", 1),
        ),
        Process(
            API,
            (*_RUN_MODULE, "heartbeat_api"),
            settings.api_port,
            "HEARTBEAT_API_PORT",
            f"{settings.api_url}/healthz",
        ),
    )


def process_named(name: str, settings: Settings) -> Process:
    """The process of that name; raises SettingsError that lists the names."""
    known = {process.name: process for process in processes(settings)}
    if name not in known:
        raise SettingsError(f"there is no process {name}; there are {', '.join(known)}")
    return known[name]


def environment(settings: Settings) -> Mapping[str, str]:
    """What every process must find in its environment, beside what is there.

    libpq's variables for the defaults of a session are left out: Dagster's storage would take them.
    Whoever owns the databases is left out too: only `heartbeat migrate` logs in as the owner.
    """
    left_out = {*_SESSION_DEFAULTS, file_variable(DATABASE_URL)}
    return {
        **{name: value for name, value in os.environ.items() if name not in left_out},
        "HEARTBEAT_PROJECT": str(settings.project),
        "HEARTBEAT_HOME": str(settings.home),
        DATABASE_URL: without_login(settings.database_url),
        DAGSTER_DATABASE_URL: settings.dagster_database_url,
        "HEARTBEAT_CODE_HOST": settings.code_host,
        "HEARTBEAT_CODE_PORT": str(settings.code_port),
        "DAGSTER_HOME": str(settings.dagster_home),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }


def become(name: str, settings: Settings, *, end_runs: bool = False) -> None:
    """Replace this process by the guard of the named one.

    All but the API wait for the migration first; the API answers meanwhile, with the reason.
    With `end_runs` whoever stops the daemon also stops the workers of its runs. Raises
    SharedSessionError where it needs sessions of its own and the database URL gives none.
    """
    process = process_named(name, settings)
    if name != API:
        refuse_pooler(settings.dagster_login_url)
        wait_for_schema(settings.login_url(Login.DAGSTER), name)
    write_dagster_home(settings)
    guarded = Guarded(
        name,
        str(settings.home),
        _logged(process.command, settings),
        process.question,
        one_a_database=name == DAEMON,
    )
    command = guarded.guard_command()
    if end_runs:
        contained = (*_RUN_MODULE, "forkserver_launcher.contained", str(settings.run_workers))
        command = [*contained, *command]
    found = {**environment(settings), PROCESS_VARIABLE: name}
    os.execvpe(command[0], command, dict(only_needed(name, found, settings)))


def _logged(command: tuple[str, ...], settings: Settings) -> tuple[str, ...]:
    """The command, run by what writes its log as the settings ask."""
    begin = len(_RUN_MODULE)
    if command[:begin] != _RUN_MODULE:
        return command
    is_json = settings.log_format is LogFormat.JSON
    quiet = _QUIET_START if is_json and CODE_MODULE in command else ()
    return (*_RUN_MODULE, "heartbeat.logged", *command[begin:], *quiet)


def code_location_problem(settings: Settings) -> str | None:
    """What `dagster definitions validate` says when it fails, its log left out where it does not.

    It runs in a folder whose `dagster.yaml` asks for no database.
    """
    command = [*_RUN_MODULE, "dagster", "definitions", "validate"]
    variables = {k: v for k, v in environment(settings).items() if k != "DAGSTER_HOME"}
    with tempfile.TemporaryDirectory() as folder:
        module = ["--module-name", CODE_MODULE]
        validated = subprocess.run(
            [*command, *module], env=variables, cwd=folder, check=False, capture_output=True
        )
    said = (validated.stdout + validated.stderr).decode(errors="replace").strip()
    return said if validated.returncode else None


def write_dagster_home(settings: Settings) -> None:
    """Give Dagster its instance folder with this version's `dagster.yaml`."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_FOLDER / "dagster.yaml", settings.dagster_home / "dagster.yaml")
    _make_dagster_token(settings)


def _make_dagster_token(settings: Settings) -> None:
    """Make the token with which API and command line launch runs, if there is none."""
    if settings.dagster_token is not None:
        return
    with tempfile.NamedTemporaryFile("w", dir=settings.home, delete=False) as made:  # is 0600
        made.write(secrets.token_urlsafe(32))
    try:
        # of two processes that start at once one makes it
        os.link(made.name, settings.dagster_token_file)
    except FileExistsError:
        pass
    finally:
        Path(made.name).unlink()
