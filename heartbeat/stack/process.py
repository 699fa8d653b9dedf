"""The long-running processes; `heartbeat serve NAME` becomes one, here or in a container."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from heartbeat.errors import SettingsError
from heartbeat.settings import Settings
from heartbeat.shared_session import refuse_pooler

_SESSION_DEFAULTS = {"PGCLIENTENCODING", "PGDATESTYLE", "PGGEQO", "PGOPTIONS", "PGTZ"}

REPOSITORY = Path(__file__).parents[2]
"""Where `dagster.yaml` and `workspace.yaml` are."""

DAEMON = "daemon"
"""The process that launches runs."""

API = "api"
"""The process that serves the cockpit; the only one that works through a pooler."""

CODE_MODULE = "heartbeat_assets.definitions"

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


def processes(settings: Settings) -> tuple[Process, ...]:
    """Every process that Heartbeat itself runs, in the order in which they start."""
    bind = settings.bind_host
    workspace = str(REPOSITORY / "workspace.yaml")
    return (
        Process(
            "code-location",
            (
                *(*_RUN_MODULE, "dagster", "code-server", "start"),
                *("--module-name", CODE_MODULE, "--location-name", "heartbeat"),
                *("--host", bind, "--port", str(settings.code_port)),
            ),
            settings.code_port,
            "HEARTBEAT_CODE_PORT",
        ),
        Process(
            DAEMON,
            (*_RUN_MODULE, "dagster._daemon", "run", "--workspace", workspace),
            None,
            None,
        ),
        Process(
            "webserver",
            (
                *(*_RUN_MODULE, "dagster_webserver", "--workspace", workspace),
                *("--host", bind, "--port", str(settings.dagster_port)),
            ),
            settings.dagster_port,
            "HEARTBEAT_DAGSTER_PORT",
        ),
        Process(
            API,
            (*_RUN_MODULE, "heartbeat_api"),
            settings.api_port,
            "HEARTBEAT_API_PORT",
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
    """
    return {
        **{name: value for name, value in os.environ.items() if name not in _SESSION_DEFAULTS},
        "HEARTBEAT_PROJECT": str(settings.project),
        "HEARTBEAT_HOME": str(settings.home),
        "HEARTBEAT_DATABASE_URL": settings.database_url,
        "HEARTBEAT_DAGSTER_DATABASE_URL": settings.dagster_database_url,
        "HEARTBEAT_CODE_HOST": settings.code_host,
        "HEARTBEAT_CODE_PORT": str(settings.code_port),
        "DAGSTER_HOME": str(settings.dagster_home),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }


def become(name: str, settings: Settings) -> None:
    """Replace this process by the named one, so that signals reach it directly.

    Raises SharedSessionError where it needs sessions of its own and the database URL gives none.
    """
    process = process_named(name, settings)
    if name != API:
        refuse_pooler(settings.database_url)
    write_dagster_home(settings)
    os.execvpe(process.command[0], process.command, dict(environment(settings)))


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
    shutil.copyfile(REPOSITORY / "dagster.yaml", settings.dagster_home / "dagster.yaml")
