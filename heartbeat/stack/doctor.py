"""What a person asks first: is every part of the platform well, and what to do where one is not."""

import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg import Connection

from heartbeat.author_query import fault
from heartbeat.connection_string import without_password
from heartbeat.displays import read_displays
from heartbeat.errors import HeartbeatError
from heartbeat.judgement.wording import age_text, bytes_text, counted
from heartbeat.login import Login
from heartbeat.login_passwords import login_refusal
from heartbeat.owner_rights import WRITERS
from heartbeat.platform_state import disk_space, read_disks
from heartbeat.postgres_session import connect
from heartbeat.project import Project
from heartbeat.refresh.dagster_client import DaemonState, DagsterClient, ScheduleState
from heartbeat.refresh.job import JobState, state_of
from heartbeat.secret import file_variable
from heartbeat.settings import Settings
from heartbeat.source import Source, connection_url
from heartbeat.sql import platform_statements

SECONDS = 10.0
"""How long one check may take before it is told as failed."""

_VERSIONS = Path(__file__).parents[1] / "schema" / "versions"
_STATEMENTS = platform_statements("doctor")
_CONNECT_SECONDS = "3"
_STATEMENT_TIMEOUT = {"statement_timeout": "5s", "default_transaction_read_only": "on"}
_LEAST_FREE_BYTES = 500 * 1024 * 1024
_NOTICED_SKEW = timedelta(seconds=2)
_WRONG_SKEW = timedelta(minutes=5)
"""From here on a poll is taken for one of the future, and its data for of any age."""
_LONG_WAIT = timedelta(minutes=15)
_LATE = timedelta(minutes=5)
_LOOK_BACK = timedelta(hours=26)
_START = "start it with `heartbeat up`, or read its log"


class State(StrEnum):
    """How a part is; only `fail` makes the command fail."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What a check found: the part, how it is, what was seen, and what to do (empty where well)."""

    part: str
    state: State
    told: str
    to_do: str = ""


Check = Callable[[Settings], Finding]


def examine(settings: Settings, *, seconds: float = SECONDS) -> tuple[Finding, ...]:
    """Every check, side by side; one that takes longer than that is told as failed."""
    checks = list(_checks(settings))
    if settings.explicit_database_url is None and not settings.embedded_postgres.answers():
        # one finding, not one for each check that asks it
        checks = [(n, c) for n, c in checks if n not in _OF_MARTS]
        checks.insert(0, ("marts", _no_embedded_server))
    found: dict[str, Finding] = {}
    threads = [
        threading.Thread(target=_run, args=(name, check, settings, found), daemon=True)
        for name, check in checks
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(end - time.monotonic(), 0.0))
    late = f"no answer within {seconds:g} s"
    return tuple(
        found.get(name, Finding(name, State.FAIL, late, "see whether it hangs, and restart it"))
        for name, _ in checks
    )


def _checks(settings: Settings) -> Iterator[tuple[str, Check]]:
    yield from _CHECKS.items()
    for source in Project(settings.project).sources.sources:
        yield f"source {source.name}", _source_check(source)


def _run(name: str, check: Check, settings: Settings, found: dict[str, Finding]) -> None:
    try:
        found[name] = check(settings)
    except psycopg.OperationalError as error:
        said = without_password(" ".join(str(error).split()), settings.database_url)
        to_do = "start the server, or correct HEARTBEAT_DATABASE_URL"
        found[name] = Finding(name, State.FAIL, f"marts does not answer: {said}", to_do)
    except psycopg.Error as error:
        to_do = "see the checks of schema and roles"
        found[name] = Finding(name, State.FAIL, f"marts: {fault(error)}", to_do)
    except HeartbeatError as error:
        found[name] = Finding(name, State.FAIL, str(error), _START)
    except Exception as error:  # noqa: BLE001 - one check that breaks must not hide the others
        found[name] = Finding(name, State.FAIL, f"{type(error).__name__}: {error}")


def _versions(settings: Settings) -> Finding:
    own = f"Heartbeat {version('heartbeat')}, Python {platform.python_version()}"
    return Finding("versions", State.OK, f"{own}, Dagster {version('dagster')}")


def _marts(settings: Settings) -> Finding:
    with _connected(settings) as connection:
        name = connection.info.parameter_status("server_version")
        size = connection.execute(_STATEMENTS["database_size"]).fetchone()
    told = f"PostgreSQL {name}, the database has {bytes_text(size[0] if size else 0)}"
    return Finding("marts", State.OK, told)


def _no_embedded_server(settings: Settings) -> Finding:
    told = f"the embedded server in {settings.embedded_postgres.folder} does not run"
    to_do = "start Heartbeat with `heartbeat up`, or set HEARTBEAT_DATABASE_URL to your own server"
    return Finding("marts", State.FAIL, told, to_do)


