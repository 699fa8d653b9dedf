"""The tables that a SQL query reads, from its syntax tree."""

from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import ParseError, TokenError

from heartbeat.errors import HeartbeatError

_DIALECT = "postgres"
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
_QUERIES = (exp.Select, exp.SetOperation, exp.Subquery)
_WRITES = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Into)


@dataclass(frozen=True, order=True)
class TableRef:
    """A table by schema and name, folded to lower case where the query did not quote them."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


class StatementError(HeartbeatError):
    """SQL that is not one query. `line` counts from 1 in the statement's own text."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line = line
        self.problem = problem


class UnqualifiedTableError(StatementError):
    """A table without its schema: what it names would depend on the search path."""

    def __init__(self, line: int, table: str) -> None:
        super().__init__(line, f"table '{table}' needs its schema, as in some_schema.{table}")
        self.table = table


def table_references(sql: str) -> tuple[TableRef, ...]:
    """The tables that one PostgreSQL query reads, sorted, each once.

    Names of CTEs (each only where it is in scope), aliases and functions are not tables. Raises
    `StatementError` when the text is not exactly one SELECT, WITH .. SELECT or set operation that
    writes nothing, and `UnqualifiedTableError` for a table that is neither a CTE nor qualified.
    Lines end in a newline character.
    """
    try:
        query = _parse(sql)
        tables = {_reference(table) for table in _tables(query)}
    except RecursionError:
        raise StatementError(1, "the statement is nested too deeply") from None
    return tuple(sorted(tables))


def _parse(sql: str) -> exp.Expr:
    statements = [s for s in _syntax_trees(sql) if s is not None and type(s) is not exp.Semicolon]
    if not statements:
        raise StatementError(1, "there is no statement")
    if len(statements) > 1:
        raise StatementError(_statement_lines(sql)[1], "only one statement is allowed")
    query = statements[0]
    if not isinstance(query, _QUERIES):
        raise StatementError(_statement_lines(sql)[0], "only a SELECT is allowed")
    write = query.find(*_WRITES)
    if write is not None:
        raise StatementError(_line(write), "a query must not write")
    for call in query.find_all(exp.Anonymous):
        if call.name.lower() == "set_config":
            raise StatementError(_line(call), "a query must not change its session")
    return query


def _syntax_trees(sql: str) -> list[exp.Expr | None]:
    try:
        return list(sqlglot.parse(sql, read=_DIALECT))
    except ParseError as error:
        first = error.errors[0]
        problem = f"SQL syntax: {first['description']}"
        raise StatementError(first["line"] or 1, problem) from None
    except TokenError as error:
        line = sql.count("\n", 0, error.end or 0) + 1
        raise StatementError(line, "SQL syntax: a quote or comment is not closed") from None


def _tables(query: exp.Expr) -> Iterator[exp.Table]:
    """Tables that are no CTE in scope. A CTE sees those before it, under RECURSIVE all of them."""
    pending: list[tuple[exp.Expr, frozenset[str]]] = [(query, frozenset())]
    while pending:
        node, visible = pending.pop()
        if isinstance(node, exp.Table) and _is_real(node, visible):
            yield node
        with_ = node.args.get("with_")
        if isinstance(with_, exp.With):
            names = [_folded(cte.args["alias"].this) for cte in with_.expressions]
            for position, cte in enumerate(with_.expressions):
                seen = names if with_.recursive else names[:position]
                pending.append((cte, visible.union(seen)))
            visible = visible.union(names)
        pending.extend((child, visible) for child in node.iter_expressions() if child is not with_)


def _is_real(table: exp.Table, visible: frozenset[str]) -> bool:
    if not isinstance(table.this, exp.Identifier):
        return False
    return bool(table.db) or _folded(table.this) not in visible


def _reference(table: exp.Table) -> TableRef:
    schema = table.args.get("db")
    if not isinstance(schema, exp.Identifier):
        raise UnqualifiedTableError(_line(table), table.name)
    return TableRef(_folded(schema), _folded(table.this))


def _folded(identifier: exp.Expr) -> str:
    # as Postgres does, which lets the letters of other scripts be
    quoted = identifier.args.get("quoted")
    return identifier.name if quoted else identifier.name.translate(_LOWER)


def _line(node: exp.Expr) -> int:
    """Positions are kept for identifiers only: the line of the first one inside the node."""
    return next((part.meta["line"] for part in node.walk() if "line" in part.meta), 1)


def _statement_lines(sql: str) -> list[int]:
    """The line on which each statement begins."""
    tokens = sqlglot.tokenize(sql, read=_DIALECT)
    ends = [token.token_type is TokenType.SEMICOLON for token in tokens]
    after_end = [True, *ends]
    return [
        token.line
        for token, is_end, is_first in zip(tokens, ends, after_end, strict=False)
        if is_first and not is_end
    ]
