"""What a process is asked to find out whether it works, not only whether it is there.

A question is a short text such as `http://127.0.0.1:8000/healthz`, so that it can stand on a
command line. Little is imported before it is needed: every guard holds this in memory.
"""

import http.client
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

_SECONDS = 4.0
_UNCHANGED_ASKS = 48
"""Of five seconds: a daemon that waits for a slow launch says nothing for two minutes."""
_OLDEST_SECONDS = 240
"""The same, for who asks only once."""
_API, _SUPERUSER = "heartbeat_api", "postgres"
_LIST = "/api.DagsterApi/ListRepositories"
_GRAPHQL = """{
  runsOrError(limit: 1) { __typename ... on PythonError { message } }
  workspaceLocationEntryOrError(name: "heartbeat") { ... on WorkspaceLocationEntry {
    locationOrLoadError { __typename ... on PythonError { message } }
  } }
}"""


class Verdict(Enum):
    """What an answer, or none, says about a process."""

    WORKS = "answers"
    ILL = "does not answer"
    WAITS = "waits for what it needs"
    """What it depends on does not answer; a restart would not help."""


@dataclass(frozen=True)
class Answer:
    """A verdict and its reason."""

    verdict: Verdict
    reason: str = ""

    def __str__(self) -> str:
        return self.reason or self.verdict.value


WORKS = Answer(Verdict.WORKS)


class Silence(Exception):  # noqa: N818 - not an error of this program
    """No answer, or none that shows that the process works; the message says why."""


class Probe:
    """One process and what is asked of it; it remembers what was answered."""

    def __init__(self, question: str, environment: Mapping[str, str] = os.environ) -> None:
        self._question = question
        self._environment = environment
        self._beats: dict[str, object] = {}
        self._unchanged = 0

    def ask(self) -> Answer:
        """Ask once; takes a few seconds at most."""
        scheme = self._question.partition(":")[0]
        try:
            self._asked[scheme]()
        except Silence as silence:
            needed = self._silent_need(scheme)
            return Answer(Verdict.WAITS, needed) if needed else Answer(Verdict.ILL, str(silence))
        return WORKS

    def ask_once(self) -> Answer:
        """The same for who asks only once and then ends: a health check of a container."""
        if self._question != "daemon:":
            return self.ask()
        from heartbeat.stack.database_question import age_of_beats

        try:
            age = _of_database(age_of_beats, self._dagster_url)
        except Silence as silence:
            return Answer(Verdict.WAITS, str(silence))
        if age is None:
            return Answer(Verdict.ILL, "it has not written a heartbeat yet")
        if age > _OLDEST_SECONDS:
            return Answer(Verdict.ILL, f"a part of it wrote its last heartbeat {age:.0f} s ago")
        return WORKS

    @property
    def _asked(self) -> Mapping[str, Callable[[], None]]:
        return {
            "http": lambda: _http(self._question),
            "graphql": lambda: _graphql(self._question),
            "grpc": lambda: _list_repositories(self._question),
            "postgresql": lambda: _replies(self._kept_login(self._question, _SUPERUSER)),
            "daemon": self._beats_go_on,
        }

    def _silent_need(self, scheme: str) -> str | None:
        """Why what the process needs does not answer; None when it does."""
        try:
            if scheme == "http":
                _select(self._kept_login(self._environment["HEARTBEAT_DATABASE_URL"], _API))
            if scheme in ("graphql", "daemon"):
                _select(self._dagster_url)
            if scheme == "graphql":
                _list_repositories(_code_location(self._environment))
        except Silence as silence:
            return str(silence)
        return None

    @property
    def _dagster_url(self) -> str:
        from heartbeat.stack.daemon_lock import dsn

        return dsn(self._environment["HEARTBEAT_DAGSTER_DATABASE_URL"])

    def _kept_login(self, url: str, role: str) -> str:
        """That database for a role, with the password that it has been given, or that was kept.

        A server that trusts asks for none.
        """
        from heartbeat.connection_string import logged_in_as
        from heartbeat.login_folder import LoginFolder
        from heartbeat.secret import read_secret

        given = read_secret(f"{role.upper()}_PASSWORD", self._environment)
        home = self._environment.get("HEARTBEAT_HOME", ".heartbeat")
        logins = LoginFolder(Path(home) / "logins")
        return logged_in_as(url, role, given or logins.read(role))

    def _beats_go_on(self) -> None:
        """Each of Dagster's daemons writes its heartbeat twice a minute, as long as it works.

        Asks are counted and no time is measured: when the whole machine has slept, nothing is late.
        """
        from heartbeat.stack.database_question import beats

        found = _of_database(beats, self._dagster_url)
        if found and all(self._beats.get(part) != moment for part, moment in found.items()):
            self._beats, self._unchanged = found, 0
        else:
            self._unchanged += 1
        if self._unchanged >= _UNCHANGED_ASKS:
            raise Silence("a part of it has stopped to write its heartbeat")


def _http(url: str) -> None:
    """200, or 503 of one that works and says what it lacks."""
    status, _ = _requested("GET", url)
    if status not in (http.client.OK, http.client.SERVICE_UNAVAILABLE):
        raise Silence(f"it answers with {status}")


def _graphql(url: str) -> None:
    body = json.dumps({"query": _GRAPHQL}).encode()
    status, text = _requested("POST", url.replace("graphql:", "http:", 1), body)
    try:
        data = json.loads(text)["data"]
        storage = data["runsOrError"]
        location = data["workspaceLocationEntryOrError"]["locationOrLoadError"]
    except (ValueError, LookupError, TypeError) as error:
        raise Silence(f"it answers with {status} and no data") from error
    for each in (storage, location or {"__typename": "PythonError", "message": "not loaded"}):
        if each["__typename"] == "PythonError":
            raise Silence(each["message"].strip().partition("\n")[0])


def _requested(method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_SECONDS)
    try:
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request(method, parts.path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise Silence(f"{parts.netloc} does not answer: {error or type(error).__name__}") from error
    finally:
        connection.close()


def _list_repositories(url: str) -> None:
    """Ask the code location through its proxy; only the child that has loaded the code can tell.

    An answer that the code does not load is one: a restart would load the same code.
    """
    import grpc

    address = urlsplit(url).netloc
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        list_repositories = channel.unary_unary(_LIST)
        try:
            list_repositories(b"", timeout=_SECONDS)
        except grpc.RpcError as error:
            code = error.code().name
            raise Silence(f"{address} lists no repository: {code}") from error


def _select(url: str) -> None:
    from heartbeat.stack.database_question import answers

    _of_database(answers, url)


def _replies(url: str) -> None:
    """A server that refuses a connection, since it recovers or has too many, is there."""
    try:
        _select(url)
    except Silence as silence:
        if "FATAL:" not in str(silence):
            raise


def _of_database(question: Callable[[str], T], url: str) -> T:
    import psycopg

    from heartbeat.connection_string import without_password

    try:
        return question(url)
    except psycopg.Error as error:
        why = without_password(str(error), url)
        raise Silence(f"its database does not answer: {why}") from error


def _code_location(environment: Mapping[str, str]) -> str:
    return f"grpc://{environment['HEARTBEAT_CODE_HOST']}:{environment['HEARTBEAT_CODE_PORT']}"
