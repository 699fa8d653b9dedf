"""Rules on what happens when the value is computed on the rows that are landed."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from psycopg import Connection

from heartbeat.author_query import QueryError
from heartbeat.lint.finding import Finding
from heartbeat.marts_session import touched_tables
from heartbeat.metrics.metric import Metric
from heartbeat.metrics.metric_query import read_value
from heartbeat.table_reference import TableRef

SLOW_SECONDS = 5.0
"""What the value of a metric may take at most."""

_OWN_SCHEMA = "heartbeat"


@dataclass(frozen=True)
class Computed:
    """What one compute of a value took and read, or why there is none."""

    seconds: float
    touched: frozenset[TableRef] = frozenset()
    error: str | None = None


@dataclass(frozen=True)
class Values:
    """The values of metrics on one connection; each is computed once."""

    connection: Connection[Any]

    @cached_property
    def _known(self) -> dict[str, Computed]:
        return {}

    def of(self, metric: Metric) -> Computed:
        """What computing the value came to."""
        if metric.value_sql not in self._known:
            self._known[metric.value_sql] = self._computed(metric)
        return self._known[metric.value_sql]

    def _computed(self, metric: Metric) -> Computed:
        started = time.monotonic()
        try:
            # rolled back, it lets its locks go, by which the next one's reads are known
            with self.connection.transaction(force_rollback=True):
                read_value(self.connection, metric)
                seconds = time.monotonic() - started
                return Computed(seconds, touched_tables(self.connection))
        except QueryError as error:
            problem = str(error).partition(": ")[2]
            return Computed(time.monotonic() - started, error=problem)


@dataclass(frozen=True)
class SlowValue:
    """The rule: a value is there in seconds."""

    values: Values
    limit: float = SLOW_SECONDS
    name = "slow-value"

    def findings(self, metric: Metric) -> Iterator[Finding]:
        """One when the value takes longer than the limit, or cannot be computed at all."""
        value = self.values.of(metric)
        if value.error is not None:
            yield Finding(metric.path, metric.value_line, "no-value", value.error)
        elif value.seconds > self.limit:
            problem = f"the value took {value.seconds:.1f} s, more than {self.limit:g} s"
            yield Finding(metric.path, metric.value_line, self.name, problem)


@dataclass(frozen=True)
class UnnamedRead:
    """The rule: a metric names every table that it reads, or its freshness is not that of all.

    Postgres knows them by the locks of the transaction, those below a view or a function too.
    """

    values: Values
    name = "unnamed-read"

    def findings(self, metric: Metric) -> Iterator[Finding]:
        """One for each table that the value reads without its name in the file."""
        for table in sorted(self.values.of(metric).touched.difference(metric.reads)):
            if table.schema != _OWN_SCHEMA:
                problem = f"reads {table}, which the statement does not name: read it by its name"
                yield Finding(metric.path, metric.value_line, self.name, problem)
