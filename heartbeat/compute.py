"""Compute metrics: run their statements, judge the value, write history and observation."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import dict_row

from heartbeat.errors import HeartbeatError
from heartbeat.metric import Direction, Metric
from heartbeat.settings import Settings
from heartbeat.sql import platform_statements
from heartbeat.status import Band, Status, judge

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


@dataclass(frozen=True)
class _Result:
    value: Decimal
    history: tuple[tuple[date, Decimal], ...]
    source_as_of: datetime | None


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
    with psycopg.connect(settings.database_url) as connection:
        try:
            result = _run_statements(connection, metric, settings, as_of)
        except ComputeError as error:
            seconds = time.monotonic() - started
            return Outcome(metric.metric_id, as_of, None, (), None, None, str(error), seconds)
        status = _Lines(connection, metric).status(result.value)
    return Outcome(
        metric.metric_id,
        as_of,
        result.value,
        result.history,
        status,
        result.source_as_of,
        None,
        time.monotonic() - started,
    )


def _compute_and_store_one(
    metric: Metric, settings: Settings, as_of: datetime, run_id: str
) -> Outcome:
    outcome = compute(metric, settings, as_of=as_of)
    with psycopg.connect(settings.database_url) as connection:
        _store(connection, metric, outcome, settings, run_id)
    return outcome


def _run_statements(
    connection: Connection[Any], metric: Metric, settings: Settings, as_of: datetime
) -> _Result:
    connection.read_only = True
    try:
        with connection.transaction():
            _set_locally(connection, "statement_timeout", settings.statement_timeout)
            _set_locally(connection, "heartbeat.as_of", as_of.isoformat())
            _set_locally(connection, "heartbeat.timezone", settings.timezone)
            value = _value(connection, metric)
            history = _history(connection, metric)
            source_as_of = _source_as_of(connection, metric)
    finally:
        connection.read_only = None
    return _Result(value, history, source_as_of)


def _set_locally(connection: Connection[Any], setting: str, value: str) -> None:
    connection.execute("select set_config(%s, %s, true)", [setting, value])


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
    if rows and (len(rows[0]) != 2 or type(rows[0][0]) is not date):
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


def _source_as_of(connection: Connection[Any], metric: Metric) -> datetime | None:
    reads = [str(table) for table in metric.reads]
    row = connection.execute(_STATEMENTS["source_as_of"], {"reads": reads}).fetchone()
    return row[0] if row else None


class _Lines:
    """The registry's present lines of one metric; without a row nothing can be judged."""

    def __init__(self, connection: Connection[Any], metric: Metric) -> None:
        cursor = connection.cursor(row_factory=dict_row)
        self._row = cursor.execute(_STATEMENTS["lines"], {"metric_id": metric.metric_id}).fetchone()

    def status(self, value: Decimal) -> Status | None:
        if self._row is None:
            return None
        return judge(
            value,
            Direction(self._row["direction"]),
            self._row["norm_value"],
            self._row["alert_value"],
            self._row["target_value"],
            self._band(self._row),
            self._row["amber_z"],
            self._row["red_z"],
        ).status

    def _band(self, row: Mapping[str, Any]) -> Band | None:
        if row["benchmark_mean"] is None:
            return None
        return Band(row["benchmark_mean"], row["benchmark_stddev"], row["benchmark_n"])


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
        lines = _Lines(connection, metric)
        past = [
            values | {"d": d, "v": v, "status": lines.status(v)}
            for d, v in outcome.history
            if d < today
        ]
        connection.cursor().executemany(_STATEMENTS["past_day"], past)