def _schema(settings: Settings) -> Finding:
    code = code_schema_version()
    with _connected(settings) as connection:
        there = connection.execute(_STATEMENTS["has_schema"]).fetchone() == (True,)
        row = connection.execute(_STATEMENTS["schema_version"]).fetchone() if there else None
    if row is None:
        return Finding("schema", State.FAIL, "there is none yet", "run `heartbeat migrate`")
    told = f"marts has version {row[0]}, this code {code}"
    if row[0] < code:
        return Finding("schema", State.FAIL, told, "run `heartbeat migrate`")
    if row[0] > code:
        return Finding("schema", State.FAIL, told, "install the newer Heartbeat on this machine")
    return Finding("schema", State.OK, told)


def code_schema_version() -> str:
    """The version of the last migration that this code has."""
    return max(path.name[:4] for path in _VERSIONS.glob("[0-9]*.py"))


def _roles(settings: Settings) -> Finding:
    with _connected(settings) as connection:
        problems = role_problems(connection)
    known = [login for login in Login if settings.password(login) is not None]
    for login in known:
        if refusal := login_refusal(login, settings):
            problems.append(f"{login} cannot log in: {' '.join(refusal.split())}")
    if problems:
        return Finding("roles", State.FAIL, "; ".join(problems), "run `heartbeat migrate`")
    told = f"every role is there, {counted(len(known), 'login')} tried"
    return Finding("roles", State.OK, told)


def role_problems(connection: Connection[Any]) -> list[str]:
    """What is missing of the roles that Heartbeat works with, a sentence each."""
    logins = [str(login) for login in Login]
    asked = {"roles": [*logins, *WRITERS], "logins": logins}
    return [text for (text,) in connection.execute(_STATEMENTS["role_problems"], asked).fetchall()]


def _disk(settings: Settings) -> Finding:
    disk = disk_space(settings.home)
    told = f"{bytes_text(disk.free_bytes)} of {bytes_text(disk.size_bytes)} free"
    to_do = "free some space, see the runbook 'The disk fills up'"
    if disk.free_bytes < _LEAST_FREE_BYTES:
        return Finding("disk", State.FAIL, told, to_do)
    needed = _needed(settings, disk.machine)
    if needed is None:
        return Finding("disk", State.OK, told)
    told = f"{told}, a refresh needs {bytes_text(needed)}"
    if disk.free_bytes < needed:
        return Finding("disk", State.WARN, told, to_do)
    return Finding("disk", State.OK, told)


def _needed(settings: Settings, machine: str) -> int | None:
    try:
        with _connected(settings) as connection:
            disks = read_disks(connection)
    except psycopg.Error:
        return None  # the check of marts tells it
    return next((disk.refresh_bytes for disk in disks if disk.machine == machine), None)


def _clock(settings: Settings) -> Finding:
    with _connected(settings) as connection:
        skew = _skew(connection)
    return skewed("clock", "marts", skew)


def _skew(connection: Connection[Any]) -> timedelta:
    """By how much the server's clock is ahead of ours; half the way there and back is taken off."""
    asked = datetime.now(UTC)
    row = connection.execute("select clock_timestamp()").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment - (asked + (datetime.now(UTC) - asked) / 2)


def skewed(part: str, whose: str, skew: timedelta) -> Finding:
    """What is to be said of a clock that is ahead of ours by so much."""
    seconds = skew.total_seconds()
    told = f"the clock of {whose} is {abs(seconds):.1f} s {'ahead' if seconds > 0 else 'behind'}"
    if abs(skew) < _NOTICED_SKEW:
        return Finding(part, State.OK, told)
    state = State.WARN if abs(skew) < _WRONG_SKEW else State.FAIL
    return Finding(part, state, told, "let both machines keep time (NTP)")


def _api(settings: Settings) -> Finding:
    try:
        answer = httpx.get(f"{settings.cockpit_url}/healthz", timeout=5)
    except httpx.HTTPError as error:
        told = f"{settings.cockpit_url} does not answer: {error}"
        return Finding("api", State.FAIL, told, _START)
    if answer.status_code == httpx.codes.OK:
        return Finding("api", State.OK, f"{settings.cockpit_url} answers")
    told = f"{settings.cockpit_url}/healthz says {answer.status_code}: {answer.text[:200]}"
    return Finding("api", State.FAIL, told, "see the check of marts")


def _code_location(settings: Settings) -> Finding:
    with _dagster(settings) as dagster:
        dagster.active_runs()  # tells a webserver that is away from a location that is
        loaded = dagster.loaded()
    if loaded:
        return Finding("code location", State.OK, "it is loaded")
    told = "Dagster does not reach it"
    return Finding("code location", State.FAIL, told, "restart code-location, and read its log")


