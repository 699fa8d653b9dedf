"""Compute metrics as of one moment, and store what each of them gave."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as clock
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import Connection

from heartbeat.author_query import QueryError, fault
from heartbeat.judgement.status import Judgement, Status, severity_step
from heartbeat.login import Login
from heartbeat.marts_session import read_as_of, source_as_of
from heartbeat.metrics.metric import Metric
from heartbeat.metrics.metric_query import read_history, read_value
from heartbeat.metrics.registered_lines import RegisteredLines, read_lines
from heartbeat.platform_state import disk_space, store_disk
from heartbeat.postgres_session import connect
from heartbeat.settings import Settings
from heartbeat.sql import platform_statements

WORKERS = 4
"""Metrics computed at the same time, each on a connection of its own."""

_STATEMENTS = platform_statements("compute")


@dataclass(frozen=True)
class Outcome:
    """What one compute of one metric gave.

    Without a `value` there is an `error`; a `value` with an `error` is good, and the metric's past
    days could not be computed. `history` is None when the past days were not asked for.
    """

    metric_id: str
    as_of: datetime
    seconds: float
    value: Decimal | None = None
    history: tuple[tuple[date, Decimal], ...] | None = None
    source_as_of: datetime | None = None
    judgement: Judgement | None = None
    error: str | None = None

    @property
    def status(self) -> Status | None:
        """The status of the value; None without a value or before the metric is registered."""
        return self.judgement.status if self.judgement else None


def compute_and_store(
    metrics: Sequence[Metric],
    settings: Settings,
    *,
    as_of: datetime,
    run_id: str,
    all_days: bool = False,
) -> Iterator[Outcome]:
    """Compute all metrics as of one moment and store each as it is done; yields in that order.

    The metrics must be registered. One metric's failure is its own outcome and touches no other.
    Past days are computed for those whose past days no compute of this business day, or none by
    their present definition, has looked at; with `all_days` for every one. Repeating it under the
    same moment and run changes nothing.
    """
    with connect(settings.login_url(Login.COMPUTE), autocommit=True) as connection:
        store_disk(connection, disk_space(settings.home))
        store = _Store(connection, settings, as_of, run_id)
        due = set(metrics) if all_days else store.due(metrics)
        lines = read_lines(connection, [metric.metric_id for metric in metrics])
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="compute") as pool:
            futures = [
                pool.submit(
                    compute,
                    metric,
                    settings,
                    as_of=as_of,
                    lines=lines.get(metric.metric_id),
                    with_history=metric in due,
                )
                for metric in metrics
            ]
            try:
                for future in as_completed(futures):
                    outcome = future.result()
                    store.put(outcome, lines.get(outcome.metric_id))
                    yield outcome
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


def compute(
    metric: Metric,
    settings: Settings,
    *,
    as_of: datetime,
    lines: RegisteredLines | None = None,
    with_history: bool = True,
) -> Outcome:
    """Compute one metric as of any moment and store nothing; judged when there are `lines`."""
    started = time.monotonic()
    day = as_of.astimezone(settings.zone).date()
    found: dict[str, Any] = {}

    def read(connection: Connection[Any]) -> None:
        found["source_as_of"] = source_as_of(connection, metric.reads)
        found["value"] = read_value(connection, metric)
        if lines:
            found["judgement"] = lines.judge(found["value"], day)
        if with_history:
            found["history"] = read_history(connection, metric)

    try:
        read_as_of(settings, metric.reads, read, as_of=as_of)
    except QueryError as error:
        found["error"] = str(error)
    except psycopg.Error as error:
        found["error"] = f"{metric.path.name}: {fault(error)}"
    return Outcome(metric.metric_id, as_of, time.monotonic() - started, **found)


@dataclass(frozen=True)
class _Store:
    """Where the outcomes of one run go."""

    connection: Connection[Any]
    settings: Settings
    as_of: datetime
    run_id: str

    @property
    def _today(self) -> date:
        return self.as_of.astimezone(self.settings.zone).date()

    def due(self, metrics: Sequence[Metric]) -> set[Metric]:
        """The metrics whose past days must be looked at."""
        by_id = {metric.metric_id: metric for metric in metrics if metric.history_sql}
        asked = {
            "metric_ids": list(by_id),
            "day_begins": datetime.combine(self._today, clock(), self.settings.zone),
        }
        return {by_id[name] for (name,) in self.connection.execute(_sql("backfills_due"), asked)}

    def put(self, outcome: Outcome, lines: RegisteredLines | None) -> None:
        """Store one outcome in one transaction."""
        with self.connection.transaction():
            row = self._row(outcome)
            self.connection.execute(_sql("observe"), row)
            self.connection.execute(_sql("today"), row)
            if outcome.history is not None and outcome.error is None:
                self.connection.execute(_sql("past_days"), row | self._past(outcome, lines))
                self.connection.execute(_sql("backfilled"), row)

    def _row(self, outcome: Outcome) -> dict[str, Any]:
        return {
            "metric_id": outcome.metric_id,
            "d": self._today,
            "as_of": self.as_of,
            "computed_at": datetime.now(UTC),
            "v": outcome.value,
            "source_as_of": outcome.source_as_of,
            "status": outcome.status,
            "severity_step": self._severity_step(outcome),
            "error": outcome.error,
            "seconds": outcome.seconds,
            "run_id": self.run_id,
        }

    def _severity_step(self, outcome: Outcome) -> float | None:
        if outcome.judgement is None:
            return None
        asked = {"metric_id": outcome.metric_id}
        last = self.connection.execute(_sql("last_severity_step"), asked).fetchone()
        return severity_step(outcome.judgement.severity, last[0] if last else None)

    def _past(self, outcome: Outcome, lines: RegisteredLines | None) -> dict[str, Any]:
        past = [(d, v) for d, v in outcome.history or () if d < self._today]
        return {
            "days": [d for d, _ in past],
            "values": [v for _, v in past],
            "statuses": [lines.judge(v, d).status.value if lines else None for d, v in past],
        }


def _sql(name: str) -> bytes:
    return _STATEMENTS[name].encode()
