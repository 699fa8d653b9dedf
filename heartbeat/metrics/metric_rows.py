"""What the schema `heartbeat` holds of the metrics, read for people and programs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from psycopg import Connection
from psycopg.rows import class_row, dict_row

from heartbeat.metrics.registered_lines import RegisteredLines
from heartbeat.metrics.verification import Signature, Verification, VerificationState, verification
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("metric_rows")

_Row = TypeVar("_Row")


@dataclass(frozen=True)
class DayValue:
    """The value of one business day."""

    d: date
    v: Decimal


@dataclass(frozen=True)
class Restatement:
    """A day whose value changed after it had closed: `before` is the value that it closed with."""

    d: date
    v: Decimal
    before: Decimal
    at: datetime


@dataclass(frozen=True)
class MetricProse:
    """What the author wrote about a metric, for its detail page."""

    description: str
    how_to_read: str
    methodology: str
    notes: str


@dataclass(frozen=True, kw_only=True)
class MetricRow(RegisteredLines):
    """One row of `heartbeat.metric_registry` with the last good value and the last error.

    `definition` and `signed_definition` are there where they differ.
    """

    code: str
    name: str
    short_name: str
    period: str
    target_due_date: date | None
    verification_state: str
    owner: str | None
    reads: Sequence[str]
    cuts: Sequence[str]
    registered_at: datetime
    last_good: Decimal | None
    last_good_day: date | None
    severity_step: float | None
    computed_at: datetime | None
    source_as_of: datetime | None
    error: str | None
    """Of the last compute, or what its tables have lost since then."""
    drifted_since: datetime | None = None
    """When they lost it; None where the last compute is later."""
    definition: Mapping[str, Any] | None
    definition_hash: str | None
    definition_changed_at: datetime | None
    signed_at: datetime | None
    signed_by: str | None
    signed_definition: Mapping[str, Any] | None
    signed_hash: str | None

    @property
    def verification(self) -> Verification:
        """Whether the last signature holds."""
        return verification(
            VerificationState(self.verification_state),
            self._signature,
            self.definition,
            self.definition_hash,
            self.definition_changed_at,
        )

    @property
    def _signature(self) -> Signature | None:
        if self.signed_at is None or self.signed_by is None or self.signed_hash is None:
            return None
        definition = self.signed_definition or {}
        return Signature(self.signed_at, self.signed_by, definition, self.signed_hash)


@dataclass(frozen=True)
class Observation:
    """One compute as it was believed at the time."""

    as_of: datetime
    computed_at: datetime
    v: Decimal | None
    status: str | None
    error: str | None
    seconds: float
    run_id: str


@dataclass(frozen=True)
class DayState:
    """A business day on which the stored status of a metric changed."""

    d: date
    status: str


@dataclass(frozen=True)
class ObservedState:
    """A compute whose status or outcome differs from the compute before it."""

    computed_at: datetime
    status: str | None
    failed: bool


@dataclass(frozen=True)
class MetricRows:
    """All that is stored of the metrics now; by metric_id, in order of time."""

    metrics: Sequence[MetricRow]
    sparklines: Mapping[str, Sequence[DayValue]]
    restatements: Mapping[str, Sequence[Restatement]]
    days: Mapping[str, Sequence[DayState]]
    observed: Mapping[str, Sequence[ObservedState]]


def read_rows(connection: Connection[Any], *, now: datetime, today: date) -> MetricRows:
    """Everything for the wall: 90 business days, 14 days of computes.

    Consistent over its statements when the connection reads `repeatable read`.
    """
    moment = {"now": now, "today": today}
    return MetricRows(
        metrics=_read(connection, MetricRow, "metrics", moment),
        sparklines=_sparklines(connection, moment),
        restatements=_by_metric(connection, Restatement, "restatements", moment),
        days=_by_metric(connection, DayState, "day_states", moment),
        observed=_by_metric(connection, ObservedState, "observed_states", moment),
    )


def read_prose(connection: Connection[Any]) -> Mapping[str, MetricProse]:
    """The authors' texts by metric_id."""
    grouped = _by_metric(connection, MetricProse, "prose", {})
    return {metric_id: prose for metric_id, (prose,) in grouped.items()}


def read_days(connection: Connection[Any], metric_id: str) -> tuple[DayValue, ...]:
    """All business days of a metric that have a value, oldest first."""
    return tuple(_read(connection, DayValue, "days", {"metric_id": metric_id}))


def read_observations(
    connection: Connection[Any], metric_id: str, number: int
) -> tuple[Observation, ...]:
    """The last computes of a metric, newest first."""
    asked = {"metric_id": metric_id, "number": number}
    return tuple(_read(connection, Observation, "observations", asked))


def read_last_compute(connection: Connection[Any]) -> datetime | None:
    """When half of the metrics or more were computed last, well or not."""
    row = connection.execute(_STATEMENTS["last_compute"].encode()).fetchone()
    return row[0] if row else None


def read_polls(connection: Connection[Any]) -> Mapping[str, datetime | None]:
    """When each table was last polled, by `schema.table`."""
    rows = connection.execute(_STATEMENTS["polls"].encode()).fetchall()
    return dict(rows)


def _read(
    connection: Connection[Any], row: type[_Row], name: str, parameters: Mapping[str, Any]
) -> list[_Row]:
    with connection.cursor(row_factory=class_row(row)) as cursor:
        return cursor.execute(_STATEMENTS[name].encode(), parameters).fetchall()


def _sparklines(
    connection: Connection[Any], moment: Mapping[str, Any]
) -> defaultdict[str, list[DayValue]]:
    sparklines: defaultdict[str, list[DayValue]] = defaultdict(list)
    for metric_id, days, values in connection.execute(_STATEMENTS["sparklines"].encode(), moment):
        sparklines[metric_id] = list(map(DayValue, days, values))
    return sparklines


def _by_metric(
    connection: Connection[Any], row: type[_Row], name: str, parameters: Mapping[str, Any]
) -> defaultdict[str, list[_Row]]:
    """The rows without their metric_id, grouped by it."""
    grouped: defaultdict[str, list[_Row]] = defaultdict(list)
    with connection.cursor(row_factory=dict_row) as cursor:
        for columns in cursor.execute(_STATEMENTS[name].encode(), parameters).fetchall():
            grouped[columns.pop("metric_id")].append(row(**columns))
    return grouped
