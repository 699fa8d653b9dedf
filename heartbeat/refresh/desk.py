"""Where a refresh is asked for and asked after."""

import hashlib
import statistics
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection

from heartbeat.refresh.dagster_client import DagsterClient
from heartbeat.refresh.job import (
    ACTOR_TAG,
    AUDIT_JOB,
    REFRESH_JOB,
    SCOPE_OF_EVERYTHING,
    SCOPE_TAG,
    TRIGGER_TAG,
    JobState,
    RefreshJob,
    cut_asset,
    describe,
    draws,
    planned,
    queue_place,
    read_ledger,
    state_of,
)
from heartbeat.refresh.run import Run
from heartbeat.refresh.scope import AssetGraph, Scope
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("refresh")
_EARLIER_RUNS = 5
_MOST_ESTIMATES = 100
_GRAPH_SECONDS = 10.0
_JOINED = frozenset({"QUEUED", "STARTING", "STARTED"})
"""Dagster's statuses of runs that will make what they are to make. Not NOT_STARTED: where the
database goes away between making a run and queueing it, the run stays so and never starts."""


@dataclass(frozen=True)
class Ticket:
    """The answer to who asks for a refresh."""

    job_id: str
    coalesced: bool
    """Whether the job was there already and covers what was asked for."""
    state: JobState
    queue_place: int | None


@dataclass(frozen=True)
class _Issued:
    """A ticket for a new job."""

    at: float
    metric_ids: frozenset[str] | None
    ticket: Ticket

    def covers(self, metric_ids: Collection[str] | None) -> bool:
        if self.metric_ids is None:
            return True
        return metric_ids is not None and self.metric_ids.issuperset(metric_ids)


class RefreshDesk:
    """Takes requests and tells how they go, in Dagster's runs; holds nothing that must survive."""

    def __init__(self, dagster: DagsterClient) -> None:
        self._dagster = dagster
        self._last: _Issued | None = None
        self._graph: tuple[float, AssetGraph] | None = None
        self._estimates: dict[str, float | None] = {}

    def request(
        self,
        connection: Connection[Any],
        metric_ids: Collection[str] | None,
        *,
        trigger: str,
        actor: str,
        asked_at: float | None = None,
    ) -> Ticket:
        """Refresh those metrics, or all, or join a job that does so already.

        The connection's transaction keeps others that ask from asking at the same time. Who had
        to wait for that since `asked_at`, of the monotonic clock, joins what was queued meanwhile.
        Raises UnknownScopeError, DagsterError.
        """
        joined = self._queued_since(asked_at, metric_ids)
        if joined is not None:
            return joined
        graph = self._dagster.assets(REFRESH_JOB)
        wanted = graph.everything if metric_ids is None else graph.of_metrics(metric_ids)
        connection.execute(_STATEMENTS["hold"])
        active = self._dagster.active_runs()
        for run in active:
            if run.status in _JOINED and planned(run, graph).covers(wanted):
                return Ticket(run.run_id, True, state_of(run), queue_place(run, active))
        job_id = self._dagster.launch(
            REFRESH_JOB,
            None if metric_ids is None else wanted.assets,
            {
                TRIGGER_TAG: trigger,
                ACTOR_TAG: actor,
                SCOPE_TAG: SCOPE_OF_EVERYTHING if metric_ids is None else _fingerprint(wanted),
            },
        )
        waiting = sum(state_of(run) is JobState.QUEUED for run in active)
        ticket = Ticket(job_id, False, JobState.QUEUED, waiting + 1)
        self._last = _Issued(
            time.monotonic(), None if metric_ids is None else frozenset(metric_ids), ticket
        )
        return ticket

    def request_cut(
        self, connection: Connection[Any], cut_id: str, *, trigger: str, actor: str
    ) -> Ticket:
        """Compute and draw one audit cut on the rows that are landed, or join a job that will.

        The connection's transaction keeps others that ask from asking at the same time. Raises
        DagsterError.
        """
        connection.execute(_STATEMENTS["hold"])
        active = self._dagster.active_runs()
        for run in active:
            if run.status in _JOINED and draws(run, cut_id):
                return Ticket(run.run_id, True, state_of(run), queue_place(run, active))
        assets = frozenset([cut_asset(cut_id)])
        tags = {TRIGGER_TAG: trigger, ACTOR_TAG: actor, SCOPE_TAG: _fingerprint(Scope(assets))}
        job_id = self._dagster.launch(AUDIT_JOB, assets, tags)
        waiting = sum(state_of(run) is JobState.QUEUED for run in active)
        return Ticket(job_id, False, JobState.QUEUED, waiting + 1)

    def _queued_since(
        self, asked_at: float | None, metric_ids: Collection[str] | None
    ) -> Ticket | None:
        last = self._last
        if last is None or asked_at is None or last.at < asked_at or not last.covers(metric_ids):
            return None
        return replace(last.ticket, coalesced=True)

    def job(self, connection: Connection[Any], job_id: str) -> RefreshJob | None:
        """How a job goes or went; None for an unknown one. Raises DagsterError."""
        run = self._dagster.run(job_id)
        return None if run is None else self._described(connection, run)

    def active_job(self, connection: Connection[Any]) -> RefreshJob | None:
        """The job that runs, else the one that will next; None without any. Raises DagsterError."""
        active = self._dagster.active_runs()
        if not active:
            return None
        graph = self._known_graph()
        refreshing = [run for run in active if planned(run, graph).assets]
        refreshing.sort(key=lambda run: state_of(run) is JobState.QUEUED)
        return self._described(connection, refreshing[0], active, graph) if refreshing else None

    def _described(
        self,
        connection: Connection[Any],
        run: Run,
        active: list[Run] | None = None,
        graph: AssetGraph | None = None,
    ) -> RefreshJob:
        return describe(
            run,
            graph or self._known_graph(),
            read_ledger(connection, run),
            active=self._active_beside(run) if active is None else active,
            failure=self._dagster.failure(run.run_id) if run.status == "FAILURE" else None,
            estimated_seconds=self._estimate(run),
            now=datetime.now(UTC),
        )

    def _known_graph(self) -> AssetGraph:
        """The assets as they were within the last seconds: good enough to tell how a job goes."""
        if self._graph is None or time.monotonic() - self._graph[0] > _GRAPH_SECONDS:
            self._graph = (time.monotonic(), self._dagster.assets(REFRESH_JOB))
        return self._graph[1]

    def _active_beside(self, run: Run) -> list[Run]:
        return self._dagster.active_runs() if state_of(run) is JobState.QUEUED else []

    def _estimate(self, run: Run) -> float | None:
        if run.run_id not in self._estimates:
            if len(self._estimates) >= _MOST_ESTIMATES:
                self._estimates.clear()
            self._estimates[run.run_id] = self._earlier_median(run)
        return self._estimates[run.run_id]

    def _earlier_median(self, run: Run) -> float | None:
        scope = run.tags.get(SCOPE_TAG)
        tags = {} if scope is None else {SCOPE_TAG: scope}
        took = [
            (each.ended_at - each.started_at).total_seconds()
            for each in self._dagster.succeeded_runs(run.job, tags, _EARLIER_RUNS)
            if each.selection == run.selection and each.started_at and each.ended_at
        ]
        return statistics.median(took) if took else None


def _fingerprint(scope: Scope) -> str:
    names = "\n".join("/".join(path) for path in sorted(scope.assets))
    return hashlib.sha256(names.encode()).hexdigest()[:16]
