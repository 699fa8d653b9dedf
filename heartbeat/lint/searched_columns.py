"""The columns by which a query searches tables: those that an index could serve."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope

from heartbeat.table_reference import TableRef

_DIALECT = "postgres"
_COMPARISONS = (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In, exp.Is)


def searched_columns(
    sql: str, columns: Mapping[TableRef, Sequence[str]]
) -> Mapping[TableRef, frozenset[str]]:
    """The columns that one PostgreSQL query filters or joins on, by table.

    A column counts where it stands bare on a side of a comparison; inside of an expression, as in
    `lower(name) = 'x'`, an index on it is of no use. Columns of a CTE or a subquery count as those
    of the table below. `columns` are those of each table that the query may read. A query that
    cannot be resolved, because it names other columns, searches nothing.
    """
    schema: dict[str, Any] = {}
    for table, names in columns.items():
        schema.setdefault(table.schema, {})[table.table] = dict.fromkeys(names, "text")
    try:
        query = qualify(
            sqlglot.parse_one(sql, read=_DIALECT),
            dialect=_DIALECT,
            schema=schema,
            validate_qualify_columns=False,
        )
        scopes = traverse_scope(query)
    except SqlglotError:
        return {}
    found: dict[TableRef, set[str]] = {}
    for scope in scopes:
        for column in _compared(scope):
            for table, name in _origin(column, scope):
                if name in columns.get(table, ()):
                    found.setdefault(table, set()).add(name)
    return {table: frozenset(names) for table, names in found.items()}


def _compared(scope: Scope) -> Iterator[exp.Column]:
    for condition in _conditions(scope):
        for comparison in condition.find_all(*_COMPARISONS):
            for side in (comparison.this, comparison.args.get("expression")):
                if isinstance(side, exp.Column):
                    yield side


def _conditions(scope: Scope) -> Iterator[exp.Expr]:
    for part in scope.find_all(exp.Where, exp.Join, exp.Filter):
        condition = part.args.get("on") if isinstance(part, exp.Join) else part
        if isinstance(condition, exp.Expr):
            yield condition


def _origin(column: exp.Column, scope: Scope) -> Iterator[tuple[TableRef, str]]:
    """The table column that a column stands for, through CTEs and subqueries."""
    source = _source(column.table, scope)
    if isinstance(source, exp.Table):
        yield TableRef(source.db, source.name), column.name
    elif isinstance(source, Scope):
        names = _query(source).named_selects
        position = names.index(column.name) if column.name in names else len(names)
        for inner in _queries(source):
            for selected in _query(inner).selects[position : position + 1]:
                inside = selected.unalias()
                if isinstance(inside, exp.Column):
                    yield from _origin(inside, inner)


def _query(scope: Scope) -> exp.Query:
    assert isinstance(scope.expression, exp.Query)
    return scope.expression


def _queries(scope: Scope) -> Iterator[Scope]:
    """The queries that a union is of; a query itself where it is none."""
    if not scope.set_operation_scopes:
        yield scope
    for part in scope.set_operation_scopes:
        yield from _queries(part)


def _source(name: str, scope: Scope) -> exp.Expr | Scope | None:
    current: Scope | None = scope
    while current is not None:
        if name in current.sources:
            return current.sources[name]
        current = current.parent
    return None
