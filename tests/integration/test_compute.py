"""Computing metrics: what is stored, and that one metric's fault is its own."""

import threading
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from heartbeat.audit.audit_cut import PLATFORM_TABLES
from heartbeat.metrics.compute import Outcome, compute, compute_and_store
from heartbeat.metrics.metric_file import load_metrics
from heartbeat.metrics.metric_query import explain
from heartbeat.metrics.platform_metrics import load_platform_metrics
from heartbeat.metrics.registry import sync
from heartbeat.settings import Settings

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HEADER = """\
/* ---
code: {code}
name: {metric_id}
short_name: {metric_id}
period: snapshot
unit: count
direction: lower_is_better
kind: threshold
norm_value: 5
alert_value: 10
--- */
"""
GOOD = "-- name: value\nselect 7"
HEADER_LINES = HEADER.count("\n")


class Computing:
    """A project's metrics on a fresh marts database."""

    def __init__(self, settings: Settings, marts: psycopg.Connection[Any]) -> None:
        self.settings = settings
        self.marts = marts

    def has(self, **statements: str) -> None:
        for number, (metric_id, text) in enumerate(statements.items()):
            header = HEADER.format(code=f"M{number:03}", metric_id=metric_id)
            path = self.settings.project / "metrics" / f"{metric_id}.sql"
            path.write_text(header + text, encoding="utf-8")

    def computes(
        self, as_of: datetime = NOON, run_id: str = "run-1", *, all_days: bool = False
    ) -> dict[str, Outcome]:
        loaded = load_metrics(self.settings.project / "metrics")
        assert loaded.problems == ()
        sync(self.marts, loaded)
        outcomes = compute_and_store(
            loaded.metrics, self.settings, as_of=as_of, run_id=run_id, all_days=all_days
        )
        return {outcome.metric_id: outcome for outcome in outcomes}

    def history(self, metric_id: str) -> list[dict[str, Any]]:
        query = "select * from heartbeat.metric_history where metric_id = %s order by d"
        return self.marts.cursor(row_factory=dict_row).execute(query, [metric_id]).fetchall()

    def observations(self, metric_id: str) -> list[dict[str, Any]]:
        query = "select * from heartbeat.metric_observation where metric_id = %s order by id"
        return self.marts.cursor(row_factory=dict_row).execute(query, [metric_id]).fetchall()


@pytest.fixture
def computing(settings: Settings, marts: psycopg.Connection[Any]) -> Computing:
    """What a test makes in marts counts as landed: the readers' role may read it."""
    marts.execute("alter default privileges grant usage on schemas to heartbeat_reader")
    marts.execute("alter default privileges grant select on tables to heartbeat_reader")
    return Computing(settings, marts)


FAULTS = {
    "missing table": (
        "select count(*)\nfrom bank.nowhere",
        'relation "bank.nowhere" does not exist; no landed table has this name: mend it, or land',
    ),
    "missing column": ("select\n    nothing\nfrom bank.there h", 'column "nothing" does not exist'),
    "another schema": (
        "select count(*) from heartbeat.metric_history",
        "permission denied for table metric_history; a query can read landed tables and client",
    ),
    "division": ("select 1 / (select 0)", "division by zero; say what it is when there is"),
    "null": ("select null::numeric", "returned NULL"),
    "no row": ("select 1 where false", "returned no row"),
    "two rows": ("select 1 union all select 2", "returned 2 rows"),
    "two columns": ("select 1, 2", "returned 2 columns"),
    "not a number": ("select 'NaN'::float8", "not a finite number"),
    "infinity": ("select 'Infinity'::float8", "not a finite number"),
    "text": ("select 'seven'", "returned str, not a number"),
    "boolean": ("select true", "returned bool, not a number"),
}
LINES = {"missing table": 3, "missing column": 3}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_its_place_and_touches_no_other_metric(
    computing: Computing, fault: str
) -> None:
    statement, words = FAULTS[fault]
    computing.marts.execute("create schema bank; create table bank.there (n int)")
    computing.has(bad=f"-- name: value\n{statement}", good=GOOD)

    outcomes = computing.computes()

    error = outcomes["bad"].error or ""
    assert error.startswith(f"bad.sql:{HEADER_LINES + LINES.get(fault, 2)}: ")
    assert words in error
    assert "\n" not in error
    assert outcomes["good"].value == 7
    (row,) = computing.history("bad")
    assert (row["v"], row["status"], row["error"]) == (None, None, error)
    (observation,) = computing.observations("bad")
    assert (observation["v"], observation["error"]) == (None, error)


