"""YAML that a person wrote, with the line of every key, so that an error can point at it."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from heartbeat.errors import ContentError

Model = TypeVar("Model", bound=BaseModel)


def read_text(path: Path) -> str:
    """The file as UTF-8 text; raises ContentError at the line where it stops being UTF-8."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ContentError(path, line, "the file is not UTF-8; save it as UTF-8") from error


def parse_yaml(text: str, model: type[Model], path: Path, *, first_line: int = 1) -> Model:
    """Validate one YAML mapping against `model`.

    `first_line` is the line of the file at which `text` begins. Raises ContentError with the line
    of the first offending key, in the order of the file.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = first_line + (error.problem_mark.line if error.problem_mark else 0)
        raise ContentError(path, line, f"not valid YAML: {error.problem}") from error
    if not isinstance(root, yaml.MappingNode):
        raise ContentError(path, first_line, "expected `key: value` lines")
    _refuse_duplicate_keys(root, path, first_line)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = [
            (first_line + _line_of(root, problem["loc"]), _sentence(problem["loc"], problem["msg"]))
            for problem in error.errors()
        ]
        line, message = min(problems)
        raise ContentError(path, line, message) from error


def _refuse_duplicate_keys(node: yaml.MappingNode, path: Path, first_line: int) -> None:
    seen: set[str] = set()
    for key, value in node.value:
        if key.value in seen:
            line = first_line + key.start_mark.line
            raise ContentError(path, line, f"{key.value}: is given twice; keep one")
        seen.add(key.value)
        if isinstance(value, yaml.MappingNode):
            _refuse_duplicate_keys(value, path, first_line)


def _line_of(node: yaml.Node, location: tuple[int | str, ...]) -> int:
    line: int = node.start_mark.line
    for step in location:
        entry = _child(node, step)
        if entry is None:
            return line
        line, node = entry
    return line


def _child(node: yaml.Node, step: int | str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key.start_mark.line, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return node.value[step].start_mark.line, node.value[step]
    return None


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    name = ".".join(str(step) for step in location if not _is_union_tag(step))
    message = message.removeprefix("Value error, ")
    messages = {
        "Extra inputs are not permitted": "is not a known key",
        "Field required": "is missing",
    }
    return f"{name}: {messages.get(message, message)}" if name else message


def _is_union_tag(step: Any) -> bool:
    return isinstance(step, str) and ("[" in step or "(" in step)
