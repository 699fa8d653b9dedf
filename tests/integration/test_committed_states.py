"""What is landed and what is computed is always a state that some commit had."""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from heartbeat.landing.ledger import TableLoad
from heartbeat.metrics.compute import Outcome, compute
from heartbeat.metrics.metric_file import load_metrics
from heartbeat.metrics.registry import sync
from heartbeat.settings import Settings
from tests.integration.landed_bank import Bank
from tests.integration.test_compute import NOON, Computing, computing

__all__ = ["computing"]

SEEDS = range(20 if "HEARTBEAT_SOAK" in os.environ else 1)
REWRITES_OF_A_RUN = 60
COUNT = "-- name: value\nselect count(*) from bank.loan\n"
PAST = """
-- name: history
select d, (select count(*) from bank.loan) as v
from heartbeat.business_days() where not is_today
"""
REWRITES = {
    "truncated and filled again": "truncate bank.loan; insert into bank.loan values (1), (2), (3)",
    "rewritten by a change of type": "alter table bank.loan alter column id type text",
    "swapped for another table": (
        "create table bank.loan_new (id int); insert into bank.loan_new values (1), (2), (3);"
        "drop table bank.loan; alter table bank.loan_new rename to loan"
    ),
    "emptied of a column that comes back": (
        "alter table bank.loan drop column id; alter table bank.loan add column id int default 7;"
        "insert into bank.loan values (1)"
    ),
}


@pytest.fixture
def loans(computing: Computing) -> Computing:
    computing.marts.execute(
        "create schema bank; create table bank.loan (id int); insert into bank.loan values (1), (2)"
    )
    return computing


@contextmanager
def begun(settings: Settings, statements: str) -> Iterator[psycopg.Connection[Any]]:
    """A writer in marts that has done its work and not committed it yet."""
    with psycopg.connect(settings.database_url) as writer:
        writer.execute(statements.encode())
        yield writer


def commits_once_waited_for(
    url: str, writer: psycopg.Connection[Any], waiting: Callable[[], object]
) -> None:
    """Commit as soon as another session waits for the writer's lock."""
    thread = threading.Thread(target=waiting)
    blocked = "select from pg_stat_activity where %s = any (pg_blocking_pids(pid))"
    with psycopg.connect(url, autocommit=True) as watching:
        thread.start()
        while not watching.execute(blocked, [writer.info.backend_pid]).fetchall():
            assert thread.is_alive(), "nobody waited for the writer"
            time.sleep(0.01)
    writer.commit()
    thread.join()


@pytest.mark.parametrize("rewrite", REWRITES)
def test_a_compute_that_waits_for_a_write_reads_what_the_write_committed(
    loans: Computing, rewrite: str
) -> None:
    loans.has(loans=COUNT + PAST)
    found: dict[str, Outcome] = {}
    with begun(loans.settings, REWRITES[rewrite]) as writer:
        commits_once_waited_for(
            loans.settings.database_url, writer, lambda: found.update(loans.computes())
        )

    committed = loans.marts.execute("select count(*) from bank.loan").fetchall()[0][0]
    outcome = found["loans"]
    assert outcome.error is None
    assert outcome.value == committed
    assert {v for _, v in outcome.history or ()} == {committed}


def test_a_table_behind_a_function_is_held_as_well(loans: Computing) -> None:
    loans.marts.execute(
        "create function bank.loans() returns bigint language plpgsql security definer stable"
        " as 'begin return (select count(*) from bank.loan); end'"
    )
    loans.has(loans="-- name: value\nselect bank.loans()\n" + PAST)
    found: dict[str, Outcome] = {}
    with begun(loans.settings, REWRITES["truncated and filled again"]) as writer:
        commits_once_waited_for(
            loans.settings.database_url, writer, lambda: found.update(loans.computes())
        )

    assert found["loans"].error is None
    assert found["loans"].value == 3


def test_a_compute_that_waits_too_long_names_the_session_in_its_way(
    loans: Computing,
) -> None:
    loans.has(loans=COUNT)
    loans.computes()
    with begun(loans.settings, "truncate bank.loan") as writer:
        pid = writer.info.backend_pid
        outcome = compute(
            load_metrics(loans.settings.project / "metrics").metrics[0],
            loans.settings.model_copy(update={"lock_timeout": "100ms"}),
            as_of=NOON,
        )

    assert outcome.value is None
    assert "waited too long for a lock on bank.loan, which is held by process" in str(outcome.error)
    assert f"process {pid} (" in str(outcome.error)


SOURCE_REWRITES = {
    "truncated and filled again": "truncate core.loan; insert into core.loan values (4), (5), (6)",
    "rewritten by a change of type": (
        "insert into core.loan values (3); alter table core.loan alter column id type bigint"
    ),
    "swapped for another table": (
        "create table core.loan_new (id int primary key);"
        "insert into core.loan_new values (4), (5), (6);"
        "alter table core.loan rename to loan_old; alter table core.loan_new rename to loan;"
        "drop table core.loan_old"
    ),
}


