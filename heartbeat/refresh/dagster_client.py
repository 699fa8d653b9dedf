"""Talk to Dagster's webserver: launch a run, see which are active, ask how one goes."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import httpx

from heartbeat.errors import HeartbeatError
from heartbeat.refresh.run import Run, RunProgress
from heartbeat.refresh.scope import AssetGraph, AssetPath
from heartbeat.settings import Settings

_REFUSED = "application/problem+json"
_LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on UnauthorizedError { message }
    ... on InvalidSubsetError { message }
    ... on PipelineNotFoundError { message }
    ... on ConflictingExecutionParamsError { message }
    ... on NoModeProvidedError { message }
    ... on PresetNotFoundError { message }
    ... on RunConflict { message }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on InvalidStepError { invalidStepKey }
    ... on InvalidOutputError { stepKey }
  }
}
"""
_RUNS = """
query Runs($filter: RunsFilter, $limit: Int) {
  runsOrError(filter: $filter, limit: $limit) {
    __typename
    ... on Runs { results {
      runId jobName status creationTime startTime endTime allPools
      assetSelection { path } tags { key value }
    } }
    ... on PythonError { message }
  }
}
"""
_FAILURE = """
query Failure($run: ID!) {
  runOrError(runId: $run) {
    ... on Run { eventConnection { events {
      __typename
      ... on RunFailureEvent { message }
    } } }
  }
}
"""
_MATERIALIZED = """
query Materialized($run: ID!) {
  runOrError(runId: $run) {
    __typename
    ... on Run { status assetMaterializations { assetKey { path } } }
  }
}
"""
_JOB_ASSETS = """
query JobAssets($job: String!) {
  assetNodes(pipeline: {
    repositoryLocationName: "heartbeat", repositoryName: "__repository__", pipelineName: $job
  }) { assetKey { path } dependencyKeys { path } }
}
"""
_LOCATION = """
query { workspaceLocationEntryOrError(name: "heartbeat") {
  __typename
  ... on WorkspaceLocationEntry { loadStatus locationOrLoadError {
    __typename
    ... on PythonError { message }
    ... on RepositoryLocation { repositories { name } }
  } }
} }
"""
_DAEMONS = """
query { instance { daemonHealth { allDaemonStatuses {
  daemonType required healthy lastHeartbeatTime
} } } }
"""
_SCHEDULES = """
query Schedules($since: Float!, $until: Float!) {
  schedulesOrError(repositorySelector: {
    repositoryLocationName: "heartbeat", repositoryName: "__repository__"
  }) {
    __typename
    ... on Schedules { results {
      name futureTicks(cursor: $since, until: $until) { results { timestamp } }
      scheduleState { status ticks(limit: 1) { timestamp status error { message } } }
    } }
    ... on PythonError { message }
  }
}
"""
_ACTIVE = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")


_WHOLE_RUN_WITHIN = 200
"""Runs of a job that are looked through for a whole one: partial ones come with every click."""

_UNREACHABLE = "DagsterUserCodeUnreachableError"


class DagsterError(HeartbeatError):
    """Dagster's webserver refused."""


class DagsterAwayError(DagsterError):
    """Dagster's webserver does not answer; it may the next time."""


@dataclass(frozen=True)
class DaemonState:
    """One of the loops of the daemon; `heard_at` is when it last said that it is alive."""

    name: str
    healthy: bool
    heard_at: datetime | None


@dataclass(frozen=True)
class ScheduleState:
    """A schedule, its last tick, and the moment at which it should have ticked last."""

    name: str
    running: bool
    ticked_at: datetime | None
    due_at: datetime | None
    error: str | None


