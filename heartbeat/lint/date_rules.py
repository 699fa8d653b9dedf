"""The rule on dates: a date is no moment."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from heartbeat.lint.finding import Finding, statements
from heartbeat.lint.query_scope import Scope, own_nodes, query_scopes
from heartbeat.lint.searched_columns import Origins
from heartbeat.metrics.metric import Metric
from heartbeat.project import Project
from heartbeat.syntax_tree import Node, names
from heartbeat.table_reference import TableRef

_COMPARISONS = frozenset(("=", "<>", "<", "<=", ">", ">=", "-"))
_MOMENTS = frozenset(("opens", "closes"))
"""The columns of `heartbeat.business_days()` that are moments."""
_BY_THE_BUSINESS_ZONE = frozenset(("business_day", "business_timezone"))


@dataclass(frozen=True)
class DateAsMoment:
    """The rule: a date is compared with business days, never with a moment.

    Postgres takes it for midnight UTC, which is another day west of Greenwich.
    """

    project: Project
    name = "date-as-moment"

    def findings(self, metric: Metric) -> Iterator[Finding]:
        """One for each comparison, or difference, of a column that is a date with a moment."""
        origins = Origins({table: self._dates(table) for table in metric.reads})
        for named in statements(metric):
            statement, query = query_scopes(named.sql)
            for scope in query.scopes():
                for node, column in _dates_and_moments(scope, origins):
                    problem = (
                        f"{column} is a date, which is no moment: compare it with "
                        "heartbeat.business_day(heartbeat.as_of()), or with d of business_days()"
                    )
                    line = named.line + statement.line_of(node) - 1
                    yield Finding(metric.path, line, self.name, problem)

    def _dates(self, table: TableRef) -> list[str]:
        landed = self.project.tables.get(table)
        columns = landed.table.columns if landed else ()
        return [column.landed_as for column in columns if column.is_date]


def _dates_and_moments(scope: Scope, origins: Origins) -> Iterator[tuple[Node, str]]:
    for kind, node in scope.nodes():
        if kind != "A_Expr" or not _compares(node):
            continue
        sides = [each for each in (node.get("lexpr"), node.get("rexpr")) if each]
        for side in sides:
            name, others = _column(side), [each for each in sides if each is not side]
            if name and origins.of(name, scope) and any(map(_is_moment, others)):
                yield node, name[-1]


def _compares(node: Node) -> bool:
    return node["kind"].startswith("AEXPR_BETWEEN") or names(node["name"])[-1] in _COMPARISONS


def _column(side: Any) -> list[str]:
    """The column that a side is, or that it is the earliest or latest value of."""
    # the bounds of a BETWEEN
    if isinstance(side, list):
        return []
    call = side.get("FuncCall", {})
    if names(call.get("funcname", []))[-1:] in (["min"], ["max"]) and "args" in call:
        side = call["args"][0]
    return names(side.get("ColumnRef", {}).get("fields", []))


def _is_moment(side: Any) -> bool:
    parts = list(own_nodes({"side": side}))
    called = {names(node["funcname"])[-1] for kind, node in parts if kind == "FuncCall"}
    read = {name for kind, node in parts if kind == "ColumnRef" for name in names(node["fields"])}
    return bool("as_of" in called or read & _MOMENTS) and not called & _BY_THE_BUSINESS_ZONE
