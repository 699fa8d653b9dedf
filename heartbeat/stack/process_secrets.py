"""Which secrets each process of the stack gets: those that its work needs, and no other."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from heartbeat.connection_string import without_login
from heartbeat.login import Login
from heartbeat.secret import file_variable
from heartbeat.settings import (
    DAGSTER_TOKEN,
    DATABASE_URL,
    OPERATOR_TOKENS,
    READ_DATABASE_URL,
    SECRET_VARIABLES,
    Settings,
)

DAGSTER_DATABASE_URL = "HEARTBEAT_DAGSTER_DATABASE_URL"
"""Dagster's database with the password of its login, as `dagster.yaml` asks for it."""

_LOGINS: Mapping[str, frozenset[Login]] = {
    "code-location": frozenset({Login.DAGSTER}),
    "daemon": frozenset({Login.DAGSTER, Login.INGEST, Login.COMPUTE, Login.READER}),
    "webserver": frozenset({Login.DAGSTER}),
    "api": frozenset({Login.API, Login.OPERATOR}),
}
_LANDS = "daemon"
_ASKED_TO_WRITE = frozenset({"api", "webserver"})
"""They know the operators, and the token with which one asks the other."""

# of libpq: they would be the owner's
_LIBPQ = ("PGUSER", "PGPASSWORD")
_SOURCE_VARIABLE = re.compile(r"^\s*\w+_env\s*:\s*[\"']?(\w+)", re.MULTILINE)


def secrets_kept_from(name: str, settings: Settings) -> frozenset[str]:
    """The variables that the process of that name must not find in its environment."""
    return _secret_variables(settings.project) - frozenset(_with_files(_needed(name, settings)))


def only_needed(name: str, environment: Mapping[str, str], settings: Settings) -> Mapping[str, str]:
    """The environment of a process, without the secrets of the others.

    It finds the database, but not who owns it: it logs in as its own logins do.
    """
    kept_from = secrets_kept_from(name, settings)
    found = {each: value for each, value in environment.items() if each not in kept_from}
    found[DATABASE_URL] = without_login(settings.database_url)
    if Login.DAGSTER in _LOGINS[name]:
        found[DAGSTER_DATABASE_URL] = settings.dagster_database_url
    return found


def without_secrets(environment: Mapping[str, str], settings: Settings) -> tuple[str, ...]:
    """The beginning of a command that finds no secret in the environment that it is given."""
    unset = sorted(_secret_variables(settings.project) & set(environment))
    return ("env", *(part for each in unset for part in ("-u", each)))


def _needed(name: str, settings: Settings) -> Iterator[str]:
    yield from (login.password_variable for login in _LOGINS[name])
    if Login.API in _LOGINS[name]:
        yield READ_DATABASE_URL
    if name in _ASKED_TO_WRITE:
        yield from (OPERATOR_TOKENS, DAGSTER_TOKEN)
    if name == _LANDS:
        yield from source_variables(settings.project)


def source_variables(project: Path) -> Collection[str]:
    """The variables that the files in `sources/` name, those of broken files among them."""
    return {
        variable
        for file in (project / "sources").glob("*.yaml")
        for variable in _SOURCE_VARIABLE.findall(file.read_text(encoding="utf-8", errors="replace"))
    }


def _secret_variables(project: Path) -> frozenset[str]:
    secrets = {*SECRET_VARIABLES, *source_variables(project)}
    return frozenset({*_with_files(secrets), *_LIBPQ, DAGSTER_DATABASE_URL})


def _with_files(variables: Collection[str] | Iterator[str]) -> Iterator[str]:
    for variable in variables:
        yield variable
        yield file_variable(variable)
