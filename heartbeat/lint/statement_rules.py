"""Rules on the SQL of a metric, from its syntax alone."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.optimizer.scope import Scope, traverse_scope

from heartbeat.lint.finding import Finding, Statement, statements
from heartbeat.metrics.metric import Metric

_DIALECT = "postgres"


class _StatementRule(ABC):
    """A rule that looks at one statement after the other."""

    name: str

    def findings(self, metric: Metric) -> Iterator[Finding]:
        """What is wrong with the statements of the metric."""
        for statement in statements(metric):
            for offset, problem in self._problems(statement):
                yield Finding(metric.path, statement.line + offset - 1, self.name, problem)

    @abstractmethod
    def _problems(self, statement: Statement) -> Iterator[tuple[int, str]]:
        """The line in the statement, counted from 1, and the problem."""


class PresentMoment(_StatementRule):
    """A metric asks `heartbeat.as_of()` for the moment, so that any past one can be computed."""

    name = "present-moment"
    _WORDS = frozenset(
        ("current_date", "current_time", "current_timestamp", "localtime", "localtimestamp")
    )
    _FUNCTIONS = frozenset(
        (
            *("now", "timeofday"),
            *("clock_timestamp", "statement_timestamp", "transaction_timestamp"),
        )
    )

    def _problems(self, statement: Statement) -> Iterator[tuple[int, str]]:
        tokens = sqlglot.tokenize(statement.sql, read=_DIALECT)
        for token, following in zip(tokens, [*tokens[1:], None], strict=True):
            word = token.text.lower()
            if _is_text(token) or not self._asks(word, following):
                continue
            yield token.line, f"{word} is not the moment of the compute; use heartbeat.as_of()"

    def _asks(self, word: str, following: Token | None) -> bool:
        called = following is not None and following.token_type is TokenType.L_PAREN
        return word in self._WORDS or (word in self._FUNCTIONS and called)


class SelectStar(_StatementRule):
    """A metric names the columns of a table: with * it changes meaning when a source does."""

    name = "select-star"

    def _problems(self, statement: Statement) -> Iterator[tuple[int, str]]:
        for scope in _scopes(statement):
            for selected in _selects(scope):
                star = selected if isinstance(selected, exp.Star) else selected.find(exp.Star)
                if star is not None and _is_star(selected) and self._of_table(selected, scope):
                    yield _line(star), "select * from a table: name the columns"

    def _of_table(self, selected: exp.Expr, scope: Scope) -> bool:
        """Whether the star stands for a table's columns; those of a CTE are named in the CTE."""
        names = [selected.table] if isinstance(selected, exp.Column) else list(scope.sources)
        chosen = {name: scope.sources.get(name) for name in names if name in scope.selected_sources}
        return any(
            isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier)
            for source in chosen.values()
        )


class CrossJoin(_StatementRule):
    """A join says what belongs together; only one row, or a function's few, may join everything."""

    name = "cross-join"

    def _problems(self, statement: Statement) -> Iterator[tuple[int, str]]:
        for scope in _scopes(statement):
            first = scope.expression.args.get("from_")
            small_so_far = first is not None and self._is_small(first.this, scope)
            for join in scope.expression.args.get("joins") or ():
                small = self._is_small(join.this, scope)
                if self._unconditional(join) and not small and not small_so_far:
                    name = join.this.alias_or_name
                    yield _line(join), f"{name} is joined with every row: write join ... on"
                small_so_far = small_so_far and small

    def _unconditional(self, join: exp.Join) -> bool:
        condition = join.args.get("on")
        always = isinstance(condition, exp.Boolean) and bool(condition.this)
        return (condition is None or always) and not join.args.get("using") and not join.method

    def _is_small(self, joined: exp.Expr, scope: Scope) -> bool:
        if isinstance(joined, exp.Lateral | exp.Unnest | exp.Values):
            return True
        if isinstance(joined, exp.Table) and not isinstance(joined.this, exp.Identifier):
            return True
        source = scope.sources.get(joined.alias_or_name)
        return isinstance(source, Scope) and _gives_one_row(source.expression)


class CorrelatedSubquery(_StatementRule):
    """A subquery is computed once: one that names the outer row runs again for each of them.

    EXISTS is planned as a join, and LATERAL says openly what it does; both are left alone.
    """

    name = "correlated-subquery"

    def _problems(self, statement: Statement) -> Iterator[tuple[int, str]]:
        for scope in _scopes(statement):
            around = scope.expression.parent
            if isinstance(around, exp.Subquery):
                around = around.parent
            if not scope.is_subquery or isinstance(around, exp.Exists | exp.Lateral):
                continue
            outer = {
                column.table: column
                for column in scope.external_columns
                if column.table and column.table not in scope.selected_sources
            }
            if outer:
                name, column = next(iter(outer.items()))
                yield (
                    _line(column),
                    f"the subquery runs once for every row of {name}: write it as a join",
                )


class UnorderedLimit(_StatementRule):
    """Which rows a limit leaves is said by an order; without one it is the server's mood."""

    name = "unordered-limit"

    def _problems(self, statement: Statement) -> Iterator[tuple[int, str]]:
        for query in _tree(statement).find_all(exp.Select, exp.SetOperation):
            if query.args.get("order") is not None:
                continue
            if query.args.get("limit") is not None and not _gives_one_row(query):
                yield _line(query), "limit without order by: any rows may be left"
            distinct = query.args.get("distinct")
            if isinstance(distinct, exp.Distinct) and distinct.args.get("on") is not None:
                yield _line(query), "distinct on without order by: any row may be left"


def _tree(statement: Statement) -> exp.Expr:
    return sqlglot.parse_one(statement.sql, read=_DIALECT)


def _scopes(statement: Statement) -> list[Scope]:
    return list(traverse_scope(_tree(statement)))


def _selects(scope: Scope) -> list[exp.Expr]:
    expression = scope.expression
    return list(expression.selects) if isinstance(expression, exp.Select) else []


def _is_star(selected: exp.Expr) -> bool:
    return isinstance(selected, exp.Star) or (
        isinstance(selected, exp.Column) and isinstance(selected.this, exp.Star)
    )


def _gives_one_row(query: exp.Expr | None) -> bool:
    if not isinstance(query, exp.Select):
        return False
    if query.args.get("group") is not None:
        return False
    aggregated = all(selected.find(exp.AggFunc) is not None for selected in query.selects)
    return aggregated or query.args.get("from_") is None


def _is_text(token: Token) -> bool:
    return token.token_type is TokenType.IDENTIFIER or token.token_type.name.endswith("STRING")


def _line(node: exp.Expr) -> int:
    """Positions are kept for names only: the line of the first one inside the node."""
    return next((part.meta["line"] for part in node.walk() if "line" in part.meta), 1)
