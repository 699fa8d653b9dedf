"""Talk to Dagster's webserver: launch a job, ask how a run goes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from heartbeat.errors import HeartbeatError

_LAUNCH = """
mutation Launch($job: String!) {
  launchRun(executionParams: {
    selector: {
      repositoryLocationName: "heartbeat", repositoryName: "__repository__", jobName: $job
    }
    runConfigData: {}
  }) {
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
_PROGRESS = """
query Progress($run: ID!) {
  runOrError(runId: $run) {
    __typename
    ... on Run { status assets { key { path } } }
  }
}
"""
_JOB_ASSETS = """
query JobAssets($job: String!) {
  assetNodes(pipeline: {
    repositoryLocationName: "heartbeat", repositoryName: "__repository__", pipelineName: $job
  }) { id }
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
_ENDED = frozenset({"SUCCESS", "FAILURE", "CANCELED"})


class DagsterError(HeartbeatError):
    """Dagster's webserver refused or could not be reached."""


@dataclass(frozen=True)
class RunProgress:
    """How far a run is."""

    status: str
    """Dagster's run status, such as QUEUED, STARTED, SUCCESS, FAILURE."""
    materialized: int

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in _ENDED


class DagsterClient:
    """One Dagster webserver."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=30)

    def launch(self, job: str) -> str:
        """Queue a run of a job; returns the run's id. Raises DagsterError with Dagster's reason."""
        launched = self._query(_LAUNCH, {"job": job})["launchRun"]
        if launched["__typename"] != "LaunchRunSuccess":
            raise DagsterError(f"Dagster did not launch {job}: {launched}")
        return str(launched["run"]["runId"])

    def planned_assets(self, job: str) -> int:
        """How many assets a run of the job is to materialize; 0 for a job that does not exist."""
        return len(self._query(_JOB_ASSETS, {"job": job})["assetNodes"])

    def progress(self, run_id: str) -> RunProgress:
        """How far a run is. Raises DagsterError when Dagster does not know the run."""
        run = self._query(_PROGRESS, {"run": run_id})["runOrError"]
        if run["__typename"] != "Run":
            raise DagsterError(f"Dagster does not know run {run_id}")
        return RunProgress(run["status"], len(run["assets"]))

    def loaded(self) -> bool:
        """Whether the code location is loaded. Raises DagsterError when it failed to load."""
        try:
            entry = self._query(_LOCATION, {})["workspaceLocationEntryOrError"]
        except DagsterError:
            return False
        location = entry.get("locationOrLoadError") or {}
        if location.get("__typename") == "PythonError":
            message = location["message"].strip().splitlines()[0]
            if "UNAVAILABLE" in location["message"] or "not reach" in message:
                return False
            raise DagsterError(f"the code location does not load: {message}")
        return location.get("__typename") == "RepositoryLocation"

    def _query(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        try:
            response = self._http.post(
                "/graphql", json={"query": query, "variables": dict(variables)}
            )
            answer: dict[str, Any] = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise DagsterError(f"Dagster's webserver does not answer: {error}") from error
        if answer.get("errors"):
            raise DagsterError(f"Dagster: {answer['errors'][0]['message']}")
        data: dict[str, Any] = answer["data"]
        return data
