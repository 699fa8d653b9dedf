"""The lines of a metric as its registry row holds them now, and the judgement by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from heartbeat.judgement.status import Band, Judgement, judge
from heartbeat.metrics.metric import Direction, Kind
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("compute")


@dataclass(frozen=True, kw_only=True)
class RegisteredLines:
    """The columns of `metric_registry` that decide a status."""

    metric_id: str
    unit: str
    direction: str
    kind: str
    norm_value: Decimal | None
    alert_value: Decimal | None
    target_value: Decimal | None
    amber_z: float
    red_z: float
    benchmark_mean: float | None
    benchmark_stddev: float | None
    benchmark_n: int | None
    benchmark_weekday_means: Sequence[float | None] | None

    def typical(self, day: date) -> Band | None:
        """The benchmark's band for a business day, for a metric that keeps one."""
        mean, stddev, n = self.benchmark_mean, self.benchmark_stddev, self.benchmark_n
        if self.benchmark_weekday_means is not None:
            mean = self.benchmark_weekday_means[day.weekday()]
        if self.kind != Kind.ROLLING_STAT or mean is None or stddev is None or n is None:
            return None
        return Band(mean, stddev, n)

    def judge(self, value: Decimal, day: date) -> Judgement:
        """What the value of that business day means by these lines."""
        return judge(
            value,
            direction=Direction(self.direction),
            norm_value=self.norm_value,
            alert_value=self.alert_value,
            target_value=self.target_value,
            band=self.typical(day),
            amber_z=self.amber_z,
            red_z=self.red_z,
            unit=self.unit,
        )


def read_lines(
    connection: Connection[Any], metric_ids: Sequence[str]
) -> Mapping[str, RegisteredLines]:
    """The present lines by metric_id, of those that are registered."""
    cursor = connection.cursor(row_factory=class_row(RegisteredLines))
    asked = {"metric_ids": list(metric_ids)}
    rows = cursor.execute(_STATEMENTS["lines"].encode(), asked).fetchall()
    return {row.metric_id: row for row in rows}
