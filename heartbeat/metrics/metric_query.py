"""Run the statements of one metric; what is wrong with them is told in its author's words."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import Connection

from heartbeat.author_query import QueryError, fault, read_rows
from heartbeat.judgement.wording import counted
from heartbeat.marts_session import reading_as_of
from heartbeat.metrics.metric import Metric
from heartbeat.settings import Settings


def read_value(connection: Connection[Any], metric: Metric) -> Decimal:
    """The one number of the value statement; raises QueryError."""
    rows = read_rows(connection, metric.value_sql, metric.path, metric.value_line)
    where = f"{metric.path.name}:{metric.value_line}: the value statement"
    if len(rows) != 1:
        count = counted(len(rows), "row") if rows else "no row"
        raise QueryError(f"{where} returned {count}; it must return one row with one number")
    if len(rows[0]) != 1:
        raise QueryError(
            f"{where} returned {counted(len(rows[0]), 'column')}; it must return one number"
        )
    return _number(rows[0][0], where)


def read_history(connection: Connection[Any], metric: Metric) -> tuple[tuple[date, Decimal], ...]:
    """The days of the history statement, without those that it gives no number; QueryError."""
    if metric.history_sql is None or metric.history_line is None:
        return ()
    rows = read_rows(connection, metric.history_sql, metric.path, metric.history_line)
    where = f"{metric.path.name}:{metric.history_line}: the history statement"
    if any(len(row) != 2 or type(row[0]) is not date for row in rows):
        raise QueryError(f"{where} must return two columns: a date d and a number v")
    days = [(d, _number(v, f"{where}, day {d},")) for d, v in rows if v is not None]
    if len({d for d, _ in days}) != len(days):
        raise QueryError(f"{where} returned a day twice; it must return one row a business day")
    return tuple(days)


def explain(settings: Settings, metric: Metric, *, as_of: datetime) -> str:
    """How Postgres would run the value statement on what is landed, or why it cannot."""
    try:
        with reading_as_of(settings, metric.reads, as_of=as_of) as connection:
            rows = connection.execute(f"explain {metric.value_sql}".encode()).fetchall()
    except QueryError as error:
        return str(error)
    except psycopg.Error as error:
        return fault(error)
    return "\n".join(f"  {line}" for (line,) in rows)


def _number(value: object, where: str) -> Decimal:
    if value is None:
        raise QueryError(f"{where} returned NULL: there is nothing to compute it from")
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise QueryError(f"{where} returned {type(value).__name__}, not a number")
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        raise QueryError(f"{where} returned {number}, which is not a finite number")
    return number
