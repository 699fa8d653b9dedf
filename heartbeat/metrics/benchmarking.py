"""The daily benchmarks: from the history into the registry."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from psycopg import Connection

from heartbeat.judgement.benchmark import Benchmark, benchmark
from heartbeat.login import Login
from heartbeat.metrics.metric import Season
from heartbeat.postgres_session import connect
from heartbeat.settings import Settings
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("benchmarking")


def store_benchmarks(settings: Settings, *, now: datetime) -> Mapping[str, Benchmark | None]:
    """Write the benchmark of every metric that keeps a band, in one transaction; by metric_id.

    None takes a benchmark away: fewer than 14 days have a value.
    """
    today = now.astimezone(settings.zone).date()
    with connect(settings.login_url(Login.COMPUTE)) as connection, connection.transaction():
        connection.execute("set local role heartbeat_benchmark")
        values = _daily_values(connection, today)
        found = {
            metric_id: benchmark(values[metric_id], today, days, Season(season) if season else None)
            for metric_id, days, season in connection.execute(_sql("metrics")).fetchall()
        }
        rows = [_row(metric_id, each, now) for metric_id, each in found.items()]
        connection.cursor().executemany(_sql("store"), rows)
    return found


def _daily_values(
    connection: Connection[Any], today: date
) -> Mapping[str, Sequence[tuple[date, float]]]:
    values: defaultdict[str, list[tuple[date, float]]] = defaultdict(list)
    for metric_id, d, v in connection.execute(_sql("values"), {"today": today}).fetchall():
        values[metric_id].append((d, float(v)))
    return values


def _row(metric_id: str, found: Benchmark | None, now: datetime) -> dict[str, Any]:
    return {
        "metric_id": metric_id,
        "mean": found.mean if found else None,
        "stddev": found.stddev if found else None,
        "n": found.n if found else None,
        "weekday_means": list(found.weekday_means) if found and found.weekday_means else None,
        "at": now,
    }


def _sql(name: str) -> bytes:
    return _STATEMENTS[name].encode()
