"""A refresh as people and programs see it: a Dagster run, and what the ledgers say of it so far."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row

from heartbeat.identifier import original_name
from heartbeat.refresh.run import Run
from heartbeat.refresh.scope import AssetGraph, AssetPath, Scope
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("refresh")

REFRESH_JOB = "refresh"
"""The Dagster job of all tables and all metrics; a targeted refresh is a part of it."""

AUDIT_JOB = "audit"
"""The Dagster job of all audit cuts; the refresh of one is a part of it."""

TRIGGER_TAG = "heartbeat/trigger"
ACTOR_TAG = "heartbeat/actor"
SCOPE_TAG = "heartbeat/scope"
"""Equal for runs of the same assets, so that earlier ones tell how long the next will take."""
SCOPE_OF_EVERYTHING = "everything"

_OF_EVERYTHING = (REFRESH_JOB, "reconcile", "__ASSET_JOB")
_OF_EVERY_CUT = (AUDIT_JOB, "__ASSET_JOB")
_CUT = "audit_cut"
_SCHEDULE_TAG = "dagster/schedule_name"
_FAILURE_REASON_TAG = "dagster/failure_reason"
_OF_THE_RUN_ITSELF = ("STEP_FAILURE", "RUN_EXCEPTION", "JOB_INITIALIZATION_FAILURE")


class JobState(StrEnum):
    """What has become of a job; `lost`: it failed since what carried it out is gone."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELED = "canceled"
    LOST = "lost"


class Phase(StrEnum):
    """What a job does now."""

    WAITING = "waiting"
    STARTING = "starting"
    LANDING = "landing"
    COMPUTING = "computing"
    ENDED = "ended"


_STATES = {
    "QUEUED": JobState.QUEUED,
    "NOT_STARTED": JobState.QUEUED,
    "STARTING": JobState.RUNNING,
    "STARTED": JobState.RUNNING,
    "CANCELING": JobState.RUNNING,
    "SUCCESS": JobState.SUCCESS,
    "CANCELED": JobState.CANCELED,
}


@dataclass(frozen=True)
class Progress:
    """How many of the planned things are done, and the names of those that failed."""

    done: int
    planned: int
    failed: tuple[str, ...]

    def text(self, verb: str) -> str:
        """Such as "3 of 5 landed, 1 failed"; what failed is done and not landed."""
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"{max(0, self.done - len(self.failed)):,} of {self.planned:,} {verb}{failed}"


@dataclass(frozen=True)
class RefreshJob:
    """One job of `GET /api/metrics/recompute/{job_id}`; the fields are the JSON contract."""

    job_id: str
    state: JobState
    phase: Phase
    schema: str | None
    """The landed schema that is being landed."""
    tables: Progress
    metrics: Progress
    cuts: Progress
    """Of audit cuts, in windows: each window of a cut is a picture of its own."""
    trigger: str
    """ui, api, schedule, or dagster for a run that someone started there."""
    queue_place: int | None
    """1: the next one; None: it does not wait."""
    queued_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    elapsed_seconds: float | None
    """Since it started."""
    estimated_seconds: float | None
    """What earlier ones of the same assets took; None without any."""
    reason: str | None
    """Why it failed, or was lost."""


@dataclass(frozen=True)
class Ledger:
    """What a run has done so far: by name, whether it failed."""

    tables: Mapping[str, bool]
    metrics: Mapping[str, bool]
    windows: Mapping[str, bool | None] = field(default_factory=dict)
    """Every window of the cuts that the run is to draw; None: not drawn yet."""


def read_ledger(connection: Connection[Any], run: Run) -> Ledger:
    """What the ledgers hold of a run."""
    asked = {"run_id": run.run_id, "cut_ids": _selected_cuts(run)}
    with connection.cursor(row_factory=tuple_row) as cursor:
        return Ledger(
            *(
                dict(cursor.execute(_STATEMENTS[name], asked).fetchall())
                for name in ("landed", "computed", "drawn")
            )
        )