def test_a_statement_that_takes_too_long_is_stopped(
    computing: Computing, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METRIC_STATEMENT_TIMEOUT", "1s")
    computing.settings = Settings.load()
    computing.has(slow="-- name: value\nselect 1 from pg_sleep(60)", good=GOOD)
    outcomes = computing.computes()
    assert "it took longer than METRIC_STATEMENT_TIMEOUT allows" in (outcomes["slow"].error or "")
    assert outcomes["good"].value == 7


def test_a_lost_connection_is_one_metrics_error(computing: Computing, marts_url: str) -> None:
    computing.has(lost="-- name: value\nselect 1 from pg_sleep(60)", good=GOOD)
    killer = threading.Thread(target=end_sleeping_sessions, args=[marts_url])
    killer.start()
    outcomes = computing.computes()
    killer.join()
    assert "terminating connection" in (outcomes["lost"].error or "")
    assert "the next run computes it again" in (outcomes["lost"].error or "")
    assert outcomes["good"].value == 7


def end_sleeping_sessions(url: str) -> None:
    """Ends the first session that sleeps."""
    ending = (
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and wait_event = 'PgSleep'"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        while not connection.execute(ending.encode()).fetchall():
            time.sleep(0.01)


def test_a_metric_cannot_write_even_through_a_function_with_the_right_to(
    computing: Computing,
) -> None:
    computing.marts.execute(
        "create schema bank; create table bank.hit (n int);"
        "create function bank.hit() returns int language sql volatile security definer"
        " as 'insert into bank.hit values (1) returning n'"
    )
    computing.has(writer="-- name: value\nselect bank.hit()")
    assert "read-only transaction" in (computing.computes()["writer"].error or "")
    assert computing.marts.execute("select count(*) from bank.hit").fetchone() == (0,)


def test_the_role_of_authors_reads_landed_tables_segments_and_the_state_of_the_platform_only(
    computing: Computing,
) -> None:
    """Of every table of the database, those that a landing has not opened are refused."""
    computing.marts.execute("create schema bank; create table bank.open (n int)")
    with computing.marts.transaction(force_rollback=True):
        computing.marts.execute("set local role heartbeat_reader")
        readable = computing.marts.execute(
            "select n.nspname || '.' || c.relname from pg_class c"
            " join pg_namespace n on n.oid = c.relnamespace"
            " where c.relkind in ('r', 'v', 'm', 'p') and n.nspname !~ '^(pg_|information_schema)'"
            " and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')"
        ).fetchall()
    views = {table for metric in load_platform_metrics() for table in metric.reads}
    own = [(str(table),) for table in sorted(PLATFORM_TABLES | views)]
    assert sorted(readable) == [("bank.open",), *own]


def test_a_compute_that_is_repeated_changes_nothing(computing: Computing) -> None:
    computing.has(good=GOOD, bad="-- name: value\nselect 1 / (select 0)")
    computing.computes()
    before = [*computing.history("good"), *computing.history("bad")]
    observed = [*computing.observations("good"), *computing.observations("bad")]
    computing.computes()
    times = {"computed_at": None}
    assert [row | times for row in [*computing.history("good"), *computing.history("bad")]] == [
        row | times for row in before
    ]
    assert [*computing.observations("good"), *computing.observations("bad")] == observed


def test_an_older_compute_that_ends_later_never_overwrites_a_newer_one(
    computing: Computing,
) -> None:
    computing.has(
        one="-- name: value\nselect extract(hour from heartbeat.as_of() at time zone 'UTC')\n"
        "-- name: history\nselect date '2026-11-19', "
        "extract(hour from heartbeat.as_of() at time zone 'UTC')"
    )
    computing.computes(NOON, run_id="newer")
    computing.marts.execute("delete from heartbeat.metric_backfill")
    computing.computes(NOON - timedelta(hours=1), run_id="older")
    assert [(row["v"], row["run_id"]) for row in computing.history("one")] == [
        (12, "newer"),
        (12, "newer"),
    ]
    assert len(computing.observations("one")) == 2


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ("update heartbeat.metric_observation set v = 0", "never changed or deleted"),
        ("delete from heartbeat.metric_observation", "not deleted before it is 90 days old"),
        ("truncate heartbeat.metric_observation", "never changed or deleted"),
    ],
)
def test_an_observation_never_changes(computing: Computing, change: str, refusal: str) -> None:
    computing.has(good=GOOD)
    computing.computes()
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=refusal):
        computing.marts.execute(change.encode())


