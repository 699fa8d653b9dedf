"""The tables that a SQL query reads, from its syntax tree."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from heartbeat.syntax_tree import Node, Statement, StatementError, names, parse, walk

_WRITES = frozenset(("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "intoClause"))
_READS_UNNAMED = frozenset(
    (
        *("query_to_xml", "query_to_xmlschema", "query_to_xml_and_xmlschema"),
        *("table_to_xml", "table_to_xmlschema", "table_to_xml_and_xmlschema"),
        *("schema_to_xml", "schema_to_xmlschema", "schema_to_xml_and_xmlschema"),
        *("database_to_xml", "database_to_xmlschema", "database_to_xml_and_xmlschema"),
        *("cursor_to_xml", "cursor_to_xmlschema", "ts_stat", "dblink"),
    )
)


@dataclass(frozen=True, order=True)
class TableRef:
    """A table by schema and name, folded to lower case where the query did not quote them."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


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
    statement = query_of(sql)
    return tuple(sorted({_reference(table, statement) for table in _tables(statement.fields)}))


def query_of(sql: str) -> Statement:
    """The one query of the text; raises what `table_references` raises, but for its tables."""
    statements = parse(sql)
    if not statements:
        raise StatementError(1, "there is no statement")
    if len(statements) > 1:
        raise StatementError(statements[1].line, "only one statement is allowed")
    query = statements[0]
    if query.kind != "SelectStmt" or "valuesLists" in query.fields:
        raise StatementError(query.line, "only a SELECT is allowed")
    for kind, node in walk({query.kind: query.fields}):
        if problem := _problem(kind, node):
            raise StatementError(query.line_of(node), problem)
    return query


def _problem(kind: str, node: Node) -> str | None:
    """Why a query must not have such a part."""
    if kind in _WRITES:
        return "a query must not write"
    if kind == "LockingClause":
        return "a query must not lock rows"
    function = names(node["funcname"])[-1] if kind == "FuncCall" else None
    if function == "set_config":
        return "a query must not change its session"
    if function in _READS_UNNAMED:
        return f"{function} reads tables that the query does not name"
    return None


def _tables(query: Node) -> Iterator[Node]:
    """Tables that are no CTE in scope. A CTE sees those before it, under RECURSIVE all of them."""
    pending: list[tuple[Any, frozenset[str]]] = [(query, frozenset())]
    while pending:
        node, visible = pending.pop()
        if isinstance(node, list):
            pending.extend((each, visible) for each in node)
        elif isinstance(node, dict):
            if "withClause" in node:
                with_ = node["withClause"]
                ctes = [each["CommonTableExpr"] for each in with_["ctes"]]
                known = [cte["ctename"] for cte in ctes]
                for position, cte in enumerate(ctes):
                    seen = known if with_.get("recursive") else known[:position]
                    pending.append((cte["ctequery"], visible.union(seen)))
                visible = visible.union(known)
            table = node.get("RangeVar")
            if table and ("schemaname" in table or table["relname"] not in visible):
                yield table
            pending.extend((child, visible) for key, child in node.items() if key != "withClause")


def _reference(table: Node, statement: Statement) -> TableRef:
    if "catalogname" in table:
        problem = f"table '{table['relname']}' is named with a database; write schema.table"
        raise StatementError(statement.line_of(table), problem)
    if "schemaname" not in table:
        raise UnqualifiedTableError(statement.line_of(table), table["relname"])
    return TableRef(table["schemaname"], table["relname"])
