"""A metric as people and programs see it now: registry row, history and the moment, judged."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg.rows import class_row

from heartbeat.freshness import Freshness, freshness
from heartbeat.metric import Direction, Kind, Period
from heartbeat.registered_lines import RegisteredLines
from heartbeat.signal import Shown, Signal, State, fold, since
from heartbeat.sql import platform_statements
from heartbeat.status import Band, Status, severity_step
from heartbeat.wording import delta_text, value_text

_STATEMENTS = platform_statements("metric_view")

_Row = TypeVar("_Row")


@dataclass(frozen=True)
class DayValue:
    """The value of one business day."""

    d: date
    v: Decimal


@dataclass(frozen=True)
class MetricView:
    """One metric of `GET /api/metrics`; the fields are the JSON contract.

    `status`, `reason`, `severity` and `target_hit` are judged when it is read, from the last good
    value and the registry's present lines, so an operator's edit shows at once. `since` is the
    start of the present state. `computed_at` and `source_as_of` belong to the last good value.
    `sparkline` holds the last 90 business days that have a value, oldest first. Values, lines and
    `typical` are in `unit`.
    """

    metric_id: str
    code: str
    name: str
    short_name: str
    unit: str
    period: Period
    direction: Direction
    kind: Kind
    value: Decimal | None
    value_text: str | None
    status: Status
    severity: float
    reason: str
    since: datetime
    signal: Signal
    error: str | None
    typical: Band | None
    delta_text: str | None
    norm_value: Decimal | None
    alert_value: Decimal | None
    target_value: Decimal | None
    target_due_date: date | None
    target_hit: bool
    computed_at: datetime | None
    source_as_of: datetime | None
    freshness: Freshness
    verification_state: str
    owner: str | None
    reads: tuple[str, ...]
    cuts: tuple[str, ...]
    sparkline: tuple[DayValue, ...]


@dataclass(frozen=True)
class MetricProse:
    """What the author wrote about a metric, for its detail page."""

    description: str
    how_to_read: str
    methodology: str
    notes: str


@dataclass(frozen=True, kw_only=True)
class MetricRow(RegisteredLines):
    """One row of `heartbeat.metric_registry` with the last good value and the last error."""

    metric_id: str
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
    computed_at: datetime | None
    source_as_of: datetime | None
    error: str | None


@dataclass(frozen=True)
class DayState:
    """A business day on which the stored status of a metric changed."""

    metric_id: str
    d: date
    status: str


@dataclass(frozen=True)
class ObservedState:
    """A compute whose status or outcome differs from the compute before it."""

    metric_id: str
    computed_at: datetime
    status: str | None
    failed: bool


@dataclass(frozen=True)
class _SparklineRow:
    metric_id: str
    d: date
    v: Decimal


@dataclass(frozen=True)
class _ProseRow:
    metric_id: str
    description: str
    how_to_read: str
    methodology: str
    notes: str


def read_metrics(
    connection: Connection[Any], *, now: datetime, zone: ZoneInfo
) -> tuple[MetricView, ...]:
    """Every registered metric in the order of the wall; `zone` cuts the business days.

    Consistent over its statements when the connection reads `repeatable read`.
    """
    moment = {"now": now, "today": now.astimezone(zone).date()}
    sparklines = _by_metric(_read(connection, _SparklineRow, "sparklines", moment))
    days = _by_metric(_read(connection, DayState, "day_states", moment))
    observed = _by_metric(_read(connection, ObservedState, "observed_states", moment))
    return in_wall_order(
        metric_view(
            row,
            sparkline=[DayValue(point.d, point.v) for point in sparklines[row.metric_id]],
            states=stored_states(days[row.metric_id], observed[row.metric_id], zone),
            now=now,
        )
        for row in _read(connection, MetricRow, "metrics", moment)
    )


def read_prose(connection: Connection[Any]) -> Mapping[str, MetricProse]:
    """The authors' texts by metric_id."""
    return {
        row.metric_id: MetricProse(row.description, row.how_to_read, row.methodology, row.notes)
        for row in _read(connection, _ProseRow, "prose", {})
    }