def test_a_failed_compute_keeps_the_last_good_value_and_a_good_one_clears_the_error(
    computing: Computing,
) -> None:
    computing.marts.execute("create schema bank; create table bank.n (n int)")
    computing.marts.execute("insert into bank.n values (12)")
    computing.has(one="-- name: value\nselect sum(n) from bank.n")
    computing.computes()
    good = computing.history("one")[0]
    computing.marts.execute("truncate bank.n")

    computing.computes(NOON + timedelta(hours=1), run_id="run-2")

    (row,) = computing.history("one")
    assert "returned NULL" in row["error"]
    kept = ("v", "status", "computed_at", "source_as_of")
    assert {name: row[name] for name in kept} == {name: good[name] for name in kept}
    assert (row["v"], row["status"]) == (12, "red")

    computing.marts.execute("insert into bank.n values (3)")
    computing.computes(NOON + timedelta(hours=2), run_id="run-3")
    (row,) = computing.history("one")
    assert (row["v"], row["status"], row["error"], row["run_id"]) == (3, "green", None, "run-3")
    assert [(each["v"], each["status"]) for each in computing.observations("one")] == [
        (12, "red"),
        (None, None),
        (3, "green"),
    ]


@pytest.mark.parametrize(
    ("expression", "stored"),
    [
        ("123456789012345678.000000000000000001", "123456789012345678.000000000000000001"),
        ("0.1::float8", "0.1"),
        ("1e300::float8", "1E+300"),
        ("-7::bigint", "-7"),
        ("0.10", "0.10"),
    ],
    ids=["numeric", "float", "huge float", "integer", "trailing zero"],
)
def test_the_digits_of_a_value_are_kept(computing: Computing, expression: str, stored: str) -> None:
    computing.has(one=f"-- name: value\nselect {expression}")
    computing.computes()
    assert computing.history("one")[0]["v"] == Decimal(stored)


HISTORY = """
-- name: value
select max(n) from bank.daily where d <= heartbeat.business_day(heartbeat.as_of())
-- name: history
select d, n::numeric as v from bank.daily
"""


def test_history_fills_the_past_and_today_is_the_value(computing: Computing) -> None:
    computing.marts.execute(
        "create schema bank; create table bank.daily (d date, n int);"
        "insert into bank.daily values"
        " ('2026-11-18', 12), ('2026-11-19', 6), ('2026-11-20', 1), ('2026-11-17', null)"
    )
    computing.has(one=HISTORY)
    computing.computes()
    assert [(row["d"].day, row["v"], row["status"]) for row in computing.history("one")] == [
        (18, 12, "red"),
        (19, 6, "amber"),
        (20, 12, "red"),
    ]


DAILY = (
    "create schema bank; create table bank.daily (d date, n int);"
    "insert into bank.daily values ('2026-11-18', 12), ('2026-11-19', 6)"
)
TOMORROW = NOON + timedelta(days=1)


def test_a_past_day_that_late_data_changes_is_rewritten_and_marked(computing: Computing) -> None:
    computing.marts.execute(DAILY)
    computing.has(one=HISTORY)
    computing.computes(run_id="run-1")
    computing.marts.execute("update bank.daily set n = 3 where d = '2026-11-19'")
    computing.computes(TOMORROW, run_id="run-2")
    rows = computing.history("one")
    assert [(row["d"].day, row["v"], row["closing_v"], row["run_id"]) for row in rows] == [
        (18, 12, 12, "run-1"),
        (19, 3, 6, "run-2"),
        (20, 12, None, "run-1"),
        (21, 12, None, "run-2"),
    ]
    assert [row["restated_at"] is not None for row in rows] == [False, True, False, False]
    assert [each["v"] for each in computing.observations("one")] == [12, 12]


def test_the_first_look_at_a_day_that_has_ended_is_no_restatement(computing: Computing) -> None:
    computing.marts.execute(DAILY)
    computing.has(one=HISTORY)
    computing.computes()
    computing.marts.execute("insert into bank.daily values ('2026-11-20', 9)")
    computing.computes(TOMORROW)
    row = computing.history("one")[2]
    assert (row["d"].day, row["v"], row["closing_v"], row["restated_at"]) == (20, 9, 9, None)


