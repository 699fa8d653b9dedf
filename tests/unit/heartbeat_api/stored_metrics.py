"""Metrics for tests, written into a marts database the way sync and compute write them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg

from heartbeat.judgement.status import Band, Status, judge
from heartbeat.metrics.metric import Direction

DAYS = 90


@dataclass(frozen=True)
class StoredMetric:
    """One metric: registry row, daily values (oldest first, the last is today's) and last error."""

    metric_id: str
    code: str
    short_name: str
    unit: str = "count"
    period: str = "24h"
    direction: str = "lower_is_better"
    kind: str = "threshold"
    norm: float | None = None
    alert: float | None = None
    target: float | None = None
    typical: tuple[float, float] | None = None
    name: str = ""
    owner: str | None = None
    verified: bool = True
    values: Sequence[float] = field(default_factory=tuple)
    source_age: timedelta | None = timedelta(minutes=41)
    error: str | None = None
    prose: str = "Counted in the ledger."

    def status(self, value: float) -> Status:
        """The status that a compute would have stored."""
        band = Band(*self.typical, DAYS) if self.typical else None
        return judge(
            Decimal(str(value)),
            Direction(self.direction),
            _decimal(self.norm),
            _decimal(self.alert),
            _decimal(self.target),
            band,
        ).status


def store(
    connection: psycopg.Connection[Any], metrics: Sequence[StoredMetric], now: datetime
) -> None:
    """Replace every metric of the database by these, computed 15 minutes before `now`."""
    with connection.transaction():
        connection.execute("set local role heartbeat_sync")
        connection.execute("delete from heartbeat.metric_registry")
        for metric in metrics:
            _register(connection, metric, now)
        connection.execute("reset role")
        _forget(connection)
        for metric in metrics:
            _remember(connection, metric, now)


def _forget(connection: psycopg.Connection[Any]) -> None:
    # nothing else may forget what was observed and signed
    guarded = ("metric_observation", "metric_signature")
    guard = "alter table heartbeat.{0} {1} trigger {0}_refuse_change"
    for table in guarded:
        connection.execute(guard.format(table, "disable").encode())
    connection.execute(
        "truncate heartbeat.metric_history, heartbeat.metric_observation,"
        " heartbeat.metric_signature"
    )
    for table in guarded:
        connection.execute(guard.format(table, "enable always").encode())


def ramp(start: float, end: float, days: int, noise: float = 0.15) -> tuple[float, ...]:
    """90 values that idle about `start` and climb to `end` over the last `days`."""
    chance = random.Random(f"{start} {end}")
    calm = [start * (1 + chance.uniform(-noise, noise)) for _ in range(DAYS - days)]
    climb = [start + (end - start) * (step + 1) / days for step in range(days)]
    return tuple(round(value, 4) for value in (*calm, *climb))


def calm(level: float, noise: float = 0.08) -> tuple[float, ...]:
    """90 values about `level` that end on it."""
    return ramp(level, level, 1, noise)


def _register(connection: psycopg.Connection[Any], metric: StoredMetric, now: datetime) -> None:
    mean, stddev = metric.typical or (None, None)
    row = {
        "metric_id": metric.metric_id,
        "code": metric.code,
        "name": metric.name or metric.short_name,
        "short_name": metric.short_name,
        "period": metric.period,
        "unit": metric.unit,
        "direction": metric.direction,
        "kind": metric.kind,
        "amber_z": 1,
        "red_z": 2,
        "reads": ["core.payment"],
        "cuts": [],
        "description": metric.prose,
        "how_to_read": metric.prose,
        "methodology": metric.prose,
        "notes": "",
        "norm_value": _decimal(metric.norm),
        "alert_value": _decimal(metric.alert),
        "target_value": _decimal(metric.target),
        "owner": metric.owner,
        "verification_state": "verified" if metric.verified else "unverified",
        "benchmark_mean": mean,
        "benchmark_stddev": stddev,
        "benchmark_n": DAYS if metric.typical else None,
        "registered_at": now - timedelta(hours=2),
        "definition": "{}",
        "definition_hash": "signed",
        "definition_changed_at": now - timedelta(hours=2),
    }
    columns, marks = ", ".join(row), ", ".join(f"%({name})s" for name in row)
    statement = f"insert into heartbeat.metric_registry ({columns}) values ({marks})"
    connection.execute(statement.encode(), row)


def _remember(connection: psycopg.Connection[Any], metric: StoredMetric, now: datetime) -> None:
    if metric.verified:
        connection.execute(
            "insert into heartbeat.metric_signature (metric_id, signed_by, definition,"
            " definition_hash) values (%s, 'dana@bank.example', '{}', 'signed')",
            [metric.metric_id],
        )
    computed_at = now - timedelta(minutes=15)
    source_as_of = now - metric.source_age if metric.source_age is not None else None
    today = now.date()
    rows: list[tuple[str, date, float | None, Status | None]] = [
        (metric.metric_id, today - timedelta(days=back), value, metric.status(value))
        for back, value in zip(range(len(metric.values) - 1, -1, -1), metric.values, strict=True)
    ]
    if not rows and metric.error:
        rows = [(metric.metric_id, today, None, None)]
    copying = (
        "copy heartbeat.metric_history"
        " (metric_id, d, v, status, computed_at, source_as_of, error, run_id) from stdin"
    )
    with connection.cursor().copy(copying) as copy:
        for row in rows:
            error = metric.error if row[1] == today else None
            copy.write_row((*row, computed_at, source_as_of, error, "run"))


def _decimal(line: float | None) -> Decimal | None:
    return None if line is None else Decimal(str(line))


def _wall() -> tuple[StoredMetric, ...]:
    reds = (
        StoredMetric(
            "collateral_overdue_days_max",
            "COLD",
            "MasterCard collateral due",
            "d",
            "snapshot",
            norm=7,
            alert=30,
            target=0,
            owner="finance",
            values=tuple(range(35, 125)),
            name="Collateral overdue, oldest",
        ),
        StoredMetric(
            "fx_rate_staleness_h",
            "FXST",
            "FX rates gap, worst today",
            "h",
            "snapshot",
            kind="rolling_stat",
            norm=2,
            alert=6,
            typical=(1.2, 0.2),
            owner="treasury",
            values=ramp(1.2, 31, 2),
            source_age=timedelta(hours=52),
        ),
        StoredMetric(
            "aml_retrospective_backlog",
            "AMLB",
            "AML alerts older than 24 h",
            "count",
            "snapshot",
            kind="rolling_stat",
            norm=14,
            alert=20,
            typical=(9, 2),
            values=ramp(9, 46, 20),
            verified=False,
        ),
        StoredMetric(
            "payment_reject_rate_24h",
            "SEPR",
            "SEPA payments rejected",
            "%",
            kind="rolling_stat",
            norm=1.5,
            alert=2.5,
            typical=(0.9, 0.15),
            owner="payments",
            values=ramp(0.9, 3.8, 1),
        ),
    )
    ambers = (
        StoredMetric(
            "onboarding_time_p50_h_30d",
            "ONBT",
            "Onboarding, median",
            "h",
            "30d",
            kind="rolling_stat",
            norm=72,
            alert=120,
            target=48,
            typical=(70, 6),
            values=ramp(60, 94, 12),
            verified=False,
        ),
        StoredMetric(
            "outgoing_stuck_payments",
            "STUK",
            "Stuck outgoing payments",
            "count",
            "snapshot",
            norm=20,
            alert=60,
            values=ramp(12, 48, 9),
        ),
        StoredMetric(
            "client_net_flow_eur_7d",
            "FLOW",
            "Net deposits",
            "EUR",
            "7d",
            "higher_is_better",
            norm=-1_000_000,
            alert=-5_000_000,
            values=ramp(700_000, -1_900_000, 14),
            source_age=timedelta(hours=80),
        ),
    )
    oks = (
        StoredMetric(
            "client_balances_eur",
            "BALS",
            "Client balances",
            "EUR",
            "snapshot",
            "higher_is_better",
            values=calm(61_200_000),
        ),
        StoredMetric(
            "active_clients_30d",
            "ACTC",
            "Active clients",
            "count",
            "30d",
            "higher_is_better",
            norm=9000,
            values=calm(12_480),
        ),
        StoredMetric(
            "revenue_eur_24h",
            "REVD",
            "Revenue 24 h",
            "EUR",
            "24h",
            "higher_is_better",
            norm=60_000,
            target=80_000,
            values=calm(84_200),
        ),
        StoredMetric(
            "application_approval_rate",
            "APRV",
            "Approval rate",
            "%",
            "30d",
            "higher_is_better",
            norm=55,
            values=calm(71),
        ),
        StoredMetric(
            "ledger_imbalance_eur",
            "LEDG",
            "Ledger imbalance",
            "EUR",
            "snapshot",
            norm=0,
            alert=0.005,
            values=calm(0),
        ),
        StoredMetric(
            "payee_verification_no_match_rate_24h",
            "PVNM",
            "Payee-check fails",
            "%",
            norm=8,
            values=calm(0.6),
            source_age=timedelta(hours=76),
        ),
        StoredMetric(
            "card_activation_rate_30d",
            "CARD",
            "Card activation",
            "%",
            "30d",
            "higher_is_better",
            norm=75,
            values=calm(82),
        ),
    )
    broken = StoredMetric(
        "instant_time_p95",
        "SEIP",
        "SEPA Instant p95",
        "s",
        norm=10,
        values=calm(4.1),
        error="canceling statement due to statement timeout",
        verified=False,
    )
    return (*reds, *ambers, broken, *oks)


USUAL_WALL = _wall()
"""4 red, 3 amber, 1 compute error, 7 ok: the everyday case."""
