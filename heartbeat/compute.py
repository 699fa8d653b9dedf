"""Compute metrics: run their statements, judge the value, write history and observation."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import class_row

from heartbeat.errors import HeartbeatError
from heartbeat.marts_session import reading_as_of, source_as_of
from heartbeat.metric import Metric
from heartbeat.registered_lines import RegisteredLines
from heartbeat.settings import Settings
from heartbeat.sql import platform_statements
from heartbeat.status import Status

WORKERS = 4
"""Metrics computed at the same time, each on a connection of its own."""

_STATEMENTS = platform_statements("compute")


class ComputeError(HeartbeatError):
    """A metric's statement gave no usable number; the message says where and why."""


@dataclass(frozen=True)
class Outcome:
    """What one compute of one metric gave; exactly one of `value` and `error` is set."""

    metric_id: str
    as_of: datetime
    value: Decimal | None
    history: tuple[tuple[date, Decimal], ...]
    status: Status | None
    source_as_of: datetime | None
    error: str | None
    seconds: float


def compute_and_store(
    metrics: Sequence[Metric], settings: Settings, *, as_of: datetime, run_id: str
) -> Iterator[Outcome]:
    """Compute all metrics as of one moment and store each as it is done; yields in that order.

    The metrics must be registered. One metric's failure is its own outcome and touches no other.
    """
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="compute") as pool:
        futures = [
            pool.submit(_compute_and_store_one, metric, settings, as_of, run_id)
            for metric in metrics
        ]
        for future in as_completed(futures):
            yield future.result()


def compute(metric: Metric, settings: Settings, *, as_of: datetime) -> Outcome:
    """Compute one metric as of any moment and store nothing."""
    started = time.monotonic()
    with reading_as_of(
        settings.database_url,
        as_of=as_of,
        timezone=settings.timezone,
        statement_timeout=settings.statement_timeout,
    ) as connection:
        try:
            value = _value(connection, metric)
            history = _history(connection, metric)
        except ComputeError as error:
            seconds = time.monotonic() - started
            return Outcome(metric.metric_id, as_of, None, (), None, None, str(error), seconds)
        status = _status(_lines(connection, metric), value)
        oldest_poll = source_as_of(connection, metric.reads)
    seconds = time.monotonic() - started
    return Outcome(metric.metric_id, as_of, value, history, status, oldest_poll, None, seconds)


def _compute_and_store_one(
    metric: Metric, settings: Settings, as_of: datetime, run_id: str
) -> Outcome:
    outcome = compute(metric, settings, as_of=as_of)
    with psycopg.connect(settings.database_url) as connection:
        _store(connection, metric, outcome, settings, run_id)
    return outcome


def _value(connection: Connection[Any], metric: Metric) -> Decimal:
    rows = _rows(connection, metric, metric.value_sql, metric.value_line)
    where = f"{metric.path.name}:{metric.value_line}: the value statement"
    if len(rows) != 1:
        count = "no row" if not rows else "more than one row"
        raise ComputeError(f"{where} returned {count}; it must return one row with one number")
    if len(rows[0]) != 1:
        raise ComputeError(f"{where} returned {len(rows[0])} columns; it must return one number")
    return _number(rows[0][0], where)


def _history(connection: Connection[Any], metric: Metric) -> tuple[tuple[date, Decimal], ...]:
    if metric.history_sql is None or metric.history_line is None:
        return ()
    rows = _rows(connection, metric, metric.history_sql, metric.history_line)
    where = f"{metric.path.name}:{metric.history_line}: the history statement"
    if any(len(row) != 2 or type(row[0]) is not date for row in rows):
        raise ComputeError(f"{where} must return two columns: a date d and a number v")
    days = [(d, _number(v, f"{where}, day {d},")) for d, v in rows if v is not None]
    if len({d for d, _ in days}) != len(days):
        raise ComputeError(f"{where} returned a day twice; it must return one row a business day")
    return tuple(days)


def _rows(
    connection: Connection[Any], metric: Metric, statement: str, first_line: int
) -> list[tuple[Any, ...]]:
    try:
        return connection.execute(statement).fetchall()
    except psycopg.Error as error:
        position = error.diag.statement_position
        before = statement[: int(position)] if position else ""
        line = first_line + before.count("\n")
        message = error.diag.message_primary or str(error)
        hint = f" ({error.diag.message_hint})" if error.diag.message_hint else ""
        raise ComputeError(f"{metric.path.name}:{line}: {message}{hint}") from error


def _number(value: object, where: str) -> Decimal:
    if value is None:
        raise ComputeError(f"{where} returned NULL: there is nothing to compute it from")
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ComputeError(f"{where} returned {type(value).__name__}, not a number")
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        raise ComputeError(f"{where} returned {number}, which is not a finite number")
    return number


def _lines(connection: Connection[Any], metric: Metric) -> RegisteredLines | None:
    """The present lines; none before the metric is registered."""
    cursor = connection.cursor(row_factory=class_row(RegisteredLines))
    return cursor.execute(_STATEMENTS["lines"], {"metric_id": metric.metric_id}).fetchone()


def _status(lines: RegisteredLines | None, value: Decimal) -> Status | None:
    return lines.judge(value).status if lines else None


def _store(
    connection: Connection[Any], metric: Metric, outcome: Outcome, settings: Settings, run_id: str
) -> None:
    today = outcome.as_of.astimezone(settings.zone).date()
    values = {
        "metric_id": outcome.metric_id,
        "d": today,
        "as_of": outcome.as_of,
        "computed_at": datetime.now(UTC),
        "v": outcome.value,
        "source_as_of": outcome.source_as_of,
        "status": outcome.status,
        "error": outcome.error,
        "seconds": outcome.seconds,
        "run_id": run_id,
    }
    with connection.transaction():
        connection.execute(_STATEMENTS["observe"], values)
        if outcome.error is not None:
            connection.execute(_STATEMENTS["today_failed"], values)
            return
        connection.execute(_STATEMENTS["today_computed"], values)
        lines = _lines(connection, metric)
        past = [
            values | {"d": d, "v": v, "status": _status(lines, v)}
            for d, v in outcome.history
            if d < today
        ]
        connection.cursor().executemany(_STATEMENTS["past_day"], past)