@pytest.mark.parametrize("options", ["", "tables:\n  core.loan: {write: reconcile}\n"])
@pytest.mark.parametrize("rewrite", SOURCE_REWRITES)
def test_a_table_of_the_source_that_is_rewritten_under_the_snapshot_lands_as_it_was_committed(
    bank: Bank, options: str, rewrite: str
) -> None:
    bank.has("create table core.loan (id int primary key); insert into core.loan values (1), (2)")
    bank.has("create table core.fee (id int primary key); insert into core.fee values (1)")
    source = bank.discovered(options)
    bank.lands(source)
    found: dict[str, TableLoad] = {}
    with psycopg.connect(str(bank.source.info.dsn)) as writer:
        writer.execute("insert into core.fee values (2)")
        writer.execute(SOURCE_REWRITES[rewrite].encode())
        commits_once_waited_for(
            str(bank.source.info.dsn), writer, lambda: found.update(bank.lands(source))
        )

    assert {name: (load.error, load.row_count) for name, load in found.items()} == {
        "fee": (None, 2),
        "loan": (None, 3),
    }
    assert (
        bank.landed("select id from bank_core.loan order by id")
        == bank.source.execute("select id from core.loan order by id").fetchall()
    )


def test_a_first_load_in_ranges_is_of_one_table_throughout(bank: Bank) -> None:
    bank.has("create table core.loan (id int primary key)")
    bank.has("insert into core.loan select generate_series(1, 10); analyze core.loan")
    source = bank.discovered("first_load_rows: 4\ntables:\n  core.loan: {write: reconcile}\n")
    found: dict[str, TableLoad] = {}
    with psycopg.connect(str(bank.source.info.dsn)) as writer:
        writer.execute("truncate core.loan")
        writer.execute("insert into core.loan select generate_series(21, 27)")
        commits_once_waited_for(
            str(bank.source.info.dsn), writer, lambda: found.update(bank.lands(source))
        )

    assert (found["loan"].error, found["loan"].row_count) == (None, 7)
    assert bank.landed("select min(id), max(id) from bank_core.loan") == [(21, 27)]


class Rewriter:
    """Gives a table ever other numbers of rows, in all ways that replace its file."""

    def __init__(self, url: str, table: str, rng: random.Random) -> None:
        self.url = url
        self.table = table
        self.rng = rng
        self.rows = 1
        self.committed = {1}

    def rewrites(self, times: int) -> None:
        with psycopg.connect(self.url) as writer:
            for _ in range(times):
                # no number of rows comes twice, and part of a refill is not any of them
                self.rows += self.rng.randrange(100, 200)
                writer.execute(self.rng.choice(self._ways()).encode())
                self.committed.add(self.rows)
                writer.commit()

    def _ways(self) -> list[str]:
        table, filled = self.table, f"select generate_series(1, {self.rows})"
        schema, _, name = table.partition(".")
        return [
            f"truncate {table}; insert into {table} {filled}",
            f"delete from {table}; insert into {table} {filled}",
            (
                f"delete from {table}; insert into {table} {filled};"
                f"alter table {table} alter column id type bigint using id + 0"
            ),
            (
                f"create table {schema}.new_{name} (id bigint primary key);"
                f"insert into {schema}.new_{name} {filled}; drop table {table};"
                f"alter table {schema}.new_{name} rename to {name}"
            ),
        ]


@pytest.mark.parametrize("seed", SEEDS)
def test_no_observation_is_a_count_that_was_never_committed(
    bank: Bank, seed: int, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    bank.has("create table core.loan (id bigint primary key); insert into core.loan values (1)")
    bank.marts.execute("create schema if not exists ours")
    bank.marts.execute("create table ours.loan as select 1::bigint as id")
    bank.marts.execute("alter default privileges grant usage on schemas to heartbeat_reader")
    bank.marts.execute("grant usage on schema ours to heartbeat_reader")
    bank.marts.execute("alter default privileges in schema ours grant select on tables to public")
    bank.marts.execute("grant select on ours.loan to public")
    source = bank.discovered()
    bank.lands(source)
    (bank.settings.project / "metrics").mkdir(exist_ok=True)
    computing = Computing(bank.settings, bank.marts)
    computing.has(
        landed=COUNT.replace("bank.loan", "bank_core.loan") + PAST.replace("bank.", "bank_core."),
        ours=COUNT.replace("bank.loan", "ours.loan") + PAST.replace("bank.", "ours."),
    )
    loaded = load_metrics(bank.settings.project / "metrics")
    sync(bank.marts, loaded)
    writers = {
        "landed": Rewriter(str(bank.source.info.dsn), "core.loan", rng),
        "ours": Rewriter(bank.settings.database_url, "ours.loan", rng),
    }
    found: list[Outcome] = []
    loads: list[TableLoad] = []
    with ThreadPoolExecutor() as pool:
        writing = [pool.submit(each.rewrites, REWRITES_OF_A_RUN) for each in writers.values()]
        while not all(each.done() for each in writing):
            landing = pool.submit(bank.lands, source)
            while not landing.done():
                found += [compute(each, bank.settings, as_of=NOON) for each in loaded.metrics]
            loads += landing.result().values()
        for each in writing:
            each.result()
    bank.marts.execute("drop schema ours cascade")

    committed = {name: each.committed for name, each in writers.items()}
    values = [(each.metric_id, each.value, each.history or ()) for each in found if not each.error]
    assert len(values) > REWRITES_OF_A_RUN / 4
    for metric_id, value, history in values:
        assert value in committed[metric_id]
        assert {v for _, v in history} == {value}
    assert {load.row_count for load in loads if not load.error} <= committed["landed"]
    assert [each.error for each in found if each.error] == []
