"""Rules on the SQL of a metric, from its syntax alone."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from heartbeat.lint.finding import Finding, statements
from heartbeat.lint.query_scope import Item, Place, Query, Scope, is_star, own_nodes, query_scopes
from heartbeat.metrics.metric import Metric
from heartbeat.syntax_tree import Node, names, walk

_Problem = tuple[Node, str]
"""The part of the tree that is meant, and what is wrong with it."""

_AGGREGATES = frozenset(
    (
        *("count", "sum", "avg", "min", "max", "any_value", "mode", "every"),
        *("bool_and", "bool_or", "bit_and", "bit_or", "bit_xor"),
        *("percentile_cont", "percentile_disc", "corr", "covar_pop", "covar_samp"),
        *("stddev", "stddev_pop", "stddev_samp", "variance", "var_pop", "var_samp"),
        *("array_agg", "string_agg", "json_agg", "jsonb_agg", "json_object_agg"),
        *("jsonb_object_agg", "xmlagg", "range_agg", "range_intersect_agg"),
        *("regr_avgx", "regr_avgy", "regr_count", "regr_intercept", "regr_r2", "regr_slope"),
        *("regr_sxx", "regr_sxy", "regr_syy"),
    )
)
_JSON_AGGREGATES = frozenset(("JsonObjectAgg", "JsonArrayAgg"))


class _StatementRule(ABC):
    """A rule that looks at one statement after the other."""

    name: str

    def findings(self, metric: Metric) -> Iterator[Finding]:
        """What is wrong with the statements of the metric."""
        for named in statements(metric):
            statement, query = query_scopes(named.sql)
            for node, problem in self._problems(query):
                line = named.line + statement.line_of(node) - 1
                yield Finding(metric.path, line, self.name, problem)

    @abstractmethod
    def _problems(self, query: Query) -> Iterator[_Problem]:
        """What is wrong with the query, and where."""


class PresentMoment(_StatementRule):
    """A metric asks `heartbeat.as_of()` for the moment, so that any past one can be computed."""

    name = "present-moment"
    _WORDS = ("current_date", "current_timestamp", "current_time", "localtimestamp", "localtime")
    _FUNCTIONS = frozenset(
        (
            *("now", "timeofday"),
            *("clock_timestamp", "statement_timestamp", "transaction_timestamp"),
        )
    )
    _TEXTS = frozenset(("now", "today", "tomorrow", "yesterday"))

    def _problems(self, query: Query) -> Iterator[_Problem]:
        for kind, node in walk({"SelectStmt": query.fields}):
            if word := self._word(kind, node):
                yield node, f"{word} is not the moment of the compute; use heartbeat.as_of()"

    def _word(self, kind: str, node: Node) -> str | None:
        if kind == "SQLValueFunction":
            function = node["op"].removeprefix("SVFOP_").lower()
            return next((word for word in self._WORDS if function.startswith(word)), None)
        if kind == "FuncCall":
            function = names(node["funcname"])[-1]
            return function if function in self._FUNCTIONS else None
        if kind == "TypeCast":
            text = node["arg"].get("A_Const", {}).get("sval", {}).get("sval", "")
            return f"'{text}'" if text.strip().lower() in self._TEXTS else None
        return None


class SelectStar(_StatementRule):
    """A metric names the columns of a table: with * it changes meaning when a source does."""

    name = "select-star"

    def _problems(self, query: Query) -> Iterator[_Problem]:
        for scope in query.scopes():
            for target in scope.targets:
                for item in self._starred(target, scope):
                    if item.table is not None:
                        yield target, "select * from a table: name the columns"
                        break

    def _starred(self, target: Node, scope: Scope) -> list[Item]:
        """What a star stands for; the columns of a CTE are named in the CTE."""
        if not is_star(target):
            return []
        qualified = names(target["val"]["ColumnRef"]["fields"])
        return [item for item in scope.items if not qualified or item.name == qualified[-1]]


class CrossJoin(_StatementRule):
    """A join says what belongs together; only one row, or a function's few, may join everything."""

    name = "cross-join"

    def _problems(self, query: Query) -> Iterator[_Problem]:
        for scope in query.scopes():
            found: list[_Problem] = []
            self._joined(scope.fields.get("fromClause", []), scope, found)
            yield from found

    def _joined(self, parts: list[Node], scope: Scope, found: list[_Problem]) -> bool:
        """Whether all parts together are few rows; what is wrong with their joins is added."""
        few_so_far = True
        for place, part in enumerate(parts):
            few = self._is_few(part, scope, found)
            if place and not few and not few_so_far:
                found.append(self._problem(part, scope))
            few_so_far = few_so_far and few
        return few_so_far

    def _is_few(self, part: Node, scope: Scope, found: list[_Problem]) -> bool:
        ((kind, node),) = part.items()
        if kind == "RangeTableSample":
            return self._is_few(node["relation"], scope, found)
        if kind == "JoinExpr":
            if self._is_unconditional(node):
                return self._joined([node["larg"], node["rarg"]], scope, found)
            sides = [self._is_few(node[side], scope, found) for side in ("larg", "rarg")]
            return all(sides)
        item = next(each for each in scope.items if each.node is node)
        if item.query is not None:
            return item.is_lateral or _gives_few_rows(item.query.fields)
        return item.table is None

    def _is_unconditional(self, join: Node) -> bool:
        condition = join.get("quals", {"A_Const": {"boolval": {"boolval": True}}})
        always = condition.get("A_Const", {}).get("boolval", {}).get("boolval", False)
        return bool(always) and not join.get("usingClause") and not join.get("isNatural")

    def _problem(self, part: Node, scope: Scope) -> _Problem:
        nodes = [node for _, node in own_nodes(part)]
        named = next(item for item in scope.items if any(item.node is each for each in nodes))
        return part, f"{named.name} is joined with every row: write join ... on"


