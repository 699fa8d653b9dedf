"""A metric as its file defines it: one number, its lines, and the tables that it reads."""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from heartbeat.table_reference import TableRef

METRIC_ID = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
"""What a metric may be called: the name of its file, of its asset, and of its rows."""


class Period(StrEnum):
    """The window that one value covers; `snapshot` is the state of things at one moment."""

    SNAPSHOT = "snapshot"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    FUNNEL = "funnel"


class Direction(StrEnum):
    """Which side is good."""

    HIGHER_IS_BETTER = "higher_is_better"
    LOWER_IS_BETTER = "lower_is_better"
    IN_RANGE = "in_range"


class Kind(StrEnum):
    """`rolling_stat` keeps a typical band (mean and standard deviation); `threshold` does not."""

    ROLLING_STAT = "rolling_stat"
    THRESHOLD = "threshold"


class Season(StrEnum):
    """What a typical value depends on by itself."""

    WEEKDAY = "weekday"


@dataclass(frozen=True)
class Metric:
    """One metric file, read and checked.

    `norm_value` (amber), `alert_value` (red) and `target_value` are in `unit`. With direction
    `in_range` the target is the centre of the range, and norm and alert are distances from it on
    either side, in `unit` and never negative: target 100, norm 10, alert 25 is green from 90 to
    110, amber from 75 to 125, red outside. A range so needs its target, and moving the target
    moves the range; for the other directions the target never changes a status.

    `amber_z` and `red_z` are the distances from the typical mean, in standard deviations, at which
    the band turns amber and red. The band is made of the last `benchmark_days` complete days; with
    a `season` each weekday has a mean of its own. `value_line` and `history_line` are the lines of
    the file on which the statements begin. `reads` holds the tables of both statements.
    """

    metric_id: str
    code: str
    name: str
    short_name: str
    period: Period
    unit: str
    direction: Direction
    kind: Kind
    norm_value: Decimal | None
    alert_value: Decimal | None
    target_value: Decimal | None
    target_due_date: date | None
    owner: str | None
    cuts: tuple[str, ...]
    description: str
    how_to_read: str
    methodology: str
    notes: str
    amber_z: float
    red_z: float
    benchmark_days: int
    season: Season | None
    path: Path
    value_sql: str
    value_line: int
    history_sql: str | None
    history_line: int | None
    reads: tuple[TableRef, ...]
