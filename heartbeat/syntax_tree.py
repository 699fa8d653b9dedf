"""SQL as PostgreSQL's own grammar reads it.

The tree is that of `pg_query`: a mapping has one key for each field, and a node that may be of
several types is a mapping with one key, its type, as in `{"RangeVar": {"relname": "t", ...}}`.
"""

import re
from collections.abc import Iterator
from typing import Any

import pgparse

from heartbeat.errors import HeartbeatError

Node = dict[str, Any]
"""The fields of a node."""

_LONGEST = 60_000
_DEEPEST = 700
_TOO_DEEP = "the statement is nested too deeply"
_GAP = re.compile(r"(?:\s|--[^\n]*|/\*.*?\*/)*", re.DOTALL)


class StatementError(HeartbeatError):
    """SQL that is not one query. `line` counts from 1 in the statement's own text."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line = line
        self.problem = problem


class Statement:
    """One statement: its type and fields, and where its parts stand in the text."""

    def __init__(self, text: bytes, raw: Node) -> None:
        ((self.kind, self.fields),) = raw["stmt"].items()
        self._text = text
        begin = raw.get("stmt_location", 0)
        gap = _GAP.match(text[begin:].decode())
        self.line = self._line(begin + len(gap.group().encode() if gap else b""))

    def line_of(self, node: Node) -> int:
        """The line of the first part of a node, counted from 1 in the text; the statement's own
        where no part of it has a place.
        """
        places = [each["location"] for _, each in walk(node) if each.get("location", -1) >= 0]
        if node.get("location", -1) >= 0:
            places.append(node["location"])
        return self._line(min(places)) if places else self.line

    def _line(self, place: int) -> int:
        return self._text.count(b"\n", 0, place) + 1


def parse(sql: str) -> tuple[Statement, ...]:
    """The statements of a text, without empty ones; raises StatementError in Postgres's words."""
    if "\0" in sql:
        raise StatementError(sql.count("\n", 0, sql.index("\0")) + 1, "a text ends at a null byte")
    # the library, in C, runs out of stack by a chain of 80,000 operators
    if len(sql) > _LONGEST:
        raise StatementError(1, f"the statement is longer than {_LONGEST:,} characters")
    try:
        raw = pgparse.parse(sql)
    except pgparse.PGQueryError as error:
        line = sql.count("\n", 0, max(error.position - 1, 0)) + 1
        raise StatementError(line, error.message) from None
    except RecursionError:
        raise StatementError(1, _TOO_DEEP) from None
    # what follows the tree down may not depend on how deep a Python can go
    if _depth(raw) > _DEEPEST:
        raise StatementError(1, _TOO_DEEP)
    return tuple(Statement(sql.encode(), each) for each in raw)


def _depth(tree: list[Node]) -> int:
    deepest = 0
    pending: list[tuple[Any, int]] = [(tree, 1)]
    while pending:
        current, depth = pending.pop()
        deepest = max(deepest, depth)
        inner = current.values() if isinstance(current, dict) else current
        pending.extend((each, depth + 1) for each in inner if isinstance(each, dict | list))
    return deepest


def walk(node: Node) -> Iterator[tuple[str, Node]]:
    """Every node below, with its type, or with its field where that tells the type."""
    pending: list[Any] = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, list):
            pending.extend(reversed(current))
            continue
        nested = [(key, value) for key, value in current.items() if isinstance(value, dict | list)]
        yield from ((key, value) for key, value in nested if isinstance(value, dict))
        pending.extend(value for _, value in reversed(nested))


def names(parts: list[Node]) -> list[str]:
    """The parts of a name as it is folded: `pg_catalog.now` is `["pg_catalog", "now"]`."""
    return [part["String"]["sval"] for part in parts if "String" in part]
