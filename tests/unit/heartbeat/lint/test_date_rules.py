"""A date that is taken for a moment is reported; one that is compared with days is left alone."""

from pathlib import Path

import pytest

from heartbeat.landing.catalog import Catalog, Column, Table, write_catalog
from heartbeat.lint.linter import lint_files
from heartbeat.project import Project
from tests.unit.heartbeat.lint.test_file_rules import FIRST, HEADER, SOURCE

TYPES = {"due_on": "date", "paid_at": "timestamp with time zone", "eur": "numeric"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """One landed table with a date and a moment."""
    (tmp_path / "sources").mkdir()
    (tmp_path / "metrics").mkdir()
    (tmp_path / "sources" / "bank.yaml").write_text(SOURCE, encoding="utf-8")
    columns = tuple(
        Column(name=name, landed_as=name, source_type=type_, landed_type=type_, nullable=True)
        for name, type_ in TYPES.items()
    )
    table = Table(
        schema_name="core",
        name="bill",
        landed_as="bill",
        columns=columns,
        primary_key=(),
        write="replace",
        reason="no key",
    )
    write_catalog(tmp_path / "sources" / "bank.catalog.json", Catalog(tables=(table,)))
    return Project(tmp_path)


def findings(project: Project, statement: str) -> list[tuple[str, int]]:
    path = project.folder / "metrics" / "linted.sql"
    path.write_text(HEADER + statement, encoding="utf-8")
    return [(each.rule, each.line - FIRST + 1) for each in lint_files(project)]


@pytest.mark.parametrize(
    "where",
    [
        "where due_on < heartbeat.as_of()",
        "where b.due_on between heartbeat.as_of() - interval '7 days' and heartbeat.as_of()",
        "where due_on < heartbeat.as_of() at time zone 'UTC'",
        "where due_on < (heartbeat.as_of())::date",
        "where heartbeat.as_of() - due_on > interval '3 days'",
        "join heartbeat.business_days(7) d on b.due_on >= d.opens and b.paid_at < d.closes",
        "having heartbeat.as_of() - min(due_on) > interval '3 days'",
    ],
)
def test_a_date_that_is_compared_with_a_moment_is_reported(project: Project, where: str) -> None:
    statement = f"select count(*) from bank_core.bill b\n{where}"
    assert findings(project, statement) == [("date-as-moment", 2)]


def test_a_date_is_known_through_a_cte(project: Project) -> None:
    statement = (
        "with due as (select due_on as d from bank_core.bill)\n"
        "select count(*) from due\nwhere d < heartbeat.as_of()"
    )
    assert findings(project, statement) == [("date-as-moment", 3)]


@pytest.mark.parametrize(
    "where",
    [
        "where due_on < heartbeat.business_day(heartbeat.as_of())",
        "where due_on < (heartbeat.as_of() at time zone heartbeat.business_timezone())::date",
        "where due_on > date '2026-01-01' and paid_at < heartbeat.as_of()",
        "join heartbeat.business_days(7) d on b.due_on = d.d and b.paid_at < d.closes",
        "where heartbeat.business_day(heartbeat.as_of()) - due_on > 3",
    ],
)
def test_a_date_that_is_compared_with_days_is_left_alone(project: Project, where: str) -> None:
    assert findings(project, f"select count(*) from bank_core.bill b\n{where}") == []
