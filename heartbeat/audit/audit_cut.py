"""Audit cuts: one Python module per cut, `META` + `compute(conn, *, window)` + `chart(payload)`."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import psycopg
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from heartbeat.audit.confined_process import (
    ConfinedProcess,
    CutFaultError,
    CutLimitError,
    CutLimits,
    CutProblemError,
    Patience,
)
from heartbeat.audit.cut_code import CutCode, line_of_name, meta_node, parsed
from heartbeat.errors import ContentError
from heartbeat.metrics.metric import METRIC_ID
from heartbeat.settings import Settings
from heartbeat.table_reference import TableRef
from heartbeat.wrong_value import wrong_value

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

DEFAULT_WINDOWS = ("7d", "30d", "90d")

SEGMENT_TABLES = frozenset(
    TableRef("heartbeat", name) for name in ("client_segment", "client_segment_day")
)
PLATFORM_TABLES = SEGMENT_TABLES | {TableRef("heartbeat", "table_load_log")}
"""What cuts may read beside landed tables."""

CUT_ID = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
"""What a cut may be called: the name of its file, of its asset, and of its rows."""

_IMPORT_TIMEOUT: Final = "30s"
"""How long the import of one file may take: a process that loads the project waits for it."""

_WINDOW = re.compile(r"([1-9][0-9]{0,3})d")
_LETTER = r"[a-z_]|[^\x00-\x7f]"
_NAME = rf"(?:{_LETTER})(?:{_LETTER}|[0-9])*"
_TABLE = re.compile(rf"({_NAME})\.({_NAME})")


@dataclass(frozen=True)
class AuditCut:
    """One cut as its file describes it; `cut_id` is the file's stem.

    Its functions are not here: they run in a process of their own, see `confined_process`.
    `compute(connection, window=...)` returns the payload, a mapping that JSON can hold with no
    arithmetic left to the reader; `chart(payload)` draws it.
    """

    cut_id: str
    page: str
    place: int
    """Its place on the page: the smallest comes first."""
    title: str
    prose: str
    windows: tuple[str, ...]
    window_default: str
    reads: tuple[TableRef, ...]
    metrics: tuple[str, ...]
    """Ids of metrics that it explains, beside those whose files name it."""
    methodology: str
    how_to_read: str
    definition_hash: str
    words: tuple[str, ...]
    """Of its code and of the shared code that it imports, comments and layout left out."""
    path: Path
    line: int
    """Line of `META` in the file."""


@dataclass(frozen=True)
class LoadedCuts:
    """The cuts of a folder in the order of their ids, and what is wrong with the other files."""

    cuts: tuple[AuditCut, ...]
    problems: tuple[ContentError, ...]

    @property
    def broken(self) -> frozenset[str]:
        """Ids of the files that are there and cannot be used."""
        return frozenset(problem.path.stem for problem in self.problems)


def window_days(window_key: str) -> int:
    """The length of a window in days: "30d" is 30. Raises ValueError for anything but "<n>d"."""
    match = _WINDOW.fullmatch(window_key)
    if match is None:
        raise ValueError(f"{window_key!r} is not a window; write days, such as '30d'")
    return int(match[1])


def load_cuts(folder: Path, limits: CutLimits | None = None) -> LoadedCuts:
    """Read every `*.py` of the folder afresh, except names that start with `_`.

    Each is imported in a process of its own, within the limits of the settings where none are
    given. A file that cannot be used becomes a problem with its line (each wrong field of META is
    one); the others load. A folder that is not there holds no cuts.
    """
    limits = limits or CutLimits.of(Settings.load())
    cuts: list[AuditCut] = []
    problems: list[ContentError] = []
    for path in sorted(folder.glob("[!_]*.py")):
        try:
            cuts.append(_load_cut(path, limits))
        except ContentError as problem:
            problems.append(problem)
        except _MetaError as error:
            problems.extend(error.problems)
    return LoadedCuts(tuple(cuts), tuple(problems))


def _nonblank(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty")
    return text


def _window_key(text: str) -> str:
    window_days(text)
    return text


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise ValueError(f"names {twice[0]} twice")
    return names


def _table(name: Any) -> TableRef:
    match = _TABLE.fullmatch(name) if isinstance(name, str) else None
    if match is None:
        raise ValueError(f"{name!r} is not a landed table; write 'schema.table' in snake_case")
    return TableRef(match[1], match[2])


_Text = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_nonblank)]
_Window = Annotated[str, AfterValidator(_window_key)]
_MetricId = Annotated[str, StringConstraints(pattern=f"^{METRIC_ID.pattern}$")]
_Table = Annotated[TableRef, BeforeValidator(_table)]


class _Meta(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    page: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$")]
    place: int = Field(default=100, ge=0, le=10_000)
    title: _Text
    prose: _Text
    windows: Annotated[tuple[_Window, ...], Field(min_length=1), AfterValidator(_distinct)] = (
        DEFAULT_WINDOWS
    )
    window_default: _Window = Field(default="30d", validate_default=True)
    reads: tuple[_Table, ...]
    metrics: Annotated[tuple[_MetricId, ...], AfterValidator(_distinct)] = ()
    methodology: _Text
    how_to_read: _Text

    @field_validator("window_default")
    @classmethod
    def _one_of_the_windows(cls, default: str, info: ValidationInfo) -> str:
        windows = info.data.get("windows", (default,))
        if default not in windows:
            raise ValueError(f"{default!r} is not one of the windows {', '.join(windows)}")
        return default


class _MetaError(Exception):
    def __init__(self, problems: Sequence[ContentError]) -> None:
        super().__init__(*problems)
        self.problems = problems


def _load_cut(path: Path, limits: CutLimits) -> AuditCut:
    if CUT_ID.fullmatch(path.stem) is None:
        raise ContentError(
            path, 1, f"{path.stem}: a cut's file name is a-z, 0-9 and _, at most 63 characters"
        )
    tree = parsed(path)
    described = _described(path, limits)
    meta_line = line_of_name(tree, "META")
    if meta_line is None or "meta" not in described:
        raise ContentError(path, 1, "META: is missing")
    meta = _checked_meta(path, described["meta"], meta_node(tree), meta_line)
    if found := described["function_problem"]:
        line, problem = found
        raise ContentError(path, int(line), str(problem))
    code = CutCode.of(path, tree)
    return AuditCut(
        cut_id=path.stem,
        page=meta.page,
        place=meta.place,
        title=meta.title,
        prose=meta.prose,
        windows=meta.windows,
        window_default=meta.window_default,
        reads=tuple(sorted(set(meta.reads))),
        metrics=meta.metrics,
        methodology=meta.methodology,
        how_to_read=meta.how_to_read,
        definition_hash=code.hash,
        words=code.words,
        path=path,
        line=meta_line,
    )


def _described(path: Path, limits: CutLimits) -> Mapping[str, Any]:
    """What the module says of itself, imported where it can do no harm."""
    patience = Patience(_IMPORT_TIMEOUT)
    try:
        with ConfinedProcess(limits, path.parent, patience=patience) as process:
            described: Mapping[str, Any] = process.ask("describe", path=str(path.absolute()))
    except CutProblemError as error:
        raise ContentError(path, error.line, error.problem) from error
    except (CutLimitError, CutFaultError) as error:
        raise ContentError(path, 1, f"the import fails: {error}") from error
    return described


def _checked_meta(path: Path, meta: Any, node: ast.expr | None, meta_line: int) -> _Meta:
    try:
        return _Meta.model_validate(meta)
    except ValidationError as error:
        problems = [
            ContentError(
                path,
                _line_of_entry(node, problem["loc"], meta_line),
                _sentence(problem["loc"], wrong_value(problem)),
            )
            for problem in error.errors()
        ]
        problems.sort(key=lambda problem: problem.line)
        raise _MetaError(problems) from error


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    field = ".".join(["META", *(str(step) for step in location)])
    return f"{field}: {message}"


def _line_of_entry(node: ast.expr | None, location: tuple[int | str, ...], otherwise: int) -> int:
    line = otherwise
    for step in location:
        entry = _entry(node, step)
        if entry is None:
            return line
        line, node = entry
    return line


def _entry(node: ast.expr | None, step: int | str) -> tuple[int, ast.expr] | None:
    match node:
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant) and key.value == step:
                    return key.lineno, value
        case ast.List(elts=elements) | ast.Tuple(elts=elements) if isinstance(step, int):
            return elements[step].lineno, elements[step]
    return None
