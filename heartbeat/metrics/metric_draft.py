"""A new metric's file, from a landed table and what its author knows of it."""

from dataclasses import dataclass
from enum import StrEnum
from textwrap import dedent

import yaml

from heartbeat.errors import HeartbeatError
from heartbeat.landing.catalog import Column
from heartbeat.metrics.metric import METRIC_ID, Direction, Kind, Period
from heartbeat.project import LandedTable

ROLLING = {Period.DAY: 1, Period.WEEK: 7, Period.MONTH: 30}
"""The days of the periods that look back over a window, which needs a column that dates a row."""

_INTERVALS = {
    Period.DAY: "interval '24 hours'",
    Period.WEEK: "interval '7 days'",
    Period.MONTH: "interval '30 days'",
}
_SECONDS = {"min": 60, "h": 3600, "d": 86400}
_AS_OF = "heartbeat.as_of()"
_TODAY = f"heartbeat.business_day({_AS_OF})"


class DraftError(HeartbeatError):
    """What was asked for does not fit the table."""


class Measure(StrEnum):
    """What a first draft counts; its author makes the real metric of it."""

    COUNT = "count"
    """Rows."""
    SUM = "sum"
    """Of a column, in its unit."""
    OLDEST = "oldest"
    """The age of the earliest moment or date of a column: in min, h or d; of a date in d."""


@dataclass(frozen=True)
class Draft:
    """All that a file needs; `time_column` says to which moment a row belongs."""

    metric_id: str
    code: str
    name: str
    short_name: str
    period: Period
    unit: str
    direction: Direction
    how_to_read: str
    table: LandedTable
    measure: Measure
    column: str | None = None
    time_column: str | None = None
    norm_value: str | None = None
    alert_value: str | None = None

    def text(self) -> str:
        """The file. Raises DraftError for a column that the table does not have or that is needed.

        A snapshot has no history statement: its past grows with every compute.
        """
        self._refuse_what_does_not_fit()
        statements = f"-- name: value\n{self._value()}\n"
        if self.period in ROLLING:
            statements += f"\n-- name: history\n{self._history()}\n"
        return f"/* ---\n{_yaml(self._header())}--- */\n{statements}"

    def _refuse_what_does_not_fit(self) -> None:
        if not METRIC_ID.fullmatch(self.metric_id):
            raise DraftError(
                f"a metric is named a-z, 0-9 and _, a letter first, not '{self.metric_id}'"
            )
        if self.measure is not Measure.COUNT and self.column is None:
            raise DraftError(f"the measure {self.measure} needs a column")
        if self.period in ROLLING and self.time_column is None:
            raise DraftError(f"the period {self.period} needs the column that dates a row")
        if self.time_column is not None:
            self._refuse_no_moment(self._typed(self.time_column))
        if self.column is not None:
            self._refuse_no_measure(self._typed(self.column))

    def _refuse_no_measure(self, column: Column) -> None:
        if self.measure is Measure.SUM and not column.is_number:
            raise DraftError(f"{column.landed_as} is {column.landed_type}, which is no number")
        if self.measure is Measure.OLDEST:
            self._refuse_no_moment(column)
            self._refuse_no_unit_of_age(column)

    def _refuse_no_moment(self, column: Column) -> None:
        if not column.is_temporal:
            problem = f"{column.landed_as} is {column.landed_type}, which is no moment in time"
            raise DraftError(problem)

    def _refuse_no_unit_of_age(self, column: Column) -> None:
        if column.is_date and self.unit != "d":
            raise DraftError(f"{column.landed_as} is a date, whose age is in days: the unit is d")
        if self.unit not in _SECONDS:
            raise DraftError(f"the age of the oldest is in {', '.join(_SECONDS)}, not {self.unit}")

    def _header(self) -> dict[str, object]:
        rolling = self.period in ROLLING
        counted = {
            Measure.COUNT: "Rows",
            Measure.SUM: f"Sum of {self.column}",
            Measure.OLDEST: f"Age ({self.unit}) of the earliest {self.column}",
        }[self.measure]
        window = f", by {self.time_column}, last {self.period}" if rolling else ""
        return {
            "code": self.code,
            "name": self.name,
            "short_name": self.short_name,
            "period": self.period.value,
            "unit": self.unit,
            "direction": self.direction.value,
            "kind": (Kind.ROLLING_STAT if rolling else Kind.THRESHOLD).value,
            "norm_value": self.norm_value or "",
            "alert_value": self.alert_value or "",
            "owner": "",
            "description": f"{self.name}.",
            "how_to_read": self.how_to_read,
            "methodology": f"{counted} of {self.table.reference}{window}.",
        }

    def _value(self) -> str:
        statement = f"select {self._measured(_AS_OF, _TODAY)}\nfrom {self.table.reference} t"
        if self.period not in ROLLING:
            return statement
        return f"{statement}\nwhere\n    {self._in_window(_AS_OF, _TODAY, 4)}"

    def _history(self) -> str:
        return dedent(
            f"""\
            with days as materialized (
                select d, closes
                from heartbeat.business_days()
                where not is_today
            )
            select days.d, {self._measured("days.closes", "days.d")} as v
            from days
            left join {self.table.reference} t on
                {self._in_window("days.closes", "days.d", 16)}
            group by days.d, days.closes
            order by days.d"""  # noqa: S608 - the text of a file
        )

    def _measured(self, moment: str, day: str) -> str:
        """The measure as of the moment, which falls on that business day."""
        if self.measure is Measure.COUNT:
            return f"count(t.{self.time_column})" if self.period in ROLLING else "count(*)"
        if self.measure is Measure.SUM:
            return f"coalesce(sum(t.{self.column}), 0)"
        if self._typed(self.column).is_date:
            return f"coalesce({day} - min(t.{self.column}), 0)"
        at = self._as_typed(moment, self.column)
        seconds = f"extract(epoch from {at} - min(t.{self.column}))"
        return f"coalesce(round({seconds} / {_SECONDS[self.unit]}, 1), 0)"

    def _in_window(self, moment: str, day: str, indentation: int) -> str:
        """Up to the moment; of dates, which are no moments, the business days up to that day."""
        dated = f"t.{self.time_column}"
        if self._typed(self.time_column).is_date:
            bounds = f"{dated} > {day} - {ROLLING[self.period]}", f"{dated} <= {day}"
        else:
            at = self._as_typed(moment, self.time_column)
            bounds = f"{dated} >= {at} - {_INTERVALS[self.period]}", f"{dated} < {at}"
        return f"\n{' ' * indentation}and ".join(bounds)

    def _as_typed(self, moment: str, column: str | None) -> str:
        """The moment in the type of the column: landed moments without a zone are UTC."""
        zoned = "with time zone" in self._typed(column).landed_type
        return moment if zoned else f"{moment} at time zone 'UTC'"

    def _typed(self, name: str | None) -> Column:
        known = {column.landed_as: column for column in self.table.table.columns}
        if name is None or name not in known:
            names = ", ".join(sorted(known))
            raise DraftError(f"{self.table.reference} has no column {name}; it has {names}")
        return known[name]


def _yaml(header: dict[str, object]) -> str:
    lines = []
    for key, value in header.items():
        text = yaml.safe_dump(value, allow_unicode=True, width=10_000).removesuffix("...\n")
        lines.append(f"{key}: {text.strip()}" if value != "" else f"{key}:")
    return "\n".join(lines) + "\n"
