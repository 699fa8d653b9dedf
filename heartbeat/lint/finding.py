"""What the linter tells."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from heartbeat.metrics.metric import Metric


@dataclass(frozen=True)
class Finding:
    """One thing to mend: where, what and how, by which rule."""

    path: Path
    line: int
    rule: str
    problem: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.problem} [{self.rule}]"


class Rule(Protocol):
    """One thing that the linter looks for in a metric."""

    name: str

    def findings(self, metric: Metric) -> Iterator[Finding]:
        """What is wrong with the metric by this rule."""


@dataclass(frozen=True)
class Statement:
    """One named statement of a metric."""

    name: str
    sql: str
    line: int


def statements(metric: Metric) -> Iterator[Statement]:
    """The value statement, and the history statement where the metric has one."""
    yield Statement("value", metric.value_sql, metric.value_line)
    if metric.history_sql is not None and metric.history_line is not None:
        yield Statement("history", metric.history_sql, metric.history_line)