class DagsterClient:
    """One Dagster webserver; every method raises DagsterAwayError when it does not answer.

    `token` gives what the webserver launches runs for; it is asked each time, as `heartbeat up`
    makes it only when it starts.
    """

    def __init__(
        self,
        url: str,
        timeout_seconds: float = 30.0,
        *,
        token: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout_seconds)
        self._token = token

    @classmethod
    def of(cls, settings: Settings, timeout_seconds: float = 30.0) -> "DagsterClient":
        """The webserver that the settings name, with their token."""
        return cls(settings.dagster_url, timeout_seconds, token=lambda: settings.dagster_token)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def launch(
        self,
        job: str,
        selection: Collection[AssetPath] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Queue a run of a job, or of some of its assets; returns the run's id.

        Raises DagsterError with Dagster's reason.
        """
        selector: dict[str, Any] = {
            "repositoryLocationName": "heartbeat",
            "repositoryName": "__repository__",
            "jobName": job,
        }
        if selection is not None:
            selector["assetSelection"] = [{"path": list(path)} for path in sorted(selection)]
        metadata = {"tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]}
        params = {"selector": selector, "runConfigData": {}, "executionMetadata": metadata}
        launched = self._query(_LAUNCH, {"params": params})["launchRun"]
        if launched["__typename"] != "LaunchRunSuccess":
            raise _refusal(job, launched)
        return str(launched["run"]["runId"])

    def active_runs(self) -> list[Run]:
        """Every run that has not ended, the oldest first."""
        return self._runs({"statuses": list(_ACTIVE)}, limit=None)[::-1]

    def run(self, run_id: str) -> Run | None:
        """The run of that id, or None."""
        return next(iter(self._runs({"runIds": [run_id]}, limit=1)), None)

    def succeeded_runs(self, job: str, tags: Mapping[str, str], limit: int) -> list[Run]:
        """The last runs of a job with those tags that succeeded, the newest first."""
        wanted = [{"key": key, "value": value} for key, value in tags.items()]
        found = {"pipelineName": job, "statuses": ["SUCCESS"], "tags": wanted}
        return self._runs(found, limit)

    def last_whole_run(self, job: str) -> Run | None:
        """The last run of all assets of a job, however it ended; None among many partial ones."""
        runs = self._runs({"pipelineName": job}, _WHOLE_RUN_WITHIN)
        return next((run for run in runs if run.selection is None), None)

    def failure(self, run_id: str) -> str | None:
        """Why a run as a whole failed, in Dagster's words; None for one that did not."""
        run = self._query(_FAILURE, {"run": run_id})["runOrError"]
        events = run.get("eventConnection", {}).get("events", [])
        messages = [each["message"] for each in events if each["__typename"] == "RunFailureEvent"]
        return messages[-1] if messages else None

    def assets(self, job: str) -> AssetGraph:
        """The assets of a job; none for a job that does not exist."""
        nodes = self._query(_JOB_ASSETS, {"job": job})["assetNodes"]
        return AssetGraph({_path(n["assetKey"]): _paths(n["dependencyKeys"]) for n in nodes})

    def progress(self, run_id: str) -> RunProgress:
        """How far a run is. Raises DagsterError when Dagster does not know the run."""
        run = self._query(_MATERIALIZED, {"run": run_id})["runOrError"]
        if run["__typename"] != "Run":
            raise DagsterError(f"Dagster does not know run {run_id}")
        made = [each["assetKey"] for each in run["assetMaterializations"]]
        return RunProgress(run["status"], len(_paths(made)))

    def loaded(self) -> bool:
        """Whether the code location is loaded. Raises DagsterError when it failed to load."""
        try:
            entry = self._query(_LOCATION, {})["workspaceLocationEntryOrError"]
        except DagsterAwayError:
            return False
        location = entry.get("locationOrLoadError") or {}
        if location.get("__typename") == "PythonError":
            message = location["message"].strip().splitlines()[0]
            if "UNAVAILABLE" in location["message"] or "not reach" in message:
                return False
            raise DagsterError(f"the code location does not load: {message}")
        return location.get("__typename") == "RepositoryLocation"

    def daemons(self) -> list[DaemonState]:
        """The loops that this instance needs."""
        health = self._query(_DAEMONS, {})["instance"]["daemonHealth"]
        return [
            DaemonState(
                each["daemonType"], bool(each["healthy"]), _moment(each["lastHeartbeatTime"])
            )
            for each in health["allDaemonStatuses"]
            if each["required"]
        ]

    def schedules(self, since: datetime, until: datetime) -> list[ScheduleState]:
        """Every schedule, with the last tick that was due between the two moments."""
        asked = {"since": since.timestamp(), "until": until.timestamp()}
        found = self._query(_SCHEDULES, asked)["schedulesOrError"]
        if found["__typename"] != "Schedules":
            raise DagsterError(f"Dagster does not list its schedules: {found}")
        return [_schedule(each) for each in found["results"]]

    def _runs(self, found: Mapping[str, Any], limit: int | None) -> list[Run]:
        runs = self._query(_RUNS, {"filter": found, "limit": limit})["runsOrError"]
        if runs["__typename"] != "Runs":
            raise DagsterError(f"Dagster does not list its runs: {runs}")
        return [_run(each) for each in runs["results"]]

    def _query(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        try:
            response = self._http.post(
                "/graphql",
                json={"query": query, "variables": dict(variables)},
                headers=self._authorization(),
            )
            answer: dict[str, Any] = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise DagsterAwayError(f"Dagster's webserver does not answer: {error}") from error
        if response.headers.get("content-type") == _REFUSED:
            raise DagsterError(f"Dagster's webserver refuses: {answer['detail']}")
        if answer.get("errors"):
            raise DagsterError(f"Dagster: {answer['errors'][0]['message']}")
        data: dict[str, Any] = answer["data"]
        return data

    def _authorization(self) -> dict[str, str]:
        token = self._token()
        return {"Authorization": f"Bearer {token}"} if token else {}


def _refusal(job: str, answer: Mapping[str, Any]) -> DagsterError:
    told = str(answer.get("message") or answer)
    if _UNREACHABLE in told:
        return DagsterAwayError(f"Dagster cannot launch {job} now: its code location is away")
    return DagsterError(f"Dagster did not launch {job}: {told.strip().splitlines()[0]}")


def _run(found: Mapping[str, Any]) -> Run:
    selection = found["assetSelection"]
    return Run(
        run_id=found["runId"],
        job=found["jobName"],
        status=found["status"],
        selection=None if selection is None else _paths(selection),
        pools=frozenset(found["allPools"] or ()),
        tags={tag["key"]: tag["value"] for tag in found["tags"]},
        created_at=datetime.fromtimestamp(found["creationTime"], UTC),
        started_at=_moment(found["startTime"]),
        ended_at=_moment(found["endTime"]),
    )


def _daemon(found: Mapping[str, Any]) -> DaemonState:
    heard_at = _moment(found["lastHeartbeatTime"])
    return DaemonState(found["daemonType"], bool(found["healthy"]), heard_at)


def _schedule(found: Mapping[str, Any]) -> ScheduleState:
    due = [each["timestamp"] for each in found["futureTicks"]["results"]]
    ticks = found["scheduleState"]["ticks"]
    last = ticks[0] if ticks else None
    error = last["error"] if last else None
    return ScheduleState(
        name=found["name"],
        running=found["scheduleState"]["status"] == "RUNNING",
        ticked_at=_moment(last["timestamp"]) if last else None,
        due_at=_moment(due[-1]) if due else None,
        error=error["message"].strip().splitlines()[0] if error else None,
    )


def _path(key: Mapping[str, Any]) -> AssetPath:
    return tuple(key["path"])


def _paths(keys: Collection[Mapping[str, Any]]) -> frozenset[AssetPath]:
    return frozenset(_path(key) for key in keys)


def _moment(timestamp: float | None) -> datetime | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)
