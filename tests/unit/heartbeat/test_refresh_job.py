"""A Dagster run and the ledgers, told as a job; what covers what."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from heartbeat.identifier import ascii_name
from heartbeat.refresh.job import (
    JobState,
    Ledger,
    Phase,
    RefreshJob,
    describe,
    draws,
    planned,
    queue_place,
    state_of,
)
from heartbeat.refresh.run import Run
from heartbeat.refresh.scope import AssetGraph, Scope, UnknownScopeError

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PAYMENT, FEE, RATE = ("bank_core", "payment"), ("bank_core", "fee"), ("fx_rate", "rate")
COUNT, SUM = ("metric", "payments"), ("metric", "fees")
REGISTRY = ("heartbeat", "registry")
GRAPH = AssetGraph(
    {
        REGISTRY: frozenset(),
        PAYMENT: frozenset(),
        FEE: frozenset(),
        RATE: frozenset(),
        COUNT: frozenset({PAYMENT}),
        SUM: frozenset({FEE, RATE, ("elsewhere", "table")}),
    }
)
RUN = Run(
    run_id="r",
    job="refresh",
    status="STARTED",
    selection=frozenset({FEE, RATE, SUM}),
    pools=frozenset({"ingest"}),
    tags={},
    created_at=NOW - timedelta(seconds=9),
    started_at=NOW - timedelta(seconds=7),
    ended_at=None,
)
NOTHING = Ledger({}, {})


def told(
    run: Run = RUN,
    ledger: Ledger = NOTHING,
    *,
    active: tuple[Run, ...] = (),
    failure: str | None = None,
) -> RefreshJob:
    return describe(
        run, GRAPH, ledger, active=active, failure=failure, estimated_seconds=None, now=NOW
    )


def test_a_metric_brings_the_tables_that_it_reads_and_that_can_be_landed() -> None:
    assert GRAPH.of_metrics(["fees"]).assets == {SUM, FEE, RATE}
    assert GRAPH.of_metrics(["fees", "payments"]) == GRAPH.everything
    with pytest.raises(UnknownScopeError, match="no metric 'typo'"):
        GRAPH.of_metrics(["fees", "typo"])


def test_a_scope_covers_what_is_part_of_it() -> None:
    fees, everything = GRAPH.of_metrics(["fees"]), GRAPH.everything
    assert everything.covers(fees)
    assert fees.covers(fees)
    assert not fees.covers(everything)
    assert not Scope(frozenset({SUM})).covers(fees)


@pytest.mark.parametrize(
    ("job", "selection", "scope"),
    [
        ("refresh", None, GRAPH.everything.assets),
        ("reconcile", None, GRAPH.everything.assets),
        ("__ASSET_JOB", None, GRAPH.everything.assets),
        ("benchmark", None, set()),
        ("audit", frozenset({("audit_cut", "money")}), set()),
        ("__ASSET_JOB", frozenset({FEE, ("audit_cut", "money")}), {FEE}),
        ("refresh", frozenset({REGISTRY, COUNT}), {COUNT}),
    ],
)
def test_what_a_run_refreshes(
    job: str, selection: frozenset[tuple[str, ...]] | None, scope: set[tuple[str, ...]]
) -> None:
    assert planned(replace(RUN, job=job, selection=selection), GRAPH).assets == scope


def test_a_job_says_which_schema_it_lands_and_how_far_it_is() -> None:
    begun = told()
    assert (begun.phase, begun.schema) == (Phase.LANDING, "bank_core")
    assert (begun.tables.done, begun.tables.planned) == (0, 2)
    second = told(ledger=Ledger({"bank_core.fee": False}, {}))
    assert (second.phase, second.schema, second.tables.done) == (Phase.LANDING, "fx_rate", 1)
    landed = Ledger({"bank_core.fee": False, "fx_rate.rate": False}, {})
    computing = told(ledger=landed)
    assert (computing.phase, computing.schema, computing.metrics.done) == (Phase.COMPUTING, None, 0)
    assert computing.elapsed_seconds == 7


def test_a_table_of_another_script_is_known_by_the_name_that_it_has_in_marts() -> None:
    paid = (ascii_name("банк_ядро"), ascii_name("платёж"))
    run = replace(RUN, selection=frozenset({paid}))
    graph = AssetGraph({paid: frozenset()})

    def at(ledger: Ledger) -> RefreshJob:
        return describe(
            run, graph, ledger, active=(), failure=None, estimated_seconds=None, now=NOW
        )

    assert at(NOTHING).schema == "банк_ядро"
    assert at(Ledger({"банк_ядро.платёж": False}, {})).tables.done == 1


@pytest.mark.parametrize(
    ("status", "started", "phase"),
    [
        ("QUEUED", False, Phase.WAITING),
        ("NOT_STARTED", False, Phase.WAITING),
        ("STARTING", False, Phase.STARTING),
        ("CANCELING", True, Phase.LANDING),
        ("SUCCESS", True, Phase.ENDED),
        ("CANCELED", True, Phase.ENDED),
    ],
)
def test_phases(status: str, started: bool, phase: Phase) -> None:
    run = replace(RUN, status=status, started_at=RUN.started_at if started else None)
    assert told(run).phase is phase


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("STEP_FAILURE", JobState.FAILED),
        ("RUN_EXCEPTION", JobState.FAILED),
        ("JOB_INITIALIZATION_FAILURE", JobState.FAILED),
        ("UNEXPECTED_TERMINATION", JobState.LOST),
        ("START_TIMEOUT", JobState.LOST),
        (None, JobState.LOST),
    ],
)
def test_a_failure_that_the_run_did_not_report_itself_is_a_loss(
    reason: str | None, state: JobState
) -> None:
    tags = {"dagster/failure_reason": reason} if reason else {}
    assert state_of(replace(RUN, status="FAILURE", tags=tags)) is state


def test_a_failed_job_names_tables_and_metrics_and_a_lost_one_says_what_became_of_it() -> None:
    failed = replace(RUN, status="FAILURE", tags={"dagster/failure_reason": "STEP_FAILURE"})
    ledger = Ledger({"bank_core.fee": True, "fx_rate.rate": False}, {"fees": True})
    job = told(failed, ledger, failure="Steps failed: ['land_bank_core'].")
    assert job.reason == "did not land: bank_core.fee; not computed: fees"
    assert (job.tables.failed, job.metrics.failed) == (("bank_core.fee",), ("fees",))
    assert told(failed, failure="Steps failed").reason == "Steps failed"
    assert told(replace(RUN, status="FAILURE"), failure="It was killed.").reason == "It was killed."
    assert told(replace(RUN, status="FAILURE")).reason == "Dagster does not say why"


def test_the_place_in_the_queue_counts_those_that_wait_longer() -> None:
    older, younger = (
        replace(RUN, run_id=name, status="QUEUED", created_at=NOW - timedelta(seconds=age))
        for name, age in (("older", 20), ("younger", 1))
    )
    waiting = replace(RUN, run_id="this", status="QUEUED")
    active = (RUN, older, waiting, younger)
    assert [queue_place(run, active) for run in active] == [None, 1, 2, 3]


@pytest.mark.parametrize(
    ("tags", "trigger"),
    [
        ({"heartbeat/trigger": "ui"}, "ui"),
        ({"heartbeat/trigger": "schedule", "dagster/schedule_name": "x"}, "schedule"),
        ({"dagster/schedule_name": "somebody's own"}, "schedule"),
        ({}, "dagster"),
    ],
)
def test_who_started_it(tags: dict[str, str], trigger: str) -> None:
    assert told(replace(RUN, tags=tags)).trigger == trigger


def test_what_a_run_draws_of_the_audit_cuts() -> None:
    money = ("audit_cut", "money")
    assert draws(replace(RUN, job="audit", selection=None), "money")
    assert draws(replace(RUN, job="__ASSET_JOB", selection=None), "money")
    assert draws(replace(RUN, job="audit", selection=frozenset({money})), "money")
    assert not draws(replace(RUN, job="audit", selection=frozenset({money})), "segments")
    assert not draws(replace(RUN, selection=None), "money")


def test_a_job_that_draws_tells_its_windows_and_those_that_failed() -> None:
    run = replace(RUN, job="audit", selection=frozenset({("audit_cut", "money")}))
    windows = {"money 7d": False, "money 30d": True, "money 90d": None}
    job = told(run, Ledger({}, {}, windows))
    assert (job.cuts.done, job.cuts.planned, job.cuts.failed) == (2, 3, ("money 30d",))
    assert (job.phase, job.tables.planned, job.metrics.planned) == (Phase.COMPUTING, 0, 0)
    failed = replace(run, status="FAILURE", tags={"dagster/failure_reason": "STEP_FAILURE"})
    assert told(failed, Ledger({}, {}, windows)).reason == "not drawn: money 30d"
