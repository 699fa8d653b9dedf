"""YAML that a person wrote, with the line of every key, so that an error can point at it.

Scalars stay the text that was written, and the model says what they are: a code 0123, NULL or
1E10 is no number, and a decimal keeps its digits.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ValidationError
from pydantic_core import ErrorDetails

from heartbeat.errors import ContentError
from heartbeat.wrong_value import wrong_value

Model = TypeVar("Model", bound=BaseModel)

_NULLS = ("", "~", "null")
_UNQUOTED = re.compile(r"found character '(?P<character>[%@`])' that cannot start any token")

NONE_WHEN_EMPTY = BeforeValidator(lambda value: None if value in _NULLS else value)
"""For a field that may be left empty: `owner:`, `owner: ~` and `owner: null` are None."""

NO_ITEMS_WHEN_EMPTY = BeforeValidator(lambda value: () if value in _NULLS else value)
"""For a list that may be left empty."""

NO_ENTRIES_WHEN_EMPTY = BeforeValidator(lambda value: {} if value in _NULLS else value)
"""For a mapping that may be left empty."""


@dataclass(frozen=True)
class YamlDocument(Generic[Model]):
    """A validated mapping, and the line of the file on which each of its keys is."""

    content: Model
    lines: Mapping[str, int]


def read_text(path: Path) -> str:
    """The file with `\\n` as line end; raises ContentError when it cannot be read as UTF-8."""
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


def parse_yaml(
    text: str, model: type[Model], path: Path, *, subject: str = "the file", first_line: int = 1
) -> YamlDocument[Model]:
    """Validate one YAML mapping against `model`.

    `subject` is what the text is called in an error and `first_line` the line of the file at which
    it begins. Raises ContentError for the first problem in the order of the file; a key that is
    missing has no line of its own: that of the key it belongs to, else the first of the file.
    """
    try:
        root = _mapping(text, path, subject, first_line)
        problems = list(_key_problems(root))
        data = _data(root)
    except RecursionError:
        raise ContentError(path, first_line, f"{subject} is nested too deeply") from None
    try:
        content = model.model_validate(data)
    except ValidationError as error:
        problems += [
            (_line_of(root, each["loc"]), _sentence(subject, each)) for each in error.errors()
        ]
    if problems:
        line, problem = min(problems, key=lambda each: -1 if each[0] is None else each[0])
        raise ContentError(path, 1 if line is None else first_line + line, problem)
    lines = {key.value: first_line + key.start_mark.line for key, _ in root.value}
    return YamlDocument(content, lines)


def _mapping(text: str, path: Path, subject: str, first_line: int) -> yaml.MappingNode:
    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        line = first_line + _yaml_error_line(error, text)
        raise ContentError(path, line, f"{subject} is not YAML: {_yaml_problem(error)}") from None
    if not isinstance(root, yaml.MappingNode):
        raise ContentError(path, first_line, f"{subject} must be lines of 'key: value'")
    return root


def _yaml_error_line(error: yaml.YAMLError, text: str) -> int:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return min(error.problem_mark.line, text.count("\n"))
    return text.count("\n", 0, getattr(error, "position", 0))


def _yaml_problem(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem is None:
        return "it holds a character that YAML does not allow"
    if unquoted := _UNQUOTED.fullmatch(error.problem):
        character = unquoted["character"]
        return f"text that begins with {character} needs quotes, such as '{character}'"
    return error.problem


def _key_problems(node: yaml.Node) -> Iterator[tuple[int | None, str]]:
    """What is wrong with the keys at any depth, with the lines of the text from 0."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _key_problems(item)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            yield key.start_mark.line, "a key must be one word"
        elif key.value in seen:
            yield key.start_mark.line, f"key '{key.value}' is given twice"
        else:
            seen.add(key.value)
        yield from _key_problems(value)


def _data(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        named = (pair for pair in node.value if isinstance(pair[0], yaml.ScalarNode))
        return {key.value: _data(value) for key, value in named}
    if isinstance(node, yaml.SequenceNode):
        return [_data(item) for item in node.value]
    return node.value


def _line_of(node: yaml.Node, location: tuple[int | str, ...]) -> int | None:
    line: int | None = None
    for step in location:
        entry = _child(node, step)
        if entry is None:
            return line
        line, node = entry
    return line


def _child(node: yaml.Node, step: int | str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return key.start_mark.line, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return node.value[step].start_mark.line, node.value[step]
    return None


def _sentence(subject: str, detail: ErrorDetails) -> str:
    if detail["type"] in ("missing", "extra_forbidden"):
        *owners, key = map(str, detail["loc"])
        verb = "needs the" if detail["type"] == "missing" else "has no"
        return f"{'.'.join(owners) or subject} {verb} key '{key}'"
    return f"{_place(detail['loc'])}: {wrong_value(detail)}"


def _place(location: tuple[int | str, ...]) -> str:
    keys = [step for step in location if isinstance(step, str) and step != "[key]"]
    items = [f"item {step + 1}" for step in location if isinstance(step, int)]
    return ": ".join([".".join(keys), *items])
