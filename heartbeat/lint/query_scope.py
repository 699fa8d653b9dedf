"""A query as scopes: what each SELECT of it reads, and what its names stand for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from heartbeat.syntax_tree import Node, Statement, names
from heartbeat.table_reference import TableRef, query_of


class Place(StrEnum):
    """Where a query stands."""

    WHOLE = "whole"
    """The statement itself, or a CTE."""
    FROM = "from"
    EXPRESSION = "expression"
    EXISTS = "exists"


@dataclass(eq=False)
class Query:
    """A SELECT, or a set operation of several."""

    fields: Node
    arms: list["Scope"] = field(default_factory=list)
    within: list["Query"] = field(default_factory=list)
    """Its CTEs."""

    @property
    def columns(self) -> list[str]:
        """The names of what it gives, those that only the server makes up left empty."""
        return [_output(target) for target in self.arms[0].targets]

    def scopes(self) -> Iterator["Scope"]:
        """Each SELECT in it."""
        for query in self.queries():
            yield from query.arms

    def queries(self) -> Iterator["Query"]:
        """Itself and each query in it."""
        yield self
        for inner in [*self.within, *(each for arm in self.arms for each in arm.inner)]:
            yield from inner.queries()


@dataclass(eq=False)
class Item:
    """What a FROM names: a table, a query (a CTE, a subquery), or else a function's rows."""

    name: str
    node: Node
    table: TableRef | None = None
    query: Query | None = None
    columns: Sequence[str] = ()
    """The names that an alias gives to the first columns of a query."""
    is_lateral: bool = False


@dataclass(eq=False)
class Scope:
    """One SELECT. Names that it does not know itself are those of the scope that it sees."""

    fields: Node
    place: Place
    around: "Scope | None"
    sees: "Scope | None"
    items: list[Item] = field(default_factory=list)
    inner: list[Query] = field(default_factory=list)

    @property
    def targets(self) -> list[Node]:
        """What it selects."""
        return [target["ResTarget"] for target in self.fields.get("targetList", ())]

    def nodes(self) -> Iterator[tuple[str, Node]]:
        """Its own nodes, without those of queries in it."""
        return own_nodes(self.fields)

    def owner(self, name: str) -> "tuple[Scope, Item] | None":
        """The scope that gives the name to one of its items, and that item."""
        scope: Scope | None = self
        while scope is not None:
            for item in scope.items:
                if item.name == name:
                    return scope, item
            scope = scope.sees
        return None


def query_scopes(sql: str) -> tuple[Statement, Query]:
    """The statement and its scopes; raises StatementError for what is no query."""
    statement = query_of(sql)
    return statement, _query(statement.fields, Place.WHOLE, None, None, {})


def own_nodes(node: Any) -> Iterator[tuple[str, Node]]:
    """Every node below with its type or field, without those of queries in it."""
    pending: list[Any] = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, list):
            pending.extend(reversed(current))
        elif isinstance(current, dict):
            for key, value in current.items():
                if isinstance(value, dict) and key not in ("withClause", "SelectStmt"):
                    yield key, value
            pending.extend(
                value
                for key, value in reversed(current.items())
                if isinstance(value, dict | list) and key not in ("withClause", "SelectStmt")
            )


def is_star(target: Node) -> bool:
    """Whether it is `*` or `t.*`."""
    parts = target.get("val", {}).get("ColumnRef", {}).get("fields", ())
    return bool(parts) and "A_Star" in parts[-1]


def _query(
    fields: Node,
    place: Place,
    around: Scope | None,
    sees: Scope | None,
    visible: Mapping[str, Query],
) -> Query:
    query = Query(fields)
    with_ = fields.get("withClause", {})
    known = dict(visible)
    ctes = [each["CommonTableExpr"] for each in with_.get("ctes", ())]
    made = [Query(cte["ctequery"]["SelectStmt"]) for cte in ctes]
    if with_.get("recursive"):
        known |= {cte["ctename"]: inner for cte, inner in zip(ctes, made, strict=True)}
    for cte, inner in zip(ctes, made, strict=True):
        whole = _query(inner.fields, Place.WHOLE, around, sees, known)
        inner.arms, inner.within = whole.arms, whole.within
        known[cte["ctename"]] = inner
    query.within.extend(made)
    for side in ("larg", "rarg"):
        if side in fields:
            part = _query(fields[side], place, around, sees, known)
            query.arms.extend(part.arms)
            query.within.extend(part.within)
    if "larg" not in fields:
        query.arms.append(_scope(fields, place, around, sees, known))
    return query


def _scope(
    fields: Node,
    place: Place,
    around: Scope | None,
    sees: Scope | None,
    known: Mapping[str, Query],
) -> Scope:
    scope = Scope(fields, place, around, sees)
    for kind, node in own_nodes(fields.get("fromClause", [])):
        if item := _item(kind, node, scope, known):
            scope.items.append(item)
    for kind, node in scope.nodes():
        if kind == "SubLink":
            exists = node["subLinkType"] == "EXISTS_SUBLINK"
            inner = Place.EXISTS if exists else Place.EXPRESSION
            scope.inner.append(_query(node["subselect"]["SelectStmt"], inner, scope, scope, known))
    return scope


def _item(kind: str, node: Node, scope: Scope, known: Mapping[str, Query]) -> Item | None:
    alias = node.get("alias", {})
    columns = names(alias.get("colnames", []))
    if kind == "RangeVar":
        name = alias.get("aliasname", node["relname"])
        if "schemaname" in node:
            return Item(name, node, TableRef(node["schemaname"], node["relname"]))
        return Item(name, node, query=known.get(node["relname"]), columns=columns)
    if kind == "RangeSubselect":
        lateral = node.get("lateral", False)
        sees = scope if lateral else scope.sees
        query = _query(node["subquery"]["SelectStmt"], Place.FROM, scope, sees, known)
        scope.inner.append(query)
        name = alias.get("aliasname", "")
        return Item(name, node, query=query, columns=columns, is_lateral=lateral)
    if kind in ("RangeFunction", "RangeTableFunc", "JsonTable"):
        return Item(alias.get("aliasname", ""), node)
    return None


def _output(target: Node) -> str:
    if "name" in target:
        return str(target["name"])
    parts = names(target.get("val", {}).get("ColumnRef", {}).get("fields", []))
    return parts[-1] if parts and not is_star(target) else ""
