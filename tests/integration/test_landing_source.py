"""What a landing does to its source, and what it does when the source fails it."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest

from heartbeat.landing import source_reading
from heartbeat.landing.landing_run import LandingRun
from heartbeat.landing.ledger import TableLoad
from heartbeat.landing.selection import select_tables
from tests.integration.landed_bank import VARIABLE, Bank, Notes

PAYMENT = """
create type core.watched as enum ('watched');
create table core.payment (id int primary key, state text, w core.watched default 'watched');
insert into core.payment values (1, 'new'), (2, 'new');
create table core.fee (id int primary key, eur numeric);
insert into core.fee values (1, 5);
"""
# a cast that a load makes is a place in the source that runs while a table is read
WATCHED = """
create function core.watch(core.watched) returns text language plpgsql as $watch$
begin
    if not ({condition}) then raise exception 'the session broke a rule'; end if;
    return 'watched';
end $watch$;
create cast (core.watched as text) with function core.watch(core.watched);
grant select on all tables in schema core to bank_reader;
"""


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param("current_setting('transaction_read_only') = 'on'", id="it is read-only"),
        pytest.param("current_setting('application_name') = 'heartbeat'", id="it has a name"),
        pytest.param("current_setting('statement_timeout') = '7s'", id="statements time out"),
        pytest.param("current_setting('lock_timeout') = '30s'", id="waits for locks time out"),
        pytest.param(
            "current_setting('idle_in_transaction_session_timeout') = '15min'",
            id="an idle transaction times out",
        ),
        pytest.param(
            "1 = (select count(*) from pg_stat_activity"
            " where datname = current_database() and application_name = 'heartbeat')",
            id="it is the only one",
        ),
    ],
)
def test_the_session_in_the_source_keeps_to_the_rules(
    bank: Bank, reader: str, condition: str
) -> None:
    bank.has(PAYMENT + WATCHED.format(condition=condition))
    loads = bank.lands(bank.discovered("statement_timeout: 7 seconds\n"))
    assert loads["payment"].row_count == 2


def test_a_statement_that_takes_too_long_fails_its_table_alone(bank: Bank, reader: str) -> None:
    bank.has(PAYMENT + WATCHED.format(condition="pg_sleep(5) is not null"))
    loads = bank.lands(bank.discovered("statement_timeout: 1 second\n"))
    assert str(loads["payment"].error).startswith("canceling statement due to statement timeout")
    assert loads["fee"].row_count == 1


def test_all_schemas_of_a_source_are_read_before_any_is_written(bank: Bank) -> None:
    bank.has(PAYMENT)
    bank.has(
        "create schema dict; create table dict.rate (id int primary key);"
        "insert into dict.rate values (1)"
    )

    class Changing(Notes):
        def landed(self, load: TableLoad) -> None:
            bank.has("insert into dict.rate values (2) on conflict do nothing")

    try:
        source = bank.discovered(schemas="core, dict")
        parts = select_tables([source], source=None, schema=None, tables=None)
        with LandingRun(bank.settings, "run-1", parts, Changing()) as run:
            loads = [load for part in parts for load in run.land(part)]
        assert len({load.polled_at for load in loads}) == 1
        assert bank.landed("select id from bank_dict.rate") == [(1,)]
    finally:
        bank.has("drop schema dict cascade")
        bank.marts.execute("drop schema bank_dict cascade")


@contextmanager
def terminating(bank: Bank) -> Iterator[list[int]]:
    """Ends the first session of the landing that reads; gives the ends it has made."""
    ended: list[int] = []
    stop = threading.Event()

    def end() -> None:
        with psycopg.connect(bank.source.info.dsn, autocommit=True, password="x") as server:
            while not (stop.is_set() or ended):
                rows = server.execute(
                    "select pid, pg_terminate_backend(pid) from pg_stat_activity"
                    " where application_name = 'heartbeat' and datname = current_database()"
                    " and query like 'copy%'"
                ).fetchall()
                ended.extend(pid for pid, _ in rows)
                time.sleep(0.01)

    thread = threading.Thread(target=end)
    thread.start()
    try:
        yield ended
    finally:
        stop.set()
        thread.join()


def test_a_lost_connection_is_made_again_and_all_tables_are_read_again(
    bank: Bank, reader: str
) -> None:
    bank.has(PAYMENT + WATCHED.format(condition="pg_sleep(0.5) is not null"))
    source = bank.discovered()

    with terminating(bank) as ended:
        loads = bank.lands(source)

    assert len(ended) == 1
    assert {load.error for load in loads.values()} == {None}
    (message,) = bank.observer.messages
    # whether the server's farewell or only the closed connection arrives is a race
    assert message.startswith("bank: lost the snapshot, trying again: ")
    assert re.search("terminating connection|server closed the connection", message)
    assert len({load.polled_at for load in loads.values()}) == 1


# as a standby does, whose replay the read stands in the way of
CANCELLED = """
create function core.cancelled() returns boolean language plpgsql as $$
begin
    if exists (select from core.replay) then
        raise exception 'canceling statement due to conflict with recovery'
            using errcode = 'serialization_failure';
    end if;
    return true;
