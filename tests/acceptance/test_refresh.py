"""A refresh from the request to the new number, on a running stack."""

import itertools
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from statistics import median
from threading import Barrier
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from playwright.sync_api import Browser, expect

from heartbeat.refresh.dagster_client import DagsterClient
from heartbeat.refresh.run import RunProgress
from tests.acceptance.process_tree import CHILD, ProcessTree
from tests.acceptance.refreshed_bank import RefreshedBank, refreshed_bank
from tests.acceptance.running_stack import PATIENCE_SECONDS

LOST_SECONDS = 30
SETTLED_SECONDS = 120
SERVED_SECONDS = 5
WALL_FEE = 1_000_000
SOAK = "HEARTBEAT_SOAK" in os.environ
ROUNDS = 20 if SOAK else 1
ACTIVE = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")


@pytest.fixture(scope="module")
def bank() -> Iterator[RefreshedBank]:
    with refreshed_bank() as running:
        yield running


def test_a_click_on_one_metric_lands_only_its_tables(bank: RefreshedBank) -> None:
    bank.charges(3, 10)
    ticket = bank.asks("fees")
    assert (ticket["coalesced"], ticket["state"], ticket["queue_place"]) == (False, "queued", 1)
    job = bank.ends(ticket["job_id"])
    assert job["state"] == "success"
    assert bank.landed(job["job_id"]) == [("fee", None)]
    assert job["tables"] == {"done": 1, "planned": 1, "failed": []}
    assert job["metrics"] == {"done": 1, "planned": 1, "failed": []}
    assert (job["trigger"], job["reason"], job["queue_place"]) == ("ui", None, None)
    assert job["elapsed_seconds"] > 0
    assert bank.value("fees") == 12.75


def test_a_job_tells_how_far_it_is_and_how_long_earlier_ones_took(bank: RefreshedBank) -> None:
    earlier = [bank.ends(bank.asks("both")["job_id"]) for _ in range(3)]
    with bank.held_up():
        job_id = bank.asks("both", trigger="api")["job_id"]
        bank.waits_until(lambda: bank.phase(job_id) == "computing")
        job = bank.job(job_id)
        assert (job["state"], job["schema"], job["trigger"]) == ("running", None, "api")
        assert job["tables"] == {"done": 2, "planned": 2, "failed": []}
        assert job["metrics"] == {"done": 0, "planned": 1, "failed": []}
        with closing(DagsterClient(bank.up.dagster_url)) as dagster:
            assert dagster.progress(job_id) == RunProgress("STARTED", 2)
        assert job["estimated_seconds"] == pytest.approx(
            median(each["elapsed_seconds"] for each in earlier), abs=0.01
        )
        bank.waits_until(lambda: active(bank) == job_id)
        assert bank.up.api("/api/metrics")["job"]["job_id"] == job_id
    assert bank.ends(job_id)["state"] == "success"
    bank.waits_until(lambda: active(bank) is None)


def active(bank: RefreshedBank) -> str | None:
    job = bank.up.api("/api/metrics/active-job")["job"]
    return job["job_id"] if job else None


def test_who_asks_for_what_a_job_covers_gets_that_job(bank: RefreshedBank) -> None:
    with bank.held_up():
        running = bank.asks("both")
        bank.waits_until(lambda: bank.phase(running["job_id"]) == "computing")
        fees, payments = bank.asks("fees"), bank.asks("payments")
        again, all_of_it = bank.asks("both"), bank.asks()
        covered = bank.asks("fees", "payments")
    assert [each["coalesced"] for each in (running, fees, payments, all_of_it)] == [False] * 4
    assert [each["queue_place"] for each in (fees, payments, all_of_it)] == [1, 2, 3]
    assert (again["job_id"], again["coalesced"], again["state"]) == (
        running["job_id"],
        True,
        "running",
    )
    assert (covered["job_id"], covered["coalesced"]) == (all_of_it["job_id"], True)
    states = {bank.ends(each["job_id"])["state"] for each in (running, fees, payments, all_of_it)}
    assert states == {"success"}


