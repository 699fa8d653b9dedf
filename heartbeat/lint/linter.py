"""The linter: all rules on all files."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from psycopg.rows import dict_row

from heartbeat.lint.date_rules import DateAsMoment
from heartbeat.lint.finding import Finding, Rule
from heartbeat.lint.header_rules import MissingLines, MissingMoneyStory, MissingText
from heartbeat.lint.plan_rules import (
    LARGE_BYTES,
    CannotPlan,
    LargeNestedLoop,
    LargeTable,
    MissingIndex,
    Plans,
    SequentialScan,
)
from heartbeat.lint.statement_rules import (
    CorrelatedSubquery,
    CrossJoin,
    PresentMoment,
    SelectStar,
    UnorderedLimit,
)
from heartbeat.lint.value_rules import SlowValue, UnnamedRead, Values
from heartbeat.login import Login
from heartbeat.marts_session import reading_as_of
from heartbeat.metrics.metric import Metric
from heartbeat.postgres_session import connect
from heartbeat.project import Project
from heartbeat.settings import Settings
from heartbeat.source_drift import read_drift
from heartbeat.sql import platform_statements
from heartbeat.table_reference import TableRef

UNUSABLE = "unusable-file"
"""The rule of a file that cannot be read: its header, its code, its statements."""

FILE_RULES: tuple[Rule, ...] = (
    MissingText(),
    MissingMoneyStory(),
    MissingLines(),
    PresentMoment(),
    SelectStar(),
    CrossJoin(),
    CorrelatedSubquery(),
    UnorderedLimit(),
)
"""The rules that need nothing but a metric's file."""

_STATEMENTS = platform_statements("lint")


def lint(
    project: Project,
    settings: Settings,
    *,
    as_of: datetime,
    metric_ids: frozenset[str] | None = None,
) -> Iterator[Finding]:
    """All rules on the project's metrics, or on some; statements are planned and run on marts."""
    yield from lint_files(project, metric_ids=metric_ids)
    with reading_as_of(settings, (), as_of=as_of) as connection:
        plans, values = Plans(connection), Values(connection)
        can_plan = CannotPlan(plans)
        large_tables = read_large_tables(project, settings, LARGE_BYTES)
        rules = (
            MissingIndex(project, large_tables),
            SequentialScan(large_tables, plans),
            LargeNestedLoop(plans),
            SlowValue(values),
            UnnamedRead(values),
        )
        for metric in _chosen(project, metric_ids):
            unplanned = list(can_plan.findings(metric))
            if unplanned:
                yield from _drifted(settings, metric)
            yield from unplanned
            for rule in () if unplanned else rules:
                yield from rule.findings(metric)


def _drifted(settings: Settings, metric: Metric) -> Iterator[Finding]:
    """What the sources of a metric have lost, which may be why its statements cannot be planned."""
    with connect(settings.login_url(Login.COMPUTE)) as connection:
        drifted = read_drift(connection, metric.reads)
    for drift in drifted:
        yield Finding(metric.path, metric.value_line, "source-drift", drift.message)


def lint_files(project: Project, *, metric_ids: frozenset[str] | None = None) -> Iterator[Finding]:
    """The files that cannot be used, then the rules that need no database."""
    for problem in project.problems:
        if metric_ids is None or problem.path.stem in metric_ids:
            yield Finding(problem.path, problem.line, UNUSABLE, problem.problem)
    for metric in _chosen(project, metric_ids):
        for rule in (*FILE_RULES, DateAsMoment(project)):
            yield from rule.findings(metric)


def read_large_tables(
    project: Project, settings: Settings, limit: int
) -> Mapping[TableRef, LargeTable]:
    """The landed tables above a size in bytes."""
    schemas = sorted({table.schema for table in project.tables})
    with connect(settings.login_url(Login.COMPUTE)) as connection:
        rows = (
            connection.cursor(row_factory=dict_row)
            .execute(_STATEMENTS["large_tables"].encode(), {"schemas": schemas, "limit": limit})
            .fetchall()
        )
    found = [
        LargeTable(
            TableRef(row["schema_name"], row["table_name"]),
            row["bytes"],
            row["row_count"],
            frozenset(row["indexed"]),
        )
        for row in rows
    ]
    return {each.table: each for each in found}


def _chosen(project: Project, metric_ids: frozenset[str] | None) -> Iterator[Metric]:
    for metric in project.metrics.metrics:
        if metric_ids is None or metric.metric_id in metric_ids:
            yield metric