def metric_view(
    row: MetricRow, *, sparkline: Sequence[DayValue], states: Sequence[State], now: datetime
) -> MetricView:
    """The view of one metric; `states` are its stored states in order of time."""
    judgement = None if row.last_good is None else row.judge(row.last_good)
    shown = fold(judgement.status if judgement else None, row.error)
    value = row.last_good
    return MetricView(
        metric_id=row.metric_id,
        code=row.code,
        name=row.name,
        short_name=row.short_name,
        unit=row.unit,
        period=Period(row.period),
        direction=Direction(row.direction),
        kind=Kind(row.kind),
        value=value,
        value_text=None if value is None else value_text(value, row.unit),
        status=shown.status,
        severity=judgement.severity if judgement else 0.0,
        reason=judgement.reason if judgement else _reason_without_value(shown.signal),
        since=present_since(states, shown, row.computed_at or row.registered_at),
        signal=shown.signal,
        error=row.error,
        typical=row.typical,
        delta_text=_delta(row),
        norm_value=row.norm_value,
        alert_value=row.alert_value,
        target_value=row.target_value,
        target_due_date=row.target_due_date,
        target_hit=judgement.target_hit if judgement else False,
        computed_at=row.computed_at,
        source_as_of=row.source_as_of,
        freshness=freshness(Period(row.period), row.source_as_of, now),
        verification_state=row.verification_state,
        owner=row.owner,
        reads=tuple(row.reads),
        cuts=tuple(row.cuts),
        sparkline=tuple(sparkline),
    )


def stored_states(
    days: Sequence[DayState], observed: Sequence[ObservedState], zone: ZoneInfo
) -> tuple[State, ...]:
    """The stored states in order of time: days until the first observation, computes from there.

    A day begins at midnight in `zone`. A failed compute carries the status before it.
    Observations are read for the last 14 days; further back the hour of a change says nothing.
    """
    first_observed = observed[0].computed_at if observed else None
    day_states = (
        State(datetime.combine(day.d, time(), zone), Status(day.status), Signal.OK) for day in days
    )
    states = [state for state in day_states if first_observed is None or state.at < first_observed]
    for compute in observed:
        states.append(_observed_state(compute, states[-1].status if states else None))
    return tuple(states)


def present_since(states: Sequence[State], shown: Shown, judged_at: datetime) -> datetime:
    """Start of the state that is shown.

    A state that no compute has stored yet, because an operator moved a line, began with the value
    that is now judged differently: at `judged_at`.
    """
    if not states or (states[-1].status, states[-1].signal) != (shown.status, shown.signal):
        begun = max([judged_at, *(state.at for state in states[-1:])])
        states = [*states, State(begun, shown.status, shown.signal)]
    start = since(states)
    assert start is not None
    return start


def in_wall_order(views: Iterable[MetricView]) -> tuple[MetricView, ...]:
    """Red, then amber and no signal, then ok.

    Within the first two: severity in steps of 0.5, so that noise does not reshuffle them, then the
    longest in its state, then code. What is ok keeps a fixed place, by code.
    """
    return tuple(sorted(views, key=_wall_order))


def _wall_order(view: MetricView) -> tuple[int, float, float, str]:
    if view.status is Status.GREEN and view.signal is Signal.OK:
        return 2, 0.0, 0.0, view.code
    tier = 0 if view.status is Status.RED else 1
    return tier, -severity_step(view.severity), view.since.timestamp(), view.code


def _delta(row: MetricRow) -> str | None:
    if row.last_good is None or row.typical is None:
        return None
    return delta_text(row.last_good, row.typical.mean, row.unit)


def _reason_without_value(signal: Signal) -> str:
    return "no value yet: the compute failed" if signal is Signal.ERROR else "no data yet"


def _observed_state(compute: ObservedState, before: Status | None) -> State:
    status = Status(compute.status) if compute.status else before or Status.AMBER
    return State(compute.computed_at, status, Signal.ERROR if compute.failed else Signal.OK)


def _read(
    connection: Connection[Any], row: type[_Row], name: str, parameters: Mapping[str, Any]
) -> list[_Row]:
    with connection.cursor(row_factory=class_row(row)) as cursor:
        return cursor.execute(_STATEMENTS[name].encode(), parameters).fetchall()


def _by_metric(rows: Iterable[Any]) -> defaultdict[str, list[Any]]:
    grouped: defaultdict[str, list[Any]] = defaultdict(list)
    for row in rows:
        grouped[row.metric_id].append(row)
    return grouped
