"""Metric views for tests of what is made of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from heartbeat.judgement.freshness import Freshness
from heartbeat.judgement.signal import Signal
from heartbeat.judgement.status import Status
from heartbeat.metrics.metric import Direction, Kind, Period
from heartbeat.metrics.metric_view import MetricView
from heartbeat.metrics.verification import VerificationState

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)

_OK = MetricView(
    metric_id="outgoing_stuck_payments",
    code="STUK",
    name="Outgoing payments open for more than 24 h",
    short_name="Stuck payments",
    unit="count",
    period=Period.SNAPSHOT,
    direction=Direction.LOWER_IS_BETTER,
    kind=Kind.THRESHOLD,
    value=Decimal(5),
    value_text="5",
    status=Status.GREEN,
    severity=0.0,
    severity_step=0.0,
    reason="5 crosses no line",
    since=NOW - timedelta(days=6),
    since_at_least=False,
    signal=Signal.OK,
    error=None,
    typical=None,
    delta_text=None,
    norm_value=Decimal(20),
    alert_value=Decimal(60),
    target_value=None,
    target_due_date=None,
    target_hit=False,
    computed_at=NOW - timedelta(minutes=15),
    source_as_of=NOW - timedelta(minutes=41),
    freshness=Freshness.FRESH,
    verification_state=VerificationState.VERIFIED,
    verification_since=NOW - timedelta(days=50),
    verification_reason="verified by dana@bank.example",
    owner=None,
    reads=("core.payment",),
    cuts=(),
    sparkline=(),
    restated=(),
)


def ok(code: str = "STUK", **changes: object) -> MetricView:
    """A metric within its norms."""
    return replace(_OK, **{"code": code, "metric_id": f"metric_{code.lower()}", **changes})  # type: ignore[arg-type]


def amber(code: str = "STUK", **changes: object) -> MetricView:
    """A metric beyond its norm line."""
    beyond = {
        "status": Status.AMBER,
        "severity": 1.5,
        "value": Decimal(40),
        "value_text": "40",
        "reason": "40 is above norm 20",
    }
    return ok(code, **{**beyond, **changes})


def red(code: str = "STUK", **changes: object) -> MetricView:
    """A metric beyond its alert line."""
    beyond = {
        "status": Status.RED,
        "severity": 3.0,
        "value": Decimal(99),
        "value_text": "99",
        "reason": "99 is above alert 60",
    }
    return ok(code, **{**beyond, **changes})


def failed(view: MetricView) -> MetricView:
    """The same metric after a compute that failed."""
    return replace(view, signal=Signal.ERROR, error="division by zero")
