"""A metric as people and programs see it now: registry row, history and the moment, judged."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection

from heartbeat.judgement.freshness import Freshness, freshness
from heartbeat.judgement.signal import Shown, Signal, State, fold, is_older_than_known, since
from heartbeat.judgement.status import Band, Status, severity_step
from heartbeat.judgement.wording import delta_text, value_text
from heartbeat.metrics.metric import Direction, Kind, Period
from heartbeat.metrics.metric_rows import (
    DayState,
    DayValue,
    MetricRow,
    ObservedState,
    Restatement,
    read_rows,
)
from heartbeat.metrics.platform_metrics import (
    PresentValue,
    is_platform_metric,
    present_values,
)
from heartbeat.metrics.verification import VerificationState


@dataclass(frozen=True)
class MetricView:
    """One metric of `GET /api/metrics`; the fields are the JSON contract.

    `status`, `reason`, `severity` and `target_hit` are judged when it is read, from the last good
    value and the registry's present lines, so an operator's edit shows at once. `severity_step` is
    what the wall orders by. `since` is the start of the present state; with `since_at_least` the
    state may be older, for history begins with it. `typical` is the band of the value's own
    business day. `computed_at` and `source_as_of` belong to the last good value.
    `verification_reason` says who verified it, or why it is not verified, since when.
    `sparkline` holds the last 90 business days that have a value, oldest first; `restated` those
    among them that changed after they had closed, newest first. Values, lines and `typical` are in
    `unit`. The value of a metric of the platform itself is that of the moment of the read.
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
    severity_step: float
    reason: str
    since: datetime
    since_at_least: bool
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
    verification_state: VerificationState
    verification_since: datetime | None
    verification_reason: str
    owner: str | None
    reads: tuple[str, ...]
    cuts: tuple[str, ...]
    sparkline: tuple[DayValue, ...]
    restated: tuple[Restatement, ...]


def read_metrics(
    connection: Connection[Any], *, now: datetime, zone: ZoneInfo
) -> tuple[MetricView, ...]:
    """Every registered metric in the order of the wall; `zone` cuts the business days."""
    today = now.astimezone(zone).date()
    rows = read_rows(connection, now=now, today=today)
    present = present_values(connection, rows.metrics, now)
    return in_wall_order(
        metric_view(
            _at_present(row, present.get(row.metric_id), today),
            sparkline=rows.sparklines[row.metric_id],
            states=stored_states(rows.days[row.metric_id], rows.observed[row.metric_id], zone),
            restated=rows.restatements[row.metric_id],
            now=now,
        )
        for row in rows.metrics
    )


def metric_view(
    row: MetricRow,
    *,
    sparkline: Sequence[DayValue],
    states: Sequence[State],
    now: datetime,
    restated: Sequence[Restatement] = (),
) -> MetricView:
    """The view of one metric; `states` are its stored states in order of time."""
    value, day = row.last_good, row.last_good_day
    judgement = None if value is None or day is None else row.judge(value, day)
    typical = row.typical(day) if day else None
    shown = fold(judgement.status if judgement else None, row.error)
    severity = judgement.severity if judgement else 0.0
    verified = row.verification
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
        severity=severity,
        severity_step=severity_step(severity, row.severity_step),
        reason=judgement.reason if judgement else _reason_without_value(shown.signal),
        since=present_since(
            states, shown, row.drifted_since or row.computed_at or row.registered_at
        ),
        since_at_least=_is_present(states, shown) and is_older_than_known(states),
        signal=shown.signal,
        error=row.error,
        typical=typical,
        delta_text=_delta(row, typical),
        norm_value=row.norm_value,
        alert_value=row.alert_value,
        target_value=row.target_value,
        target_due_date=row.target_due_date,
        target_hit=judgement.target_hit if judgement else False,
        computed_at=row.computed_at,
        source_as_of=row.source_as_of,
        freshness=freshness(Period(row.period), row.source_as_of, now),
        verification_state=verified.state,
        verification_since=verified.since,
        verification_reason=verified.reason,
        owner=row.owner,
        reads=tuple(row.reads),
        cuts=tuple(row.cuts),
        sparkline=tuple(sparkline),
        restated=tuple(restated),
    )


def _at_present(row: MetricRow, present: PresentValue | None, today: date) -> MetricRow:
    """A metric of the platform as it is now; any other as its last compute left it.

    `computed_at` stays: a state that no compute has stored began after it.
    """
    if present is None:
        return row
    if present.error is not None:
        return replace(row, error=present.error)
    if present.value is None:
        return replace(row, last_good=None, last_good_day=None, source_as_of=None, error=None)
    return replace(
        row,
        last_good=present.value,
        last_good_day=today,
        source_as_of=present.source_as_of,
        error=None,
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
    if not _is_present(states, shown):
        begun = max([judged_at, *(state.at for state in states[-1:])])
        states = [*states, State(begun, shown.status, shown.signal)]
    start = since(states)
    assert start is not None
    return start


def _is_present(states: Sequence[State], shown: Shown) -> bool:
    """Whether the last state that is stored is the one that is shown."""
    return bool(states) and (states[-1].status, states[-1].signal) == (shown.status, shown.signal)


def oldest_poll(views: Iterable[MetricView]) -> datetime | None:
    """How old the sources are behind the values that are shown: their oldest poll.

    None without a value of known age.
    """
    polls = (view.source_as_of for view in views if view.value is not None)
    return min((poll for poll in polls if poll is not None), default=None)


def in_wall_order(views: Iterable[MetricView]) -> tuple[MetricView, ...]:
    """Red, then amber and no signal, then ok.

    Within the first two: severity in steps of 0.5, so that noise does not reshuffle them, then the
    longest in its state, then code. What is ok keeps a fixed place, by code, and what the platform
    says of itself comes last.
    """
    return tuple(sorted(views, key=_wall_order))


def _wall_order(view: MetricView) -> tuple[int, float, float, str]:
    if view.status is Status.GREEN and view.signal is Signal.OK:
        return 2, float(is_platform_metric(view)), 0.0, view.code
    tier = 0 if view.status is Status.RED else 1
    return tier, -view.severity_step, view.since.timestamp(), view.code


def _delta(row: MetricRow, typical: Band | None) -> str | None:
    if row.last_good is None or typical is None:
        return None
    return delta_text(row.last_good, typical.mean, row.unit)


def _reason_without_value(signal: Signal) -> str:
    return "no value yet: the compute failed" if signal is Signal.ERROR else "no data yet"


def _observed_state(compute: ObservedState, before: Status | None) -> State:
    status = Status(compute.status) if compute.status else before or Status.AMBER
    return State(compute.computed_at, status, Signal.ERROR if compute.failed else Signal.OK)
