"""Walls that a bank may have, from no red to nothing but reds."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import cycle

from heartbeat.judgement.status import Status
from tests.unit.heartbeat_api.stored_metrics import USUAL_WALL, StoredMetric

REDS = tuple(metric for metric in USUAL_WALL if metric.code in ("COLD", "FXST", "AMLB", "SEPR"))
AMBER = next(metric for metric in USUAL_WALL if metric.code == "ONBT")
BROKEN = next(metric for metric in USUAL_WALL if metric.code == "SEIP")
OK = next(metric for metric in USUAL_WALL if metric.code == "BALS")
LONG_NAME = "Outgoing SEPA credit transfers waiting for a decision of compliance, oldest of all"


def bank(reds: int, total: int = 31) -> tuple[StoredMetric, ...]:
    """So many reds, 3 ambers and 2 broken ones at most, and ok metrics up to the total."""
    rest = total - reds
    ambers, broken = min(3, rest), min(2, max(0, rest - 3))
    return (
        *(_copy(REDS[n % len(REDS)], f"R{n:03d}") for n in range(reds)),
        *(_copy(AMBER, f"A{n:03d}") for n in range(ambers)),
        *(_copy(BROKEN, f"E{n:03d}") for n in range(broken)),
        *(_copy(OK, f"G{n:03d}") for n in range(rest - ambers - broken)),
    )


def ambers_only(total: int = 31) -> tuple[StoredMetric, ...]:
    """Nothing but ambers."""
    return tuple(_copy(AMBER, f"A{n:03d}") for n in range(total))


def with_long_names(metrics: Sequence[StoredMetric]) -> tuple[StoredMetric, ...]:
    """The same with names, values, units and owners that no screen can hold."""
    return tuple(
        replace(
            metric,
            short_name=LONG_NAME if number % 2 else LONG_NAME.replace(" ", ""),
            name=LONG_NAME,
            owner="head.of.payment.operations@company.example",
            unit="payments per hour" if number % 3 else "EUR",
            source_age=timedelta(days=40),
        )
        for number, metric in enumerate(metrics)
    )


ERROR = (
    "overdue.sql:14: webbank_core.payment_state_log.outgoing_payment_reference is gone since"
    " 28 Nov 14:17; renamed to payment_reference? Name in the file what is there now"
)


def with_errors(metrics: Sequence[StoredMetric]) -> tuple[StoredMetric, ...]:
    """The same, of which no one could be computed."""
    return tuple(replace(metric, error=ERROR) for metric in metrics)


SCRIPTS = (
    "東京支店の未決済の支払い",
    "Просроченный залог, старейший",
    "😀 🚀 paid",
    "Žąsų ūkis ĄČĘĖĮŠŲŪŽ",
)


def with_names_in_many_scripts(metrics: Sequence[StoredMetric]) -> tuple[StoredMetric, ...]:
    """The same with names that Inter writes in part, or not at all."""
    return tuple(
        replace(metric, short_name=name, name=f"{name}, {name}", owner=name)
        for metric, name in zip(metrics, cycle(SCRIPTS), strict=False)
    )


FIGURES = ((-123_400_000, "EUR"), (-88_888, "count"), (999_900_000_000, "EUR"), (-0.0044, "%"))
"""The widest that a wall writes: −€123.4M, −88,888, €999.9bn, −0.0044 %."""


def with_wide_figures(metrics: Sequence[StoredMetric]) -> tuple[StoredMetric, ...]:
    """The same with the widest of values and old sources; each is as bad as before."""
    return tuple(
        _as_bad(metric, value, unit)
        for metric, (value, unit) in zip(metrics, cycle(FIGURES), strict=False)
    )


def _as_bad(metric: StoredMetric, value: float, unit: str) -> StoredMetric:
    status = metric.status(metric.values[-1])
    return replace(
        metric,
        unit=unit,
        source_age=timedelta(days=40),
        values=(*metric.values[:-1], value),
        kind="threshold",
        direction="lower_is_better",
        norm=value + (1 if status is Status.GREEN else -1),
        alert=value + (-0.5 if status is Status.RED else 2),
        target=None,
    )


def _copy(metric: StoredMetric, code: str) -> StoredMetric:
    return replace(metric, metric_id=f"metric_{code.lower()}", code=code)