end $$;
create table core.replay (id int primary key);
insert into core.replay values (1);
grant select on core.replay to bank_reader;
"""


def test_a_read_that_a_standby_cancelled_is_tried_again(bank: Bank, reader: str) -> None:
    bank.has(PAYMENT + CANCELLED + WATCHED.format(condition="core.cancelled()"))
    source = bank.discovered("skip_tables: [core.replay]\n")

    class Replayed(Notes):
        def noted(self, message: str) -> None:
            super().noted(message)
            bank.has("delete from core.replay")

    loads = bank.watched_by(Replayed()).lands(source)

    assert {name: load.error for name, load in loads.items()} == {"payment": None, "fee": None}


def test_a_table_that_a_standby_always_cancels_fails_alone(
    bank: Bank, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_reading, "_ATTEMPTS", 2)
    bank.has(PAYMENT + CANCELLED + WATCHED.format(condition="core.cancelled()"))

    loads = bank.lands(bank.discovered("skip_tables: [core.replay]\n"))

    assert loads["fee"].error is None
    assert str(loads["payment"].error).startswith(
        "canceling statement due to conflict with recovery"
    )
    assert len(bank.observer.messages) == 1


def test_a_source_that_stays_away_fails_every_table_and_the_rows_stay(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank.has(PAYMENT)
    source = bank.discovered()
    bank.lands(source)
    monkeypatch.setenv(VARIABLE, "postgresql://reader:hunter2@127.0.0.1:1/bank")

    loads = bank.lands(source)

    for load in loads.values():
        assert str(load.error).startswith("source bank: cannot connect with SOURCE_BANK_URL")
        assert "hunter2" not in str(load.error)
    assert bank.landed("select count(*) from bank_core.payment") == [(2,)]
    assert bank.ledger("payment")["polled_at"] is not None
    log = bank.landed("select error from heartbeat.table_load_log where error is not null")
    assert len(log) == 2


def test_the_ledger_tells_rows_bytes_and_seconds_of_each_load(bank: Bank) -> None:
    bank.has(PAYMENT)
    bank.lands(bank.discovered())
    ledger = bank.ledger("payment")
    assert (ledger["rows_sent"], ledger["row_count"], ledger["write_mode"]) == (2, 2, "replace")
    assert ledger["bytes_sent"] > 0
    assert ledger["seconds"] > 0
    assert bank.landed(
        "select rows_sent, bytes_sent, seconds > 0, write_mode, error, polled_at is not null"
        " from heartbeat.table_load_log where table_name = 'payment'"
    ) == [(2, ledger["bytes_sent"], True, "replace", None, True)]


def test_a_first_load_that_failed_is_not_called_whole_when_the_snapshot_is_lost_after_it(
    bank: Bank, reader: str
) -> None:
    bank.has(PAYMENT + CANCELLED)
    bank.has(
        "create table core.note (id int primary key, t text);"
        "insert into core.note select i, 'text' from generate_series(1, 50) i; analyze core.note;"
        + WATCHED.format(condition="core.cancelled()")
        + "delete from core.replay"
    )
    source = bank.discovered(
        "first_load_rows: 10\nskip_tables: [core.replay]\n"
        "tables:\n  core.note: {write: reconcile}\n"
    )
    bank.lands(source)
    bank.marts.execute("truncate bank_core.note")
    bank.marts.execute("alter table bank_core.note add constraint obstacle check (id <> 35)")
    bank.marts.execute("delete from heartbeat.table_load where table_name = 'note'")
    bank.has("insert into core.replay values (1)")

    class Replayed(Notes):
        def noted(self, message: str) -> None:
            super().noted(message)
            if "lost the snapshot" in message:
                bank.has("delete from core.replay")

    observer = Replayed()
    loads = bank.watched_by(observer).lands(source)

    assert "lost the snapshot" in observer.messages[-1]
    assert "obstacle" in str(loads["note"].error)
    assert loads["payment"].error is None
    assert bank.ledger("note")["polled_at"] is None
    bank.marts.execute("alter table bank_core.note drop constraint obstacle")
    assert bank.lands(source)["note"].row_count == 50


def test_a_copy_that_stopped_is_as_old_as_what_it_has_replayed(bank: Bank) -> None:
    bank.has(PAYMENT)
    source = bank.discovered("replayed_until: select '2026-03-04 05:06:07+00'::timestamptz\n")
    loads = bank.lands(source)
    assert {load.polled_at for load in loads.values()} == {
        datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    }
    assert bank.ledger("payment")["polled_at"] == datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("select pg_last_xact_replay_timestamp()", id="a primary has replayed nothing"),
        pytest.param("select now() + interval '1 day'", id="a clock that is ahead"),
    ],
)
def test_a_copy_that_is_up_to_date_is_as_young_as_its_poll(bank: Bank, query: str) -> None:
    bank.has(PAYMENT)
    source = bank.discovered(f"replayed_until: {query}\n")
    before = datetime.now(UTC)
    loads = bank.lands(source)
    for load in loads.values():
        assert load.polled_at is not None
        assert before < load.polled_at < datetime.now(UTC)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("select moment from nowhere", 'relation "nowhere" does not exist'),
        ("select 'soon'", "invalid input syntax for type timestamp with time zone"),
        ("values (now()), (now())", "more than one row returned"),
        ("delete from core.payment", "syntax error"),
    ],
)
def test_a_query_for_the_age_of_a_copy_that_fails_is_named(
    bank: Bank, query: str, reason: str
) -> None:
    bank.has(PAYMENT)
    source = bank.discovered()
    broken = replace(source, file=source.file.model_copy(update={"replayed_until": query}))
    (error,) = {load.error for load in bank.lands(broken).values()}
    assert error is not None
    assert error.startswith("source bank: replayed_until: ")
    assert reason in error
    assert error.endswith("it must be one query for one timestamptz")
