"""A Dagster webserver with one run, for tests of what the API makes of it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

JOB = "00000000-0000-4000-8000-000000000000"


class Dagster(BaseHTTPRequestHandler):
    """Knows one run, in the status, and the metrics and tables, that a test says."""

    status: ClassVar[str] = "STARTED"
    once_launched: ClassVar[str] = "QUEUED"
    metrics: ClassVar[tuple[str, ...]] = ()
    tables: ClassVar[tuple[str, ...]] = ()
    launches: ClassVar[int] = 0
    location: ClassVar[dict[str, Any]] = {}
    beat: ClassVar[datetime | None] = None
    created: ClassVar[datetime | None] = None

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        body = json.dumps({"data": self._answer(asked["query"], asked["variables"])}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        if "assetNodes" in query:
            paths = [["metric", metric] for metric in self.metrics]
            paths += [table.split(".") for table in self.tables]
            keys = [{"path": path} for path in paths]
            return {"assetNodes": [{"assetKey": key, "dependencyKeys": []} for key in keys]}
        if "workspaceLocationEntryOrError" in query:
            entry = {"loadStatus": "LOADED", "locationOrLoadError": self.location}
            return {"workspaceLocationEntryOrError": entry}
        if "daemonHealth" in query:
            beat = (self.beat or datetime.now(UTC)).timestamp()
            beats = {
                "daemonType": "SCHEDULER",
                "required": True,
                "healthy": True,
                "lastHeartbeatTime": beat,
            }
            return {"instance": {"daemonHealth": {"allDaemonStatuses": [beats]}}}
        if "launchRun" in query:
            Dagster.launches += 1
            Dagster.status = Dagster.once_launched
            return {"launchRun": {"__typename": "LaunchRunSuccess", "run": {"runId": JOB}}}
        if "Failure" in query:
            return {"runOrError": {"eventConnection": {"events": []}}}
        return {"runsOrError": {"__typename": "Runs", "results": self._runs(variables["filter"])}}

    def _runs(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        known = self.status in wanted.get("statuses", [self.status])
        named = JOB in wanted.get("runIds", [JOB])
        return [self._run()] if known and named and "tags" not in wanted else []

    def _run(self) -> dict[str, Any]:
        now = datetime.now(UTC).timestamp()
        return {
            "runId": JOB,
            "jobName": "refresh",
            "status": self.status,
            "creationTime": self.created.timestamp() if self.created else now,
            "startTime": now,
            "endTime": now if self.status in ("SUCCESS", "FAILURE") else None,
            "allPools": [],
            "assetSelection": None,
            "tags": [{"key": "dagster/failure_reason", "value": "STEP_FAILURE"}],
        }

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def dagster(*metrics: str) -> Iterator[str]:
    """Serve one whose graph has those metrics and whose run is going on; gives its address."""
    Dagster.status, Dagster.metrics, Dagster.tables = "STARTED", metrics, ()
    Dagster.once_launched, Dagster.launches = "QUEUED", 0
    Dagster.location = {"__typename": "RepositoryLocation", "repositories": []}
    Dagster.beat = Dagster.created = None
    server = ThreadingHTTPServer(("127.0.0.1", 0), Dagster)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
