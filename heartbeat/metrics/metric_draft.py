"""A new metric's file, from a landed table and what its author knows of it."""

from dataclasses import dataclass
from enum import StrEnum
from textwrap import dedent

import yaml

from heartbeat.errors import HeartbeatError
from heartbeat.metrics.metric import METRIC_ID, Direction, Kind, Period
from heartbeat.project import LandedTable

ROLLING = {
    Period.DAY: "interval '24 hours'",
    Period.WEEK: "interval '7 days'",
    Period.MONTH: "interval '30 days'",
}
"""The periods that look back over a window, which needs a column that dates a row."""


class DraftError(HeartbeatError):
    """What was asked for does not fit the table."""


class Measure(StrEnum):
    """What a first draft counts; its author makes the real metric of it."""

    COUNT = "count"
    """Rows."""
    SUM = "sum"
    """Of a column, in its unit."""
    OLDEST = "oldest"
    """Hours since the earliest moment of a column."""


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
        known = {column.landed_as: column for column in self.table.table.columns}
        for column in filter(None, (self.column, self.time_column)):
            if column not in known:
                names = ", ".join(sorted(known))
                raise DraftError(f"{self.table.reference} has no column {column}; it has {names}")
        if self.measure is not Measure.COUNT and self.column is None:
            raise DraftError(f"the measure {self.measure} needs a column")
        if self.period in ROLLING and self.time_column is None:
            raise DraftError(f"the period {self.period} needs the column that dates a row")
        aged = self.column if self.measure is Measure.OLDEST else None
        for dated in filter(None, (self.time_column, aged)):
            if not known[dated].is_temporal:
                raise DraftError(
                    f"{dated} is {known[dated].landed_type}, which is no moment in time"
                )

    def _header(self) -> dict[str, object]:
        rolling = self.period in ROLLING
        counted = {
            Measure.COUNT: "Rows",
            Measure.SUM: f"Sum of {self.column}",
            Measure.OLDEST: f"Hours since the earliest {self.column}",
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
        statement = f"select {self._measured('heartbeat.as_of()')}\nfrom {self.table.reference} t"
        if self.period not in ROLLING:
            return statement
        return f"{statement}\nwhere\n    {self._in_window('heartbeat.as_of()', 4)}"

    def _history(self) -> str:
        return dedent(
            f"""\
            with days as materialized (
                select d, closes
                from heartbeat.business_days()
                where not is_today
            )
            select days.d, {self._measured("days.closes")} as v
            from days
            left join {self.table.reference} t on
                {self._in_window("days.closes", 16)}
            group by days.d, days.closes
            order by days.d"""  # noqa: S608 - the text of a file
        )

    def _measured(self, moment: str) -> str:
        if self.measure is Measure.COUNT:
            return f"count(t.{self.time_column})" if self.period in ROLLING else "count(*)"
        if self.measure is Measure.SUM:
            return f"coalesce(sum(t.{self.column}), 0)"
        at = self._as_typed(moment, self.column)
        return f"coalesce(round(extract(epoch from {at} - min(t.{self.column})) / 3600, 1), 0)"

    def _in_window(self, moment: str, indentation: int) -> str:
        at = self._as_typed(moment, self.time_column)
        since = f"t.{self.time_column} >= {at} - {ROLLING[self.period]}"
        return f"{since}\n{' ' * indentation}and t.{self.time_column} < {at}"

    def _as_typed(self, moment: str, column: str | None) -> str:
        """The moment in the type of the column: landed moments without a zone are UTC."""
        types = {each.landed_as: each.landed_type for each in self.table.table.columns}
        zoned = "with time zone" in types[column or ""]
        return moment if zoned else f"{moment} at time zone 'UTC'"


def _yaml(header: dict[str, object]) -> str:
    lines = []
    for key, value in header.items():
        text = yaml.safe_dump(value, allow_unicode=True, width=10_000).removesuffix("...\n")
        lines.append(f"{key}: {text.strip()}" if value != "" else f"{key}:")
    return "\n".join(lines) + "\n"
