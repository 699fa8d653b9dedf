"""The linter, on tables that have landed."""

from pathlib import Path

import pytest

from heartbeat.lint import MissingIndex, lint, read_large_tables
from heartbeat.project import Project
from heartbeat.table_reference import TableRef
from tests.integration.landed_bank import Bank

METRIC = """\
/* ---
code: SLOW
name: Slow
short_name: Slow
period: snapshot
unit: count
direction: lower_is_better
kind: threshold
--- */
-- name: value
select count(*) from bank_core.payment where state = 'x'
-- name: history
select booked_on as d, count(*) as v from bank_core.payment where id > 0 group by 1
"""
LIMIT = 1_000_000


@pytest.fixture
def payments(bank: Bank) -> Path:
    """A landed table of some megabytes, and a metric that searches it."""
    bank.has(
        "create table core.payment (id int primary key, state text, booked_on date);"
        "insert into core.payment select i, repeat('x', 100), '2026-01-01'"
        " from generate_series(1, 20000) i;"
        "create table core.small (id int, state text)"
    )
    bank.lands(bank.discovered())
    (bank.settings.project / "metrics").mkdir()
    path = bank.settings.project / "metrics" / "slow.sql"
    path.write_text(METRIC)
    return path


def found(bank: Bank, limit: int) -> list[str]:
    project = Project(bank.settings.project)
    rule = MissingIndex(project, read_large_tables(project, bank.settings, limit))
    return [str(each) for each in rule.findings()]


def test_a_large_table_that_is_searched_without_an_index_is_reported(
    bank: Bank, payments: Path
) -> None:
    ((size,),) = bank.landed("select pg_table_size('bank_core.payment') / 1000000.0")
    assert found(bank, LIMIT) == [
        (
            f"{payments}:11: searches bank_core.payment ({size:,.0f} MB) by state, and none of its "
            "indexes begins with one of them; add one for core.payment under `indexes` in bank.yaml"
        )
    ]


def test_a_declared_index_ends_the_report(bank: Bank, payments: Path) -> None:
    bank.lands(bank.discovered("indexes:\n  core.payment: [[state, booked_on]]\n"))
    assert found(bank, LIMIT) == []


def test_an_index_that_only_contains_the_column_does_not(bank: Bank, payments: Path) -> None:
    bank.lands(bank.discovered("indexes:\n  core.payment: [[booked_on, state]]\n"))
    assert len(found(bank, LIMIT)) == 1


def test_smaller_tables_are_not_reported(bank: Bank, payments: Path) -> None:
    project = Project(bank.settings.project)
    large = read_large_tables(project, bank.settings, LIMIT)
    assert set(large) == {TableRef("bank_core", "payment")}
    assert list(lint(project, bank.settings)) == []


def test_files_that_cannot_be_used_come_first(bank: Bank, payments: Path) -> None:
    payments.write_text(METRIC.replace("bank_core.payment", "bank_core.nothing"))
    (finding,) = {str(each) for each in lint(Project(bank.settings.project), bank.settings)}
    assert "reads bank_core.nothing, which no source lands" in finding
