"""What is landed and what is computed is always a state that some commit had."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from heartbeat.metrics.compute import Outcome
from heartbeat.settings import Settings
from tests.integration.test_compute import Computing, computing

__all__ = ["computing"]

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
    settings: Settings, writer: psycopg.Connection[Any], waiting: Callable[[], object]
) -> None:
    """Commit as soon as another session waits for the writer's lock."""
    thread = threading.Thread(target=waiting)
    blocked = "select from pg_stat_activity where %s = any (pg_blocking_pids(pid))"
    with psycopg.connect(settings.database_url, autocommit=True) as watching:
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
        commits_once_waited_for(loans.settings, writer, lambda: found.update(loans.computes()))

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
        commits_once_waited_for(loans.settings, writer, lambda: found.update(loans.computes()))

    assert found["loans"].error is None
    assert found["loans"].value == 3