def _daemon(settings: Settings) -> Finding:
    now = datetime.now(UTC)
    with _dagster(settings) as dagster:
        daemons = dagster.daemons()
    ill = [each for each in daemons if not each.healthy]
    if not ill:
        return Finding("daemon", State.OK, f"{counted(len(daemons), 'loop')} alive")
    told = ", ".join(f"{each.name} {_silence(each, now)}" for each in ill)
    return Finding("daemon", State.FAIL, told, "restart daemon, and read its log")


def _silence(daemon: DaemonState, now: datetime) -> str:
    if daemon.heard_at is None:
        return "was never heard of"
    return f"was not heard of for {age_text(now - daemon.heard_at)}"


def _queue(settings: Settings) -> Finding:
    now = datetime.now(UTC)
    with _dagster(settings) as dagster:
        active = dagster.active_runs()
    waiting = [run for run in active if state_of(run) is JobState.QUEUED]
    told = f"{counted(len(active) - len(waiting), 'run')} in progress, {len(waiting)} waiting"
    oldest = min((run.created_at for run in waiting), default=now)
    if now - oldest < _LONG_WAIT:
        return Finding("queue", State.OK, told)
    told = f"{told}, the first for {age_text(now - oldest)}"
    return Finding("queue", State.WARN, told, "see the runbook 'Runs wait in the queue'")


def _schedules(settings: Settings) -> Finding:
    now = datetime.now(UTC)
    with _dagster(settings) as dagster:
        schedules = dagster.schedules(now - _LOOK_BACK, now - _LATE)
    stopped = [each.name for each in schedules if not each.running]
    late = [text for each in schedules if each.running and (text := behind(each, settings))]
    if late:
        return Finding("schedules", State.FAIL, "; ".join(late), "restart daemon, and read its log")
    if stopped:
        told = f"switched off: {', '.join(stopped)}"
        return Finding("schedules", State.WARN, told, "switch it on in the Dagster UI: Automation")
    return Finding("schedules", State.OK, f"{counted(len(schedules), 'schedule')} on time")


def behind(schedule: ScheduleState, settings: Settings) -> str:
    """What is wrong with the last tick; empty where nothing is. The first may be still to come."""
    if schedule.error:
        return f"{schedule.name} failed: {schedule.error}"
    if not schedule.due_at or not schedule.ticked_at or schedule.ticked_at >= schedule.due_at:
        return ""
    due, ticked = (
        f"{moment.astimezone(settings.zone):%-d %b %H:%M}"
        for moment in (schedule.due_at, schedule.ticked_at)
    )
    return f"{schedule.name} was due at {due}, and ticked last at {ticked}"


def _screens(settings: Settings) -> Finding:
    now = datetime.now(UTC)
    with _connected(settings) as connection:
        displays = read_displays(connection, now)
    dark = [each.name for each in displays if each.dark_since]
    if dark:
        told = f"dark: {', '.join(dark)}"
        return Finding("screens", State.WARN, told, "see the runbook 'A screen is dark'")
    return Finding("screens", State.OK, f"{counted(len(displays), 'screen')} showing a wall")


def _source_check(source: Source) -> Check:
    part = f"source {source.name}"

    def check(settings: Settings) -> Finding:
        variable = source.file.connection_env
        if variable not in os.environ and file_variable(variable) not in os.environ:
            told = f"{variable} is not set here, so it cannot be asked"
            return Finding(part, State.WARN, told, "ask where the daemon runs, which has it")
        url = connection_url(source.name, source.file)
        try:
            with connect(
                url, settings=_STATEMENT_TIMEOUT, connect_timeout=_CONNECT_SECONDS
            ) as connection:
                skew = _skew(connection)
        except psycopg.Error as error:
            said = without_password(" ".join(str(error).split()), url)
            told = f"it does not answer: {said}"
            return Finding(part, State.FAIL, told, f"start it, or correct {variable}")
        finding = skewed(part, "the source", skew)
        return finding if finding.state is not State.OK else Finding(part, State.OK, "it answers")

    return check


def _connected(settings: Settings) -> Connection[Any]:
    """A short session that only reads; raises psycopg.Error."""
    url = settings.login_url(Login.API)
    return connect(url, settings=_STATEMENT_TIMEOUT, connect_timeout=_CONNECT_SECONDS)


def _dagster(settings: Settings) -> DagsterClient:
    return DagsterClient.of(settings, timeout_seconds=5)


_OF_MARTS = ("marts", "schema", "roles", "clock", "screens")
_CHECKS: dict[str, Check] = {
    "versions": _versions,
    "disk": _disk,
    "marts": _marts,
    "schema": _schema,
    "roles": _roles,
    "clock": _clock,
    "api": _api,
    "code location": _code_location,
    "daemon": _daemon,
    "queue": _queue,
    "schedules": _schedules,
    "screens": _screens,
}