class CorrelatedSubquery(_StatementRule):
    """A subquery is computed once: one that names the outer row runs again for each of them.

    EXISTS is planned as a join, and LATERAL says openly what it does; both are left alone.
    """

    name = "correlated-subquery"
    _RUNS = "the subquery runs once for every row of"

    def _problems(self, query: Query) -> Iterator[_Problem]:
        told: set[Scope] = set()
        for scope in query.scopes():
            for kind, node in scope.nodes():
                if kind != "ColumnRef" or len(name := names(node["fields"])) < 2:
                    continue
                owner = scope.owner(name[-2])
                for crossed in self._crossed(scope, owner[0]) if owner else ():
                    if crossed.place is Place.EXPRESSION and crossed not in told:
                        told.add(crossed)
                        yield node, f"{self._RUNS} {name[-2]}: write it as a join"

    def _crossed(self, scope: Scope, owner: Scope) -> Iterator[Scope]:
        """The scopes between a name and the one that gives it."""
        current: Scope | None = scope
        while current is not None and current is not owner:
            yield current
            current = current.around


class UnorderedLimit(_StatementRule):
    """Which rows a limit leaves is said by an order; without one it is the server's mood."""

    name = "unordered-limit"

    def _problems(self, query: Query) -> Iterator[_Problem]:
        for _, fields in walk({"SelectStmt": query.fields}):
            if "limitOption" not in fields or "sortClause" in fields:
                continue
            if self._limits(fields) and not _gives_few_rows(fields):
                yield fields, "limit without order by: any rows may be left"
            # a plain distinct is a list with an empty node
            if any(fields.get("distinctClause", ())):
                yield fields, "distinct on without order by: any row may be left"

    def _limits(self, fields: Node) -> bool:
        count = fields.get("limitCount", {})
        return bool(count) and not count.get("A_Const", {}).get("isnull")


def _gives_few_rows(select: Node) -> bool:
    """Whether it is one row by its form, or a list of values."""
    if select["op"] != "SETOP_NONE" or "groupClause" in select:
        return False
    if "fromClause" not in select:
        return True
    targets = select.get("targetList", [])
    return bool(targets) and all(map(_has_aggregate, targets))


def _has_aggregate(target: Node) -> bool:
    for kind, node in own_nodes(target):
        if kind in _JSON_AGGREGATES:
            return True
        aggregates = kind == "FuncCall" and names(node["funcname"])[-1] in _AGGREGATES
        if aggregates and "over" not in node:
            return True
    return False