def test_nobody_joins_a_run_that_was_made_and_never_queued(bank: RefreshedBank) -> None:
    with bank.held_up():
        running = bank.asks("both")["job_id"]
        bank.waits_until(lambda: bank.phase(running) == "computing")
        stranded = bank.asks("fees")["job_id"]
        bank.has_status(stranded, "NOT_STARTED")
        asked = bank.asks("fees")
        assert not asked["coalesced"]
        bank.has_status(stranded, "QUEUED")
    assert {bank.ends(each)["state"] for each in (stranded, asked["job_id"])} == {"success"}


def test_fifty_equal_requests_at_once_are_one_run(bank: RefreshedBank) -> None:
    before = len(bank.runs())
    with (
        bank.held_up(),
        httpx.Client(
            base_url=bank.api, timeout=60, limits=httpx.Limits(max_connections=50)
        ) as client,
        ThreadPoolExecutor(50) as pool,
    ):
        together = Barrier(50)

        def asks(_: int) -> dict[str, Any]:
            together.wait(60)
            answer = client.post("/api/metrics/recompute", json={"metric_ids": ["both"]})
            ticket: dict[str, Any] = answer.raise_for_status().json()
            return ticket

        tickets = list(pool.map(asks, range(50)))
    assert len({ticket["job_id"] for ticket in tickets}) == 1
    assert [ticket["coalesced"] for ticket in tickets].count(False) == 1
    assert len(bank.runs()) == before + 1
    assert bank.ends(tickets[0]["job_id"])["state"] == "success"


