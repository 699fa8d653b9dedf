"""Metric files: a YAML header in the first comment, then the statements `value` and `history`."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from heartbeat.errors import ContentError
from heartbeat.metric import Direction, Kind, Metric, Period
from heartbeat.named_statement import NamedStatement, split_statements
from heartbeat.table_reference import StatementError, TableRef, table_references

STATEMENTS = ("value", "history")

_METRIC_ID = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_OPENING = re.compile(r"\s*/\* ---[ \t]*\n")
_CLOSING = re.compile(r"^[ \t]*--- \*/", re.MULTILINE)
_YAML_NULLS = ("", "~", "null")


@dataclass(frozen=True)
class LoadedMetrics:
    """The metrics of a folder by id, and the files that could not be used by path."""

    metrics: tuple[Metric, ...]
    problems: tuple[ContentError, ...]


def load_metrics(folder: Path) -> LoadedMetrics:
    """Read every `*.sql` file directly in the folder; a folder that is not there has no metrics.

    A file that cannot be used is a problem and the rest loads. Files that share a code are all
    refused, since none of them has the better claim.
    """
    metrics: list[Metric] = []
    problems: list[ContentError] = []
    code_lines: dict[str, int] = {}
    for path in _metric_paths(folder):
        try:
            parsed = _parse(path)
        except ContentError as problem:
            problems.append(problem)
        else:
            metrics.append(parsed.metric)
            code_lines[parsed.metric.metric_id] = parsed.code_line
    clashes = _code_clashes(metrics, code_lines)
    refused = {clash.path for clash in clashes}
    return LoadedMetrics(
        metrics=tuple(metric for metric in metrics if metric.path not in refused),
        problems=tuple(sorted([*problems, *clashes], key=lambda problem: problem.path)),
    )


def parse_metric(path: Path) -> Metric:
    """Read one metric file; its stem is the metric's id.

    Raises `ContentError` at the line of the first problem in the file: a name that is no metric id,
    text that is not UTF-8, a header that is missing or not valid, statements other than one `value`
    and at most one `history`, SQL that is not one query on qualified tables.
    """
    return _parse(path).metric


@dataclass(frozen=True)
class _ParsedFile:
    metric: Metric
    code_line: int


@dataclass(frozen=True)
class _Keys:
    """The header's values, the line of each key in the file, and the keys that cannot be."""

    values: Mapping[str, object]
    lines: Mapping[str, int]
    problems: Sequence[ContentError]


@dataclass(frozen=True)
class _HeaderText:
    """`end_line` is the line of the closing mark; `rest` keeps the line numbers of the file."""

    keys: _Keys
    end_line: int
    rest: str


@dataclass(frozen=True)
class _CheckedStatement:
    sql: str
    line: int
    reads: tuple[TableRef, ...]


def _empty_as_none(value: object) -> object:
    return None if value in _YAML_NULLS else value


def _empty_as_no_items(value: object) -> object:
    return () if value in _YAML_NULLS else value


_Text = Annotated[str, StringConstraints(strip_whitespace=True)]
_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
_OptionalNumber = Annotated[Decimal | None, BeforeValidator(_empty_as_none)]