def read_failures(connection: Connection[Any], run_id: str) -> list[tuple[str, str]]:
    """The tables and metrics that failed in a run, each with its error."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(_STATEMENTS["failures"], {"run_id": run_id}).fetchall()


def draws(run: Run, cut_id: str) -> bool:
    """Whether a run computes and draws that audit cut."""
    chosen = _selected_cuts(run)
    return chosen is None or cut_id in chosen


def cut_asset(cut_id: str) -> AssetPath:
    """The asset of an audit cut."""
    return (_CUT, cut_id)


def _selected_cuts(run: Run) -> list[str] | None:
    """The ids of the cuts that a run draws; None: all."""
    if run.selection is not None:
        return [path[1] for path in run.selection if path[0] == _CUT]
    return None if run.job in _OF_EVERY_CUT else []


def planned(run: Run, graph: AssetGraph) -> Scope:
    """What a run refreshes; nothing for a run of other assets."""
    if run.selection is not None:
        return Scope(run.selection & graph.everything.assets)
    return graph.everything if run.job in _OF_EVERYTHING else Scope(frozenset())


def state_of(run: Run) -> JobState:
    """The state of a run."""
    if run.status != "FAILURE":
        return _STATES[run.status]
    own = run.tags.get(_FAILURE_REASON_TAG) in _OF_THE_RUN_ITSELF
    return JobState.FAILED if own else JobState.LOST


def queue_place(run: Run, active: Collection[Run]) -> int | None:
    """The place of a run among those that wait; None for one that does not."""
    if state_of(run) is not JobState.QUEUED:
        return None
    waiting = [each for each in active if state_of(each) is JobState.QUEUED]
    return 1 + sum(each.created_at < run.created_at for each in waiting)


def describe(
    run: Run,
    graph: AssetGraph,
    ledger: Ledger,
    *,
    active: Collection[Run],
    failure: str | None,
    estimated_seconds: float | None,
    now: datetime,
) -> RefreshJob:
    """A run as a job; `failure` is what Dagster says of one that failed."""
    scope = planned(run, graph)
    tables = {".".join(map(original_name, path)) for path in scope.tables(graph.tables)}
    waiting = sorted(tables - ledger.tables.keys())
    phase = _phase(run, bool(waiting))
    landed = _progress(tables, ledger.tables)
    computed = _progress(scope.metrics, ledger.metrics)
    drawn = _progress(ledger.windows, _done(ledger.windows))
    return RefreshJob(
        job_id=run.run_id,
        state=state_of(run),
        phase=phase,
        schema=waiting[0].partition(".")[0] if phase is Phase.LANDING else None,
        tables=landed,
        metrics=computed,
        cuts=drawn,
        trigger=_trigger(run),
        queue_place=queue_place(run, active),
        queued_at=run.created_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
        elapsed_seconds=_elapsed(run, now),
        estimated_seconds=estimated_seconds,
        reason=_reason(state_of(run), (landed, computed, drawn), failure),
    )


def _progress(names: Collection[str], done: Mapping[str, bool]) -> Progress:
    return Progress(
        done=len(done.keys() & set(names)),
        planned=len(names),
        failed=tuple(sorted(name for name, failed in done.items() if failed)),
    )


def _done(windows: Mapping[str, bool | None]) -> Mapping[str, bool]:
    return {name: failed for name, failed in windows.items() if failed is not None}


def _phase(run: Run, tables_wait: bool) -> Phase:
    if run.ended:
        return Phase.ENDED
    if state_of(run) is JobState.QUEUED:
        return Phase.WAITING
    if run.started_at is None:
        return Phase.STARTING
    return Phase.LANDING if tables_wait else Phase.COMPUTING


def _trigger(run: Run) -> str:
    by_whom = "schedule" if _SCHEDULE_TAG in run.tags else "dagster"
    return run.tags.get(TRIGGER_TAG, by_whom)


def _elapsed(run: Run, now: datetime) -> float | None:
    if run.started_at is None:
        return None
    return ((run.ended_at or now) - run.started_at).total_seconds()


def _reason(state: JobState, progress: tuple[Progress, ...], failure: str | None) -> str | None:
    if state is JobState.LOST:
        return failure or "Dagster does not say why"
    if state is not JobState.FAILED:
        return None
    told = [
        f"{what}: {', '.join(each.failed)}"
        for what, each in zip(("did not land", "not computed", "not drawn"), progress, strict=True)
        if each.failed
    ]
    return "; ".join(told) or failure
