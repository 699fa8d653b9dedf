"""Rules on how Postgres runs a metric on the rows that are landed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg
from psycopg import Connection

from heartbeat.author_query import fault
from heartbeat.lint.finding import Finding, Statement, statements
from heartbeat.lint.searched_columns import searched_columns
from heartbeat.metrics.metric import Metric
from heartbeat.project import Project
from heartbeat.table_reference import TableRef

LARGE_BYTES = 200_000_000
"""Above this size of a landed table a search without an index is worth a word."""

FEW = 0.05
"""Below this share of a large table's rows reading all of it is a waste."""

LARGE_LOOP = 100_000_000
"""Pairs of rows that a nested loop may compare by estimate."""

_EXPLAIN = "explain (verbose, format json) "


@dataclass(frozen=True)
class LargeTable:
    """A landed table that is too large to be read as a whole for one number."""

    table: TableRef
    bytes: int
    rows: float
    indexed: frozenset[str]
    """The first columns of its indexes."""


@dataclass(frozen=True)
class PlanNode:
    """One node of a plan as EXPLAIN gives it."""

    fields: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Such as `Seq Scan`."""
        return str(self.fields["Node Type"])

    @property
    def rows(self) -> float:
        """How many rows one run of the node gives, by estimate."""
        return float(self.fields["Plan Rows"])

    @property
    def table(self) -> TableRef | None:
        """The table that it scans."""
        if "Relation Name" not in self.fields:
            return None
        return TableRef(self.fields["Schema"], self.fields["Relation Name"])

    @property
    def children(self) -> Sequence["PlanNode"]:
        """The nodes whose rows it takes."""
        return [PlanNode(fields) for fields in self.fields.get("Plans", ())]

    def walk(self) -> Iterator["PlanNode"]:
        """The node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class Unplanned:
    """Why there is no plan, so many lines below the first of the statement."""

    lines: int
    why: str


@dataclass(frozen=True)
class Plans:
    """The plans of statements on one connection; each statement is planned once."""

    connection: Connection[Any]

    @cached_property
    def _known(self) -> "dict[str, PlanNode | Unplanned]":
        return {}

    def of(self, statement: Statement) -> "PlanNode | Unplanned":
        """The plan, or why there is none."""
        if statement.sql not in self._known:
            self._known[statement.sql] = self._explained(statement.sql)
        return self._known[statement.sql]

    def _explained(self, sql: str) -> "PlanNode | Unplanned":
        try:
            with self.connection.transaction(force_rollback=True):
                rows = self.connection.execute(f"{_EXPLAIN}{sql}".encode()).fetchall()
        except psycopg.Error as error:
            place = int(error.diag.statement_position or 0) - len(_EXPLAIN)
            return Unplanned(sql.count("\n", 0, max(place, 0)), fault(error))
        ((document,),) = rows
        return PlanNode(document[0]["Plan"])


@dataclass(frozen=True)
class CannotPlan:
    """The rule: Postgres can plan the statements on what is landed."""

    plans: Plans
    name = "cannot-plan"

    def findings(self, metric: Metric) -> Iterator[Finding]:
        """One for each statement that names what is not there."""
        for statement in statements(metric):
            plan = self.plans.of(statement)
            if isinstance(plan, Unplanned):
                yield Finding(metric.path, statement.line + plan.lines, self.name, plan.why)


@dataclass(frozen=True)
class MissingIndex:
    """The rule: what a metric searches a large table by, begins one of its indexes."""

    project: Project
    large_tables: Mapping[TableRef, LargeTable]
    name = "missing-index"

    def findings(self, metric: Metric) -> Iterator[Finding]:
        """One for each statement and table that it searches in vain."""
        columns = {
            table: [column.landed_as for column in self.project.tables[table].table.columns]
            for table in metric.reads
            if table in self.project.tables
        }
        for statement in statements(metric):
            for table, searched in sorted(searched_columns(statement.sql, columns).items()):
                large = self.large_tables.get(table)
                if large and not searched & large.indexed:
                    problem = self._problem(large, searched)
                    yield Finding(metric.path, statement.line, self.name, problem)

    def _problem(self, large: LargeTable, searched: frozenset[str]) -> str:
        landed = self.project.tables[large.table]
        return (
            f"searches {large.table} ({large.bytes / 1_000_000:,.0f} MB) by "
            f"{', '.join(sorted(searched))}, and none of its indexes begins with one of them; "
            f"add one for {landed.table.qualified_name} under `indexes` in "
            f"{landed.source.path.name}"
        )


@dataclass(frozen=True)
class SequentialScan:
    """The rule: no large table is read as a whole for few of its rows.

    It finds what the columns do not tell: an index that is there and cannot serve the condition.
    """

    large_tables: Mapping[TableRef, LargeTable]
    plans: Plans
    name = "sequential-scan"

    def findings(self, metric: Metric) -> Iterator[Finding]:
        """One for each statement and table."""
        for statement in statements(metric):
            plan = self.plans.of(statement)
            for node in plan.walk() if isinstance(plan, PlanNode) else ():
                large = self.large_tables.get(node.table) if node.table else None
                if large is None or node.kind != "Seq Scan" or "Filter" not in node.fields:
                    continue
                if node.rows < large.rows * FEW:
                    problem = (
                        f"reads all of {large.table} ({large.bytes / 1_000_000:,.0f} MB) for about "
                        f"{node.rows:,.0f} of {large.rows:,.0f} rows, where "
                        f"{node.fields['Filter']}; compare a bare column that begins an index"
                    )
                    yield Finding(metric.path, statement.line, self.name, problem)


@dataclass(frozen=True)
class LargeNestedLoop:
    """The rule: no nested loop compares large sets row by row."""

    plans: Plans
    limit: float = LARGE_LOOP
    name = "nested-loop"

    def findings(self, metric: Metric) -> Iterator[Finding]:
        """One for each statement, with the largest loop."""
        for statement in statements(metric):
            plan = self.plans.of(statement)
            if isinstance(plan, Unplanned):
                continue
            pairs = max(map(_pairs, plan.walk()))
            if pairs > self.limit:
                problem = (
                    f"Postgres expects to compare {pairs:,.0f} pairs of rows one by one; join by "
                    "equal columns, or narrow one side before"
                )
                yield Finding(metric.path, statement.line, self.name, problem)


def _pairs(node: PlanNode) -> float:
    """Pairs of rows that a nested loop compares; a search by index is no comparison."""
    if node.kind != "Nested Loop":
        return 0.0
    outer, inner = node.children
    searched = any(each.kind.startswith(("Index", "Bitmap")) for each in inner.walk())
    return 0.0 if searched else outer.rows * inner.rows