class _Header(BaseModel):
    """Fields are in the order in which they are checked: lines after what they depend on."""

    model_config = ConfigDict(extra="forbid")

    code: str
    name: _Words
    short_name: Annotated[_Words, Field(max_length=26)]
    period: Period
    unit: _Words
    direction: Direction
    kind: Kind
    target_value: _OptionalNumber = None
    norm_value: _OptionalNumber = None
    alert_value: _OptionalNumber = None
    target_due_date: Annotated[date | None, BeforeValidator(_empty_as_none)] = None
    owner: Annotated[_Words | None, BeforeValidator(_empty_as_none)] = None
    cuts: Annotated[tuple[_Words, ...], BeforeValidator(_empty_as_no_items)] = ()
    description: _Text = ""
    how_to_read: _Text = ""
    methodology: _Text = ""
    notes: _Text = ""
    amber_z: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    red_z: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2.0

    @field_validator("code")
    @classmethod
    def _code_is_four_characters(cls, code: str) -> str:
        if not re.fullmatch(r"[A-Z0-9]{4}", code):
            raise ValueError(f"must be exactly 4 characters A-Z or 0-9, not '{code}'")
        return code

    @field_validator("norm_value", "alert_value")
    @classmethod
    def _range_lines_are_distances(
        cls, line: Decimal | None, info: ValidationInfo
    ) -> Decimal | None:
        if line is None or info.data.get("direction") is not Direction.IN_RANGE:
            return line
        if line < 0:
            raise ValueError("with in_range a line is a distance from target_value: 0 or more")
        if info.data.get("target_value", line) is None:
            raise ValueError("with in_range a line is a distance from target_value: give one")
        return line

    @field_validator("alert_value")
    @classmethod
    def _alert_is_no_better_than_norm(
        cls, alert: Decimal | None, info: ValidationInfo
    ) -> Decimal | None:
        norm, direction = info.data.get("norm_value"), info.data.get("direction")
        if alert is None or norm is None or direction is None:
            return alert
        if direction is Direction.HIGHER_IS_BETTER and alert > norm:
            raise ValueError(f"with {direction} the alert must not be above norm_value {norm}")
        if direction is not Direction.HIGHER_IS_BETTER and alert < norm:
            raise ValueError(f"with {direction} the alert must not be below norm_value {norm}")
        return alert

    @field_validator("red_z")
    @classmethod
    def _red_is_no_nearer_than_amber(cls, red_z: float, info: ValidationInfo) -> float:
        if red_z < info.data.get("amber_z", red_z):
            raise ValueError(f"must not be below amber_z {info.data['amber_z']:g}")
        return red_z


def _metric_paths(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.glob("*.sql") if not path.name.startswith(".") and not path.is_dir()
    )


def _code_clashes(metrics: Sequence[Metric], code_lines: Mapping[str, int]) -> list[ContentError]:
    by_code: defaultdict[str, list[Metric]] = defaultdict(list)
    for metric in metrics:
        by_code[metric.code].append(metric)
    return [
        _code_clash(metric, sharers, code_lines[metric.metric_id])
        for sharers in by_code.values()
        for metric in sharers
        if len(sharers) > 1
    ]


def _code_clash(metric: Metric, sharers: Sequence[Metric], line: int) -> ContentError:
    others = ", ".join(other.path.name for other in sharers if other is not metric)
    return ContentError(metric.path, line, f"code '{metric.code}' is also used by {others}")