def backfill_runs(computing: Computing) -> str:
    ((run,),) = computing.marts.execute("select run_id from heartbeat.metric_backfill").fetchall()
    return str(run)


def test_past_days_are_computed_once_a_business_day(
    computing: Computing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARTBEAT_TIMEZONE", "Europe/Vilnius")
    computing.settings = Settings.load()
    computing.marts.execute(DAILY.replace("-11-", "-10-"))
    computing.has(one=HISTORY)
    seen = []
    for moment in (
        "2026-10-24T21:30:00+00:00",
        "2026-10-25T21:30:00+00:00",
        "2026-10-25T22:00:00+00:00",
        "2026-10-26T21:59:00+00:00",
    ):
        outcome = computing.computes(datetime.fromisoformat(moment), run_id=moment)["one"]
        seen.append((outcome.history is not None, backfill_runs(computing) == moment))
    assert seen == [(True, True), (False, False), (True, True), (False, False)]


def test_past_days_are_computed_anew_when_the_definition_changes(computing: Computing) -> None:
    computing.marts.execute(DAILY)
    computing.has(one=HISTORY)
    computing.computes(run_id="run-1")
    computing.has(one=HISTORY.replace("n::numeric", "n::numeric -- what else"))
    computing.computes(run_id="run-2")
    assert backfill_runs(computing) == "run-1"
    computing.has(one=HISTORY.replace("n::numeric", "n * 2.0"))
    computing.computes(run_id="run-3")
    assert backfill_runs(computing) == "run-3"
    assert [(row["v"], row["closing_v"]) for row in computing.history("one")][:2] == [
        (24, 12),
        (12, 6),
    ]


def test_all_past_days_are_computed_when_asked_for(computing: Computing) -> None:
    computing.marts.execute(DAILY)
    computing.has(one=HISTORY)
    computing.computes()
    outcomes = computing.computes(NOON + timedelta(hours=1), all_days=True)
    assert outcomes["one"].history is not None


def test_a_faulty_history_leaves_the_value_good(computing: Computing) -> None:
    computing.has(one="-- name: value\nselect 7\n-- name: history\nselect 1 / (select 0)")
    outcome = computing.computes()["one"]
    assert outcome.value == 7
    assert outcome.history is None
    (row,) = computing.history("one")
    assert (row["v"], row["status"]) == (7, "amber")
    assert "division by zero" in row["error"]
    assert computing.marts.execute("select * from heartbeat.metric_backfill").fetchall() == []


@pytest.mark.parametrize(
    ("history", "words"),
    [
        ("select 1", "two columns: a date d and a number v"),
        ("select now(), 1", "two columns: a date d and a number v"),
        ("select date '2026-01-01', 'x'", "day 2026-01-01, returned str"),
        ("select date '2026-01-01', n from generate_series(1, 2) n", "returned a day twice"),
        (
            "select * from (values (date '2026-01-01', 1), (null, 2)) as x (d, v)",
            "two columns: a date d and a number v",
        ),
        ("select date 'infinity', 1", "infinity"),
    ],
    ids=[
        "one column",
        "a moment for a day",
        "text for a number",
        "a day twice",
        "no day",
        "an endless day",
    ],
)
def test_a_faulty_history_is_told_with_its_line(
    computing: Computing, history: str, words: str
) -> None:
    computing.has(one=f"-- name: value\nselect 7\n-- name: history\n{history}")
    error = computing.computes()["one"].error or ""
    assert error.startswith(f"one.sql:{HEADER_LINES + 4}: ")
    assert words in error


@pytest.mark.parametrize(
    ("zone", "as_of", "day"),
    [
        ("UTC", "2026-11-20T23:30:00+00:00", "2026-11-20"),
        ("Europe/Vilnius", "2026-11-20T23:30:00+00:00", "2026-11-21"),
        ("America/New_York", "2026-11-20T03:30:00+00:00", "2026-11-19"),
        ("Europe/Vilnius", "2026-03-28T21:59:59+00:00", "2026-03-28"),
        ("Europe/Vilnius", "2026-03-28T22:00:00+00:00", "2026-03-29"),
        ("Europe/Vilnius", "2026-03-29T20:59:59+00:00", "2026-03-29"),
        ("Europe/Vilnius", "2026-03-29T21:00:00+00:00", "2026-03-30"),
        ("Europe/Vilnius", "2026-10-25T21:59:59+00:00", "2026-10-25"),
        ("Europe/Vilnius", "2026-10-25T22:00:00+00:00", "2026-10-26"),
    ],
    ids=[
        "UTC",
        "east",
        "west",
        "before the short day",
        "short day begins",
        "short day ends an hour early",
        "after the short day",
        "long day ends",
        "after the long day",
    ],
)
def test_the_business_day_is_cut_by_the_business_time_zone(
    computing: Computing, monkeypatch: pytest.MonkeyPatch, zone: str, as_of: str, day: str
) -> None:
    monkeypatch.setenv("HEARTBEAT_TIMEZONE", zone)
    computing.settings = Settings.load()
    computing.has(
        one="-- name: value\nselect 1\n"
        "-- name: history\nselect d, 2.0 from heartbeat.business_days(2)"
    )
    computing.computes(datetime.fromisoformat(as_of))
    today = date.fromisoformat(day)
    assert [(row["d"], row["v"]) for row in computing.history("one")] == [
        (today - timedelta(days=1), 2),
        (today, 1),
    ]


def test_all_metrics_of_a_run_speak_of_one_moment(computing: Computing) -> None:
    epoch = "-- name: value\nselect extract(epoch from heartbeat.as_of())"
    computing.has(**{f"m{number}": epoch for number in range(9)})
    outcomes = computing.computes()
    assert {outcome.value for outcome in outcomes.values()} == {Decimal(int(NOON.timestamp()))}


def test_source_as_of_is_the_oldest_poll_and_none_when_a_table_never_landed(
    computing: Computing,
) -> None:
    computing.marts.execute(
        "create schema bank; create table bank.a (n int); create table bank.b (n int);"
        "create table bank.c (n int);"
        "insert into heartbeat.table_load (schema_name, table_name, polled_at, write_mode, run_id)"
        " values ('bank', 'a', '2026-11-20 10:00+00', 'replace', 'r'),"
        " ('bank', 'b', '2026-11-20 08:00+00', 'replace', 'r')"
    )
    computing.has(
        both="-- name: value\nselect count(*) from bank.a, bank.b",
        one="-- name: value\nselect count(*) from bank.a",
        other="-- name: value\nselect count(*) from bank.a, bank.c",
    )
    computing.computes()
    polls = {name: computing.history(name)[0]["source_as_of"] for name in ("both", "one", "other")}
    assert polls == {
        "both": datetime(2026, 11, 20, 8, tzinfo=UTC),
        "one": datetime(2026, 11, 20, 10, tzinfo=UTC),
        "other": None,
    }


@pytest.mark.parametrize("read", ["bank_core.big", "bank_core.seen"])
def test_a_part_of_a_first_load_is_no_value_even_where_the_reader_is_let_in(
    computing: Computing, read: str
) -> None:
    computing.marts.execute(
        "create schema bank_core; create table bank_core.big as select generate_series(1, 10) as n;"
        "create view bank_core.seen as select * from bank_core.big;"
        "insert into heartbeat.table_load"
        " (schema_name, table_name, write_mode, run_id, resume_after)"
        " values ('bank_core', 'big', 'merge', 'r', '{10}')"
    )
    computing.has(rows=f"-- name: value\nselect count(*) from {read}", good=GOOD)

    outcomes = computing.computes()

    told = "bank_core.big: its first load is under way (or broke off)"
    assert (outcomes["rows"].value, outcomes["rows"].error) == (None, told)
    (metric,) = (
        each
        for each in load_metrics(computing.settings.project / "metrics").metrics
        if each.metric_id == "rows"
    )
    assert explain(computing.settings, metric, as_of=NOON) == told
    assert outcomes["good"].value == 7
    computing.marts.execute("update heartbeat.table_load set polled_at = now()")
    assert computing.computes()["rows"].value == 10


def test_a_compute_as_of_a_past_moment_stores_nothing(computing: Computing) -> None:
    computing.has(one="-- name: value\nselect extract(year from heartbeat.as_of())")
    (metric,) = load_metrics(computing.settings.project / "metrics").metrics
    outcome = compute(metric, computing.settings, as_of=datetime(1999, 6, 1, tzinfo=UTC))
    assert outcome.value == 1999
    assert computing.history("one") == []
    assert computing.observations("one") == []
