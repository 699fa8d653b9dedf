"""SQL files that hold several statements, each under a line `-- name: xyz`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from heartbeat.errors import ContentError

# the parser keeps no comments, so the few lexical rules of PostgreSQL that decide
# whether a line is a comment are written out here
_LEXEME = re.compile(
    r"""
    ^[ \t]*--[ \t]*name:[ \t]*(?P<name>[^\n]*)
  | --[^\n]*
  | (?P<comment>/\*)
  | (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$
  | (?<![\w$])[eE]'(?:\\.|''|[^'\\])*'
  | '(?:''|[^'])*'
  | "(?:""|[^"])*"
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_NAME = re.compile(r"[^\W\d]\w*\s*", re.ASCII)


@dataclass(frozen=True)
class NamedStatement:
    """One statement, exactly as written but for blank lines around it.

    `line` is the line of the file on which `sql` begins, `name_line` that of its `-- name:`.
    """

    name: str
    sql: str
    line: int
    name_line: int


def split_statements(path: Path, text: str) -> Iterator[NamedStatement]:
    """The named statements of an SQL text in file order; comments may stand before the first.

    A `-- name:` inside a quoted text, a dollar-quoted text or a block comment, or after other text
    on its line, belongs to the statement around it. Raises `ContentError` at the line of a problem
    when it gets there: SQL before the first name, a name that is no word, a name twice, an empty
    statement.
    """
    marks = list(_name_marks(text))
    _refuse_sql_before_names(path, text[: marks[0].start()] if marks else text)
    ends = [*(mark.start() for mark in marks), len(text)][1:]
    name_lines: dict[str, int] = {}
    for mark, end in zip(marks, ends, strict=True):
        statement = _statement(path, text, mark, end)
        if statement.name in name_lines:
            first = name_lines[statement.name]
            problem = f"statement '{statement.name}' is already defined in line {first}"
            raise ContentError(path, statement.name_line, problem)
        name_lines[statement.name] = statement.name_line
        yield statement


def load_statements(path: Path) -> Mapping[str, str]:
    """The statements of one UTF-8 file by name. Raises what `split_statements` raises."""
    text = path.read_text(encoding="utf-8")
    return {statement.name: statement.sql for statement in split_statements(path, text)}


def _name_marks(text: str) -> Iterator[re.Match[str]]:
    position = 0
    while lexeme := _LEXEME.search(text, position):
        position = lexeme.end()
        if lexeme["comment"]:
            position = _comment_end(text, position)
        elif lexeme["name"] is not None:
            yield lexeme


def _comment_end(text: str, position: int) -> int:
    """The end of a block comment whose opening ends at `position`; block comments nest."""
    depth = 1
    for edge in _COMMENT_EDGE.finditer(text, position):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)


def _statement(path: Path, text: str, mark: re.Match[str], end: int) -> NamedStatement:
    name_line = _line_at(text, mark.start("name"))
    if not _NAME.fullmatch(mark["name"]):
        problem = f"'-- name:' needs one word of letters and digits, not '{mark['name'].strip()}'"
        raise ContentError(path, name_line, problem)
    name, body = mark["name"].strip(), text[mark.end() : end]
    if not body.strip():
        raise ContentError(path, name_line, f"statement '{name}' is empty")
    start = mark.end() + len(body) - len(body.lstrip())
    return NamedStatement(name, body.strip(), _line_at(text, start), name_line)


def _refuse_sql_before_names(path: Path, preamble: str) -> None:
    position = 0
    while position < len(preamble):
        comment = _LEXEME.match(preamble, position)
        if comment and comment["comment"]:
            position = _comment_end(preamble, comment.end())
        elif comment and comment.group().startswith("--"):
            position = comment.end()
        elif preamble[position].isspace():
            position += 1
        else:
            problem = "SQL before the first '-- name:' line"
            raise ContentError(path, _line_at(preamble, position), problem)


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