def _parse(path: Path) -> _ParsedFile:
    metric_id = path.stem
    if not _METRIC_ID.fullmatch(metric_id):
        problem = "a metric file is named a-z, 0-9 and _, begins with a letter, at most 63 long"
        raise ContentError(path, 1, f"{problem}, not '{metric_id}'")
    header_text = _header_text(path, _read(path))
    header = _checked_header(path, header_text.keys)
    statements = _statements(path, header_text)
    value, history = statements["value"], statements.get("history")
    reads = {table for statement in statements.values() for table in statement.reads}
    metric = Metric(
        metric_id=metric_id,
        **dict(header),
        path=path,
        value_sql=value.sql,
        value_line=value.line,
        history_sql=history.sql if history else None,
        history_line=history.line if history else None,
        reads=tuple(sorted(reads)),
    )
    return _ParsedFile(metric, header_text.keys.lines["code"])


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ContentError(path, 1, f"the file cannot be read: {error.strerror}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ContentError(path, line, "the text is not UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _header_text(path: Path, text: str) -> _HeaderText:
    if not text.strip():
        raise ContentError(path, 1, "the file is empty")
    opening = _OPENING.match(text)
    if opening is None:
        raise ContentError(path, 1, "the file must begin with a YAML header after '/* ---'")
    closing = _CLOSING.search(text, opening.end())
    if closing is None:
        raise ContentError(path, 1, "the header is not closed by a line '--- */'")
    first_line = text.count("\n", 0, opening.end()) + 1
    keys = _keys(path, text[opening.end() : closing.start()], first_line)
    end_line = text.count("\n", 0, closing.end()) + 1
    rest = "\n" * (end_line - 1) + text[closing.end() :]
    return _HeaderText(keys, end_line, rest)


def _keys(path: Path, text: str, first_line: int) -> _Keys:
    values: dict[str, object] = {}
    lines: dict[str, int] = {}
    problems: list[ContentError] = []
    for key, value in _yaml_mapping(path, text, first_line).value:
        line = first_line + key.start_mark.line
        if not isinstance(key, yaml.ScalarNode):
            problems.append(ContentError(path, line, "a key of the header must be one word"))
        elif key.value in values:
            problems.append(ContentError(path, line, f"key '{key.value}' is given twice"))
        else:
            values[key.value], lines[key.value] = _plain(value), line
    return _Keys(values, lines, problems)


def _yaml_mapping(path: Path, text: str, first_line: int) -> yaml.MappingNode:
    """Nodes with their lines and their text as written, so that a code 0123 or NULL stays text."""
    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        line = first_line + _yaml_error_line(error, text)
        raise ContentError(path, line, f"the header is not YAML: {_yaml_problem(error)}") from None
    except RecursionError:
        raise ContentError(path, first_line, "the header is nested too deeply") from None
    if not isinstance(root, yaml.MappingNode):
        raise ContentError(path, first_line, "the header must be lines of 'key: value'")
    return root


def _plain(node: yaml.Node) -> object:
    """Text, or a list of texts; anything deeper has no place in a header and fails validation."""
    if isinstance(node, yaml.SequenceNode):
        return [item.value for item in node.value]
    return node.value


def _yaml_error_line(error: yaml.YAMLError, text: str) -> int:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return min(error.problem_mark.line, text.count("\n"))
    return text.count("\n", 0, getattr(error, "position", 0))


def _yaml_problem(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem is not None:
        return error.problem
    return "it holds a character that YAML does not allow"


def _checked_header(path: Path, keys: _Keys) -> _Header:
    problems = list(keys.problems)
    try:
        header = _Header.model_validate(keys.values)
    except ValidationError as error:
        problems.extend(_header_problem(path, keys, detail) for detail in error.errors())
    if problems:
        raise min(problems, key=lambda problem: problem.line)
    return header


def _header_problem(path: Path, keys: _Keys, detail: ErrorDetails) -> ContentError:
    """A key that is missing has no line of its own: the first of the file."""
    key = str(detail["loc"][0])
    if detail["type"] == "missing":
        return ContentError(path, 1, f"the header needs the key '{key}'")
    if detail["type"] == "extra_forbidden":
        problem = f"the header has no key '{key}'"
    else:
        problem = f"{key}: {detail['msg'].removeprefix('Value error, ')}"
    return ContentError(path, keys.lines[key], problem)


def _statements(path: Path, header: _HeaderText) -> dict[str, _CheckedStatement]:
    statements: dict[str, _CheckedStatement] = {}
    for statement in split_statements(path, header.rest):
        if statement.name not in STATEMENTS:
            problem = f"statement '{statement.name}' is unknown: a metric has value and history"
            raise ContentError(path, statement.name_line, problem)
        statements[statement.name] = _CheckedStatement(
            statement.sql, statement.line, _reads(path, statement)
        )
    if "value" not in statements:
        raise ContentError(path, header.end_line, "the line '-- name: value' is missing")
    return statements


def _reads(path: Path, statement: NamedStatement) -> tuple[TableRef, ...]:
    try:
        return table_references(statement.sql)
    except StatementError as error:
        raise ContentError(path, statement.line + error.line - 1, error.problem) from None