LAUNCH = """mutation { launchRun(executionParams: {
  selector: {repositoryLocationName: "heartbeat", repositoryName: "__repository__",
    jobName: "%s", assetSelection: [%s]}, runConfigData: {}
}) { ... on LaunchRunSuccess { run { runId } } } }"""
BACKFILL = """mutation { launchPartitionBackfill(backfillParams: {
  assetSelection: [%s], allPartitions: true
}) { __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
PAYMENT = '{path: ["bank_core", "payment"]}'
FEE = '{path: ["bank_core", "fee"]}'


def launched_in_the_ui(bank: RefreshedBank, job: str, *assets: str) -> str:
    launched = bank.up.graphql(LAUNCH % (job, ", ".join(assets)))
    run_id: str = launched["launchRun"]["run"]["runId"]
    return run_id


def test_runs_that_ingest_never_overlap_whoever_starts_them(bank: RefreshedBank) -> None:
    starts = [
        lambda: bank.asks("fees")["job_id"],
        lambda: bank.asks("payments")["job_id"],
        lambda: bank.asks()["job_id"],
        lambda: launched_in_the_ui(bank, "__ASSET_JOB", FEE),
        lambda: launched_in_the_ui(bank, "__ASSET_JOB", PAYMENT),
        lambda: launched_in_the_ui(bank, "__ASSET_JOB", FEE, PAYMENT),
        lambda: launched_in_the_ui(bank, "refresh", PAYMENT),
        lambda: launched_in_the_ui(bank, "reconcile", FEE),
        lambda: launched_in_the_ui(bank, "reconcile", PAYMENT),
        lambda: launched_in_the_ui(bank, "refresh", FEE),
    ]
    with ThreadPoolExecutor(len(starts)) as pool:
        jobs = set(pool.map(lambda start: start(), starts))
    for job_id in jobs:
        assert bank.ends(job_id)["state"] == "success"
    assert len(jobs) >= 8
    ingests = bank.rows(
        "select run_id, min(started_at), max(finished_at) from heartbeat.table_load_log"
        " where run_id = any(%s) group by 1 order by 2",
        [list(jobs)],
    )
    assert len(ingests) == len(jobs)
    assert all(before[2] <= after[1] for before, after in itertools.pairwise(ingests))


def test_a_backfill_waits_for_the_slot_as_well(bank: RefreshedBank) -> None:
    with bank.held_up():
        running = bank.asks("both")["job_id"]
        bank.waits_until(lambda: bank.phase(running) == "computing")
        answer = bank.up.graphql(BACKFILL % FEE)["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        bank.waits_until(lambda: len(bank.runs("QUEUED")) == 1)
        (waiting,) = bank.runs("QUEUED")
        assert bank.job(waiting["runId"])["queue_place"] == 1
        assert bank.landed(waiting["runId"]) == []
    assert bank.ends(waiting["runId"])["state"] == "success"
    assert bank.landed(waiting["runId"]) == [("fee", None)]


def test_a_daily_waits_for_a_long_refresh(bank: RefreshedBank) -> None:
    with bank.held_up():
        running = bank.asks("both")["job_id"]
        bank.waits_until(lambda: bank.phase(running) == "computing")
        daily = launched_in_the_ui(bank, "benchmark", '{path: ["heartbeat", "benchmarks"]}')
        time.sleep(3)  # three turns of the queue
        assert [run["runId"] for run in bank.runs("QUEUED")] == [daily]
        assert active(bank) == running
    assert bank.ends(daily)["state"] == "success"


def test_a_failed_job_names_what_failed(bank: RefreshedBank) -> None:
    with psycopg.connect(bank.source.url, autocommit=True) as source:
        source.execute("alter table core.fee rename to charge")
        try:
            job = bank.ends(bank.asks("fees")["job_id"])
        finally:
            source.execute("alter table core.charge rename to fee")
    assert job["state"] == "failed"
    assert job["tables"] == {"done": 1, "planned": 1, "failed": ["bank_core.fee"]}
    assert "did not land: bank_core.fee" in job["reason"]
    assert bank.value("fees") == 12.75
    assert bank.ends(bank.asks("fees")["job_id"])["state"] == "success"


def test_who_sees_success_reads_the_new_number_in_the_same_breath(bank: RefreshedBank) -> None:
    for fee_id in range(500, 503):
        bank.charges(fee_id, 1)
        job_id = bank.asks("fees")["job_id"]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (state := bank.job(job_id)["state"]) in ("queued", "running"):
            assert time.monotonic() < deadline, bank.logs()
        assert (state, bank.value("fees")) == ("success", bank.charged())


@pytest.mark.parametrize(
    ("wanted", "status", "words"),
    [
        ({"metric_ids": ["nonsense"]}, 404, "no metric 'nonsense'"),
        ({"metric_ids": []}, 422, "metric_ids"),
        ({"metric_ids": "some"}, 422, "metric_ids"),
        ({"metric_ids": "all", "trigger": "whim"}, 422, "trigger"),
        ({"metric_ids": "all", "when": "now"}, 422, "when"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_in_words(
    bank: RefreshedBank, wanted: dict[str, Any], status: int, words: str
) -> None:
    answer = httpx.post(f"{bank.api}/api/metrics/recompute", json=wanted, timeout=30)
    assert answer.status_code == status
    assert words in answer.json()["detail"]


def test_a_job_that_nobody_knows_is_not_there(bank: RefreshedBank) -> None:
    unknown = "00000000-0000-0000-0000-000000000000"
    answer = httpx.get(f"{bank.api}/api/metrics/recompute/{unknown}", timeout=30)
    assert (answer.status_code, answer.json()["detail"]) == (404, f"there is no job {unknown}")


def test_only_an_operator_asks(bank: RefreshedBank) -> None:
    answer = httpx.post(
        f"{bank.api}/api/metrics/recompute",
        json={"metric_ids": "all"},
        headers={"X-Forwarded-For": "203.0.113.9"},
        timeout=30,
    )
    assert answer.status_code == 403


def worker_of(bank: RefreshedBank, job_id: str) -> psutil.Process:
    lock = bank.up.home / "dagster" / "run_workers" / f"{job_id}.worker"
    return psutil.Process(int(lock.read_text().split()[0]))


def test_a_killed_worker_is_a_lost_job_and_the_queue_goes_on(bank: RefreshedBank) -> None:
    with bank.held_up():
        lost = bank.asks("both")["job_id"]
        bank.waits_until(lambda: bank.phase(lost) == "computing")
        waiting = bank.asks("fees")["job_id"]
        worker_of(bank, lost).kill()
        bank.waits_until(lambda: bank.phase(lost) == "ended", LOST_SECONDS)
    job = bank.job(lost)
    assert job["state"] == "lost"
    assert "was killed by SIGKILL" in job["reason"]
    assert bank.ends(waiting)["state"] == "success"


def test_a_wall_tells_how_far_a_refresh_is_and_swaps_all_tiles_when_it_has_ended(
    bank: RefreshedBank, browser: Browser
) -> None:
    page = browser.new_page(viewport={"width": 1920, "height": 1080})
    page.goto(bank.api)
    shown = page.locator('[data-k="FEES"] .vv, [data-k="FEES"] .v')
    before = shown.inner_text()
    bank.charges(WALL_FEE, 1000)
    with bank.held_up():
        page.keyboard.press("r")
        page.get_by_text("refreshing 4 of 5").wait_for(timeout=PATIENCE_SECONDS * 1000)
        bank.waits_until(lambda: bank.value("fees") == bank.charged())
        page.wait_for_timeout(3_000)
        assert shown.inner_text() == before
        assert page.locator("#progress").is_visible()
    page.locator("#progress").wait_for(state="hidden", timeout=PATIENCE_SECONDS * 1000)
    expect(shown).not_to_have_text(before)
    page.close()


def test_the_page_behind_a_tile_refreshes_its_metric_and_tells_how_it_goes(
    bank: RefreshedBank, browser: Browser
) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{bank.api}/m/BOTH")
    with bank.held_up():
        page.get_by_role("button", name="Refresh this metric").click()
        page.get_by_text("Refreshing: 2 of 2 tables landed, 0 of 1 computed").wait_for(
            timeout=PATIENCE_SECONDS * 1000
        )
    page.get_by_text("Refreshed at").wait_for(timeout=PATIENCE_SECONDS * 1000)
    page.close()


def test_an_audit_page_refreshes_one_cut_and_tells_how_it_goes(
    bank: RefreshedBank, browser: Browser
) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{bank.api}/audit/overview?window=7d")
    with bank.held_up():
        page.get_by_role("button", name="Refresh").click()
        page.get_by_text("Drawing: 1 of 2 windows").wait_for(timeout=PATIENCE_SECONDS * 1000)
        assert page.get_by_role("button", name="Mark verified").is_hidden()
        page.get_by_text("No owner, unverified").click()
        again = httpx.post(f"{bank.api}/api/audit/cuts/payments/refresh").json()
        assert again["coalesced"]
    page.get_by_text("Refreshed at").wait_for(timeout=PATIENCE_SECONDS * 1000)
    assert page.get_by_role("button", name="Mark verified").is_visible()
    assert page.url.endswith("#payments")
    page.close()
    assert bank.job(again["job_id"])["cuts"] == {"done": 2, "planned": 2, "failed": []}


def kill_process(name: str) -> Callable[[RefreshedBank], object]:
    """Kill one process of the stack, once it is there."""
    return lambda bank: ProcessTree(bank.up).send(name, signal.SIGKILL)


def test_a_job_outlives_daemon_code_server_and_api(bank: RefreshedBank) -> None:
    with bank.held_up():
        job_id = bank.asks("both")["job_id"]
        bank.waits_until(lambda: bank.phase(job_id) == "computing")
        waiting = bank.asks("payments")["job_id"]
        for name in ("daemon", "code-location", "api"):
            kill_process(name)(bank)
        bank.waits_until(lambda: bank.phase(job_id) == "computing")
    assert bank.ends(job_id)["state"] == "success"
    assert bank.ends(waiting)["state"] == "success"
    assert bank.ends(bank.asks_when_it_can("fees"))["state"] == "success"


def test_a_job_whose_database_was_killed_ends_and_the_next_is_green(bank: RefreshedBank) -> None:
    with suppress(psycopg.OperationalError), bank.held_up():
        job_id = bank.asks("both")["job_id"]
        bank.waits_until(lambda: bank.phase(job_id) == "computing")
        kill_process("marts")(bank)
    job = bank.ends(job_id)
    assert job["state"] in {"failed", "lost"}
    assert job["reason"]
    assert bank.ends(bank.asks_when_it_can("both"))["state"] == "success"


def test_a_worker_that_dies_while_the_daemon_is_away_is_lost_as_well(bank: RefreshedBank) -> None:
    with bank.held_up():
        job_id = bank.asks("both")["job_id"]
        bank.waits_until(lambda: bank.phase(job_id) == "computing")
        kill_process("daemon")(bank)
        worker_of(bank, job_id).kill()
        bank.waits_until(lambda: bank.phase(job_id) == "ended", LOST_SECONDS)
    job = bank.job(job_id)
    assert job["state"] == "lost"
    assert "the worker process is gone" in job["reason"]
    assert bank.ends(bank.asks("both")["job_id"])["state"] == "success"


def kill_workers(bank: RefreshedBank) -> None:
    """The workers of runs and their fork server, as far as there are any."""
    for each in bank.up.named("forkserver_launcher.server"):
        with suppress(psutil.NoSuchProcess):
            each.kill()


def kill_source(bank: RefreshedBank) -> None:
    bank.source.kill()
    time.sleep(random.uniform(0, 1))
    bank.source.start()


KILLS: dict[str, Callable[[RefreshedBank], object]] = {
    **{
        name: kill_process(name)
        for name in (CHILD, "code-location", "daemon", "webserver", "api", "marts")
    },
    "worker": kill_workers,
    "source": kill_source,
}


def test_after_kills_at_random_moments_everything_goes_on_by_itself(bank: RefreshedBank) -> None:
    seed = int(os.environ.get("HEARTBEAT_SEED", time.time_ns() % 10**6 if SOAK else 20261128))
    print(f"HEARTBEAT_SEED={seed} repeats the order and the moments")
    random.seed(seed)
    fee_id = 100
    for _ in range(ROUNDS):
        for name in random.sample(list(KILLS), len(KILLS)):
            fee_id += 1
            bank.charges(fee_id, 1)
            asks_if_it_can(bank, random.choice([(), ("fees",), ("both",)]))
            time.sleep(random.uniform(0.5, 3.0))
            print(f"killing {name}")
            KILLS[name](bank)
    bank.waits_until(lambda: nothing_is_active(bank), SETTLED_SECONDS)
    job = bank.ends(bank.asks_when_it_can())
    assert (job["state"], job["reason"]) == ("success", None)
    bank.waits_until(lambda: bank.value("fees") == bank.charged(), SERVED_SECONDS)
    assert {each["signal"] for each in bank.up.api("/api/metrics")["metrics"]} == {"ok"}
    assert partial_or_contradicting(bank) == []
    locks = bank.up.home / "dagster" / "run_workers"
    bank.waits_until(lambda: list(locks.glob("*.worker")) == [])
    bank.waits_until(lambda: len(bank.up.named("forkserver_launcher.server")) == 1)


def asks_if_it_can(bank: RefreshedBank, metric_ids: tuple[str, ...]) -> None:
    with suppress(httpx.HTTPError):
        wanted = {"metric_ids": list(metric_ids) or "all"}
        httpx.post(f"{bank.api}/api/metrics/recompute", json=wanted, timeout=5)


def nothing_is_active(bank: RefreshedBank) -> bool:
    try:
        return bank.runs(*ACTIVE) == []
    except (httpx.HTTPError, KeyError, TypeError, ValueError):
        return False


def partial_or_contradicting(bank: RefreshedBank) -> list[tuple[object, ...]]:
    """Rows of today that are not what the last compute observed, and tables left half landed."""
    return bank.rows(
        """
        select history.metric_id, history.v, observed.v
          from heartbeat.metric_history as history
          left join lateral (
                select v from heartbeat.metric_observation as observation
                 where observation.metric_id = history.metric_id
                 order by as_of desc limit 1
               ) as observed on true
         where history.d = (now() at time zone 'UTC')::date
           and (history.v is distinct from observed.v or history.error is not null)
        union all
        select table_name, row_count, null from heartbeat.table_load
         where error is not null
            or row_count <> case table_name when 'fee' then (select count(*) from bank_core.fee)
                                            else (select count(*) from bank_core.payment) end
        """
    )
