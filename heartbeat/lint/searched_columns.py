"""The columns by which a query searches tables: those that an index could serve."""

from collections.abc import Iterator, Mapping, Sequence

from heartbeat.lint.query_scope import Item, Query, Scope, is_star, own_nodes, query_scopes
from heartbeat.syntax_tree import Node, StatementError, names
from heartbeat.table_reference import TableRef

Columns = Mapping[TableRef, Sequence[str]]
Name = Sequence[str]
"""The parts of a column's name: its own, after that of its table where it has one."""
Origin = tuple[TableRef, str]

_OPERATORS = frozenset(("=", "<", "<=", ">", ">="))
_COMPARISONS = frozenset(
    ("AEXPR_OP", "AEXPR_IN", "AEXPR_OP_ANY", "AEXPR_BETWEEN", "AEXPR_BETWEEN_SYM")
)


def searched_columns(sql: str, columns: Columns) -> Mapping[TableRef, frozenset[str]]:
    """The columns that one PostgreSQL query filters or joins on, by table.

    A column counts where it stands bare on a side of a comparison; inside of an expression, as in
    `lower(name) = 'x'`, an index on it is of no use. Columns of a CTE or a subquery count as those
    of the table below. `columns` are those of each table that the query may read. What is no query,
    and a name that is none of the columns, searches nothing.
    """
    try:
        _, query = query_scopes(sql)
    except StatementError:
        return {}
    origins = Origins(columns)
    found: dict[TableRef, set[str]] = {}
    for scope in query.scopes():
        for name in _compared(scope):
            for table, column in origins.of(name, scope):
                found.setdefault(table, set()).add(column)
    return {table: frozenset(each) for table, each in found.items()}


def _compared(scope: Scope) -> Iterator[Name]:
    for condition in _conditions(scope):
        for kind, node in own_nodes({"condition": condition}):
            for side in _sides(kind, node):
                if name := names(side.get("ColumnRef", {}).get("fields", [])):
                    yield name
    for kind, node in scope.nodes():
        if kind == "JoinExpr":
            yield from ([name] for name in names(node.get("usingClause", [])))


def _conditions(scope: Scope) -> Iterator[Node]:
    if "whereClause" in scope.fields:
        yield scope.fields["whereClause"]
    for kind, node in scope.nodes():
        condition = {"JoinExpr": "quals", "FuncCall": "agg_filter"}.get(kind)
        if condition in node:
            yield node[condition]


def _sides(kind: str, node: Node) -> list[Node]:
    """What a comparison compares; none of any other node."""
    if kind == "A_Expr" and node["kind"] in _COMPARISONS:
        is_between = node["kind"].startswith("AEXPR_BETWEEN")
        if is_between or names(node["name"])[-1] in _OPERATORS:
            sides = (node.get("lexpr"), node.get("rexpr"))
            return [side for side in sides if isinstance(side, dict)]
    if kind == "NullTest":
        return [node["arg"]]
    return [node["testexpr"]] if kind == "SubLink" and "testexpr" in node else []


class Origins:
    """The table columns that columns stand for, through CTEs and subqueries."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._pending: set[tuple[Query, str]] = set()

    def of(self, name: Name, scope: Scope) -> list[Origin]:
        """Each once or more often; none where nothing is known of the name."""
        if len(name) == 1:
            return self._of_bare(name[0], scope)
        owner = scope.owner(name[-2])
        return self._of_item(name[-1], owner[1]) if owner else []

    def _of_bare(self, column: str, scope: Scope) -> list[Origin]:
        """Of the innermost scope in which something has such a column."""
        around: Scope | None = scope
        while around is not None:
            if found := [each for item in around.items for each in self._of_item(column, item)]:
                return found
            around = around.sees
        return []

    def _of_item(self, column: str, item: Item) -> list[Origin]:
        if item.table is not None:
            return [(item.table, column)] if column in self._columns.get(item.table, ()) else []
        # a recursive query reads itself
        if item.query is None or (item.query, column) in self._pending:
            return []
        self._pending.add((item.query, column))
        found = [
            each
            for arm in item.query.arms
            for each in self._of_arm(column, item.columns, item.query.columns, arm)
        ]
        self._pending.discard((item.query, column))
        return found

    def _of_arm(
        self, column: str, renamed: Sequence[str], columns: Sequence[str], arm: Scope
    ) -> list[Origin]:
        known = [*renamed, *columns[len(renamed) :]][: len(arm.targets)]
        if column in known:
            target = arm.targets[known.index(column)]
            name = names(target.get("val", {}).get("ColumnRef", {}).get("fields", []))
            return self.of(name, arm) if name else []
        return self._of_bare(column, arm) if any(map(is_star, arm.targets)) else []
