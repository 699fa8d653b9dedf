"""Metric files: a YAML header in the first comment, then the statements `value` and `history`."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from heartbeat.email_address import email_address
from heartbeat.errors import ContentError
from heartbeat.headed_sql import parse_headed_sql
from heartbeat.judgement.metric_lines import lines_problem
from heartbeat.judgement.status import MIN_BAND_DAYS
from heartbeat.judgement.unit import unit_problem
from heartbeat.metrics.metric import METRIC_ID, Direction, Kind, Metric, Period, Season
from heartbeat.yaml_document import NO_ITEMS_WHEN_EMPTY, NONE_WHEN_EMPTY


@dataclass(frozen=True)
class LoadedMetrics:
    """The metrics of a folder by id, and the files that could not be used by path."""

    metrics: tuple[Metric, ...]
    problems: tuple[ContentError, ...]

    @property
    def broken(self) -> frozenset[str]:
        """Ids of the files that are there and cannot be used."""
        return frozenset(problem.path.stem for problem in self.problems)


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


_Text = Annotated[str, StringConstraints(strip_whitespace=True)]
_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
_OptionalNumber = Annotated[Decimal | None, NONE_WHEN_EMPTY]


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
    target_due_date: Annotated[date | None, NONE_WHEN_EMPTY] = None
    owner: Annotated[_Words | None, NONE_WHEN_EMPTY] = None
    cuts: Annotated[tuple[_Words, ...], NO_ITEMS_WHEN_EMPTY] = ()
    description: _Text = ""
    how_to_read: _Text = ""
    methodology: _Text = ""
    notes: _Text = ""
    amber_z: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    red_z: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2.0
    benchmark_days: Annotated[int, Field(ge=MIN_BAND_DAYS, le=366)] = 30
    season: Annotated[Season | None, NONE_WHEN_EMPTY] = None

    @field_validator("code")
    @classmethod
    def _code_is_four_characters(cls, code: str) -> str:
        if not re.fullmatch(r"[A-Z0-9]{4}", code):
            raise ValueError(f"must be exactly 4 characters A-Z or 0-9, not '{code}'")
        return code

    @field_validator("unit")
    @classmethod
    def _unit_has_one_name(cls, unit: str) -> str:
        if problem := unit_problem(unit):
            raise ValueError(problem)
        return unit

    @field_validator("owner")
    @classmethod
    def _owner_is_an_address(cls, owner: str | None) -> str | None:
        return None if owner is None else email_address(owner)

    @field_validator("norm_value", "alert_value")
    @classmethod
    def _lines_make_sense(cls, line: Decimal | None, info: ValidationInfo) -> Decimal | None:
        """Fields that are not valid themselves are not in `info.data`."""
        if not {"direction", "target_value"} <= set(info.data):
            return line
        known = {"norm_value": info.data.get("norm_value"), "alert_value": None}
        known[info.field_name or ""] = line
        problem = lines_problem(
            info.data["direction"], **known, target_value=info.data["target_value"]
        )
        if problem and problem.field == info.field_name:
            raise ValueError(problem.text)
        return line

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
    if not METRIC_ID.fullmatch(metric_id):
        problem = "a metric file is named a-z, 0-9 and _, begins with a letter, at most 63 long"
        raise ContentError(path, 1, f"{problem}, not '{metric_id}'")
    parsed = parse_headed_sql(
        path, _Header, subject="a metric", required="value", optional="history"
    )
    value, history = parsed.queries["value"], parsed.queries.get("history")
    metric = Metric(
        metric_id=metric_id,
        **dict(parsed.header.content),
        path=path,
        value_sql=value.sql,
        value_line=value.line,
        history_sql=history.sql if history else None,
        history_line=history.line if history else None,
        reads=parsed.reads,
    )
    return _ParsedFile(metric, parsed.header.lines["code"])
