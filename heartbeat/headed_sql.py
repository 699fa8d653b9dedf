"""SQL files of a project: a YAML header in the first comment, then named queries."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from heartbeat.errors import ContentError
from heartbeat.named_statement import NamedStatement, split_statements
from heartbeat.syntax_tree import StatementError
from heartbeat.table_reference import TableRef, table_references
from heartbeat.yaml_document import YamlDocument, parse_yaml, read_text

Header = TypeVar("Header", bound=BaseModel)

_OPENING = re.compile(r"\s*/\* ---[ \t]*\n")
_CLOSING = re.compile(r"^[ \t]*--- \*/", re.MULTILINE)


@dataclass(frozen=True)
class Query:
    """One query on qualified tables; `line` is the line of the file on which `sql` begins."""

    sql: str
    line: int
    reads: tuple[TableRef, ...]


@dataclass(frozen=True)
class HeadedSql(Generic[Header]):
    """A file that was read and checked: its header, and its queries by name."""

    header: YamlDocument[Header]
    queries: Mapping[str, Query]

    @property
    def reads(self) -> tuple[TableRef, ...]:
        """The tables of all its queries, sorted."""
        return tuple(sorted({table for query in self.queries.values() for table in query.reads}))


def parse_headed_sql(
    path: Path, header: type[Header], *, subject: str, required: str, optional: str | None = None
) -> HeadedSql[Header]:
    """Read one file whose header is that model and whose queries have those names.

    `subject` is what such a file is called in an error ("a metric"). Raises `ContentError` at the
    line of the first problem: text that is not UTF-8, a header that is missing or not valid, a
    query with another name, twice the same or without the required one, SQL that is not one query
    on qualified tables.
    """
    text = _header_text(path, read_text(path))
    document = parse_yaml(
        text.header, header, path, subject="the header", first_line=text.first_line
    )
    names = [name for name in (required, optional) if name]
    queries: dict[str, Query] = {}
    for statement in split_statements(path, text.rest):
        if statement.name not in names:
            problem = (
                f"statement '{statement.name}' is unknown: {subject} has {' and '.join(names)}"
            )
            raise ContentError(path, statement.name_line, problem)
        queries[statement.name] = _query(path, statement)
    if required not in queries:
        raise ContentError(path, text.end_line, f"the line '-- name: {required}' is missing")
    return HeadedSql(document, queries)


@dataclass(frozen=True)
class _Text:
    """`end_line` is the line of the closing mark; `rest` keeps the line numbers of the file."""

    header: str
    first_line: int
    end_line: int
    rest: str


def _header_text(path: Path, text: str) -> _Text:
    if not text.strip():
        raise ContentError(path, 1, "the file is empty")
    opening = _OPENING.match(text)
    if opening is None:
        raise ContentError(path, 1, "the file must begin with a YAML header after '/* ---'")
    closing = _CLOSING.search(text, opening.end())
    if closing is None:
        raise ContentError(path, 1, "the header is not closed by a line '--- */'")
    first_line = text.count("\n", 0, opening.end()) + 1
    end_line = text.count("\n", 0, closing.end()) + 1
    rest = "\n" * (end_line - 1) + text[closing.end() :]
    return _Text(text[opening.end() : closing.start()], first_line, end_line, rest)


def _query(path: Path, statement: NamedStatement) -> Query:
    try:
        reads = table_references(statement.sql)
    except StatementError as error:
        raise ContentError(path, statement.line + error.line - 1, error.problem) from None
    return Query(statement.sql, statement.line, reads)
