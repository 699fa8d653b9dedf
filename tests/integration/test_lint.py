"""The linter, on tables that have landed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from heartbeat.lint.finding import Rule
from heartbeat.lint.linter import lint, read_large_tables
from heartbeat.lint.plan_rules import (
    LargeNestedLoop,
    MissingIndex,
    Plans,
    SequentialScan,
)
from heartbeat.lint.value_rules import SlowValue, UnnamedRead, Values
from heartbeat.marts_session import reading_as_of
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
norm_value: 1
description: What it is.
how_to_read: Each one is a client whose money waits for longer than a day.
methodology: How it is counted.
--- */
-- name: value
select count(*) from bank_core.payment where state = 'x'
-- name: history
select booked_on as d, count(*) as v from bank_core.payment where id > 0 group by 1
"""
LIMIT = 1_000_000
NOW = datetime(2026, 11, 20, tzinfo=UTC)


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


@contextmanager
def reading(bank: Bank, timeout: str = "60s") -> Iterator[Plans]:
    """Plans on what is landed now."""
    limited = bank.settings.model_copy(update={"statement_timeout": timeout})
    with reading_as_of(limited, (), as_of=NOW) as connection:
        yield Plans(connection)


def told(rule: Rule, project: Project) -> list[str]:
    return [str(each) for metric in project.metrics.metrics for each in rule.findings(metric)]


def found(bank: Bank, limit: int) -> list[str]:
    project = Project(bank.settings.project)
    return told(MissingIndex(project, read_large_tables(project, bank.settings, limit)), project)


def test_a_large_table_that_is_searched_without_an_index_is_reported(
    bank: Bank, payments: Path
) -> None:
    ((size,),) = bank.landed("select pg_table_size('bank_core.payment') / 1000000.0")
    assert found(bank, LIMIT) == [
        (
            f"{payments}:15: searches bank_core.payment ({size:,.0f} MB) by state, and none of its "
            "indexes begins with one of them; add one for core.payment under `indexes` in bank.yaml"
            " [missing-index]"
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
    assert list(lint(project, bank.settings, as_of=NOW)) == []


def test_files_that_cannot_be_used_come_first(bank: Bank, payments: Path) -> None:
    payments.write_text(METRIC.replace("bank_core.payment", "bank_core.nothing"))
    found = list(lint(Project(bank.settings.project), bank.settings, as_of=NOW))
    assert [each.rule for each in found] == ["unusable-file", "cannot-plan", "cannot-plan"]
    assert "reads bank_core.nothing, which no source lands" in found[0].problem
    assert 'relation "bank_core.nothing" does not exist' in found[1].problem


def test_a_large_table_that_is_read_as_a_whole_for_few_rows_is_reported(
    bank: Bank, payments: Path
) -> None:
    bank.lands(bank.discovered("indexes:\n  core.payment: [[state]]\n"))
    covered = METRIC.partition("select")[0]
    payments.write_text(f"{covered}select count(*) from bank_core.payment where id + 0 = 7")
    project = Project(bank.settings.project)
    large = read_large_tables(project, bank.settings, LIMIT)
    with reading(bank) as plans:
        (finding,) = told(SequentialScan(large, plans), project)
        payments.write_text(f"{covered}select count(*) from bank_core.payment where id = 7")
        assert told(SequentialScan(large, plans), Project(bank.settings.project)) == []
    assert "for about 100 of 20,000 rows, where ((payment.id + 0) = 7)" in finding


def test_a_large_set_that_is_compared_row_by_row_is_reported(bank: Bank, payments: Path) -> None:
    unequal = "bank_core.payment a join bank_core.payment b on a.booked_on <> b.booked_on"
    payments.write_text(f"{METRIC.partition('select')[0]}select count(*) from {unequal}")
    with reading(bank) as plans:
        (finding,) = told(LargeNestedLoop(plans), Project(bank.settings.project))
    assert "Postgres expects to compare 400,000,000 pairs of rows one by one" in finding
    assert f"{payments}:15:" in finding


def test_a_join_on_equal_columns_is_no_nested_loop(bank: Bank, payments: Path) -> None:
    equal = "select count(*) from bank_core.payment a join bank_core.payment b on a.id = b.id"
    payments.write_text(METRIC.partition("select")[0] + equal)
    with reading(bank) as plans:
        assert told(LargeNestedLoop(plans), Project(bank.settings.project)) == []


def test_a_value_that_takes_too_long_or_is_none_is_reported(bank: Bank, payments: Path) -> None:
    project = Project(bank.settings.project)
    with reading(bank) as plans:
        (slow,) = told(SlowValue(Values(plans.connection), limit=0), project)
    assert "more than 0 s [slow-value]" in slow
    with reading(bank, timeout="1ms") as plans:
        payments.write_text(METRIC.partition("select")[0] + "select 1 from pg_sleep(1)")
        (endless,) = told(SlowValue(Values(plans.connection)), Project(bank.settings.project))
    assert "it took longer than METRIC_STATEMENT_TIMEOUT allows [no-value]" in endless


def test_a_table_that_only_a_function_names_is_reported(bank: Bank, payments: Path) -> None:
    bank.marts.execute(
        "create function bank_core.few() returns bigint language sql"
        " return (select count(*) from bank_core.small);"
        "grant usage on schema bank_core to heartbeat_reader"
    )
    payments.write_text(METRIC.partition("select")[0] + "select bank_core.few()")
    with reading(bank) as plans:
        (finding,) = told(UnnamedRead(Values(plans.connection)), Project(bank.settings.project))
    assert "slow.sql:15: reads bank_core.small, which the statement does not name" in finding


def test_what_postgres_cannot_plan_is_reported_in_its_words_at_its_line(
    bank: Bank, payments: Path
) -> None:
    wrong = "select count(*)\nfrom bank_core.payment\nwhere lower(id) = 'x'"
    payments.write_text(METRIC.partition("select")[0] + wrong)
    (finding,) = lint(Project(bank.settings.project), bank.settings, as_of=NOW)
    assert (finding.rule, finding.line) == ("cannot-plan", 17)
    assert finding.problem.startswith("function lower(integer) does not exist")
