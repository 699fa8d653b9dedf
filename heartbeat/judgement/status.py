"""The status of a value: which line it has crossed, and how badly."""

import math
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from heartbeat.judgement.wording import value_text
from heartbeat.metrics.metric import Direction

MIN_BAND_DAYS = 14
"""Fewer days than this make no typical band."""

SEVERITY_STEP = 0.5
"""In what steps the wall orders by severity."""

_AMBER_FLOOR = 1.0
_RED_FLOOR = 2.0
_MAX_DOUBLINGS = 8.0


class Status(StrEnum):
    """Good, worth a look, broken."""

    RED = "red"
    AMBER = "amber"
    GREEN = "green"


@dataclass(frozen=True)
class Band:
    """What is typical: mean and standard deviation of `n` daily values, in the metric's unit."""

    mean: float
    stddev: float
    n: int

    @property
    def usable(self) -> bool:
        """A flat or short series says nothing about what is unusual."""
        return self.n >= MIN_BAND_DAYS and self.stddev > 0


@dataclass(frozen=True)
class Judgement:
    """A status, why in one short sentence, how badly, and whether a green value met its target.

    `severity` puts values of different metrics in one order and never falls when a value moves
    further beyond the line that decided: 0 is green; amber runs from 1 to 2, by the part of the
    way from the norm to the alert line, from `amber_z` to `red_z` for the band, the larger where
    both speak; red is 2 plus the number of doublings of the distance beyond the alert line, counted
    in steps of alert minus norm (of `red_z` for the band), and ends at 10.
    """

    status: Status
    reason: str
    severity: float
    target_hit: bool


def severity_step(severity: float, before: float | None = None) -> float:
    """Severity in steps of 0.5 (ties up), so that noise does not reshuffle the wall.

    The step `before` stays until severity is a whole step away from it: rounding alone would let
    the least noise move a severity that lies near an edge.
    """
    if before is not None and abs(severity - before) < SEVERITY_STEP:
        return before
    return math.floor(severity / SEVERITY_STEP + 0.5) * SEVERITY_STEP


def judge(
    value: Decimal,
    direction: Direction,
    norm_value: Decimal | None,
    alert_value: Decimal | None,
    target_value: Decimal | None,
    band: Band | None,
    amber_z: float = 1.0,
    red_z: float = 2.0,
    unit: str = "",
) -> Judgement:
    """Judge a finite value.

    1 the alert line is crossed: red; 2 the norm line is crossed: amber; 3 the usable band puts the
    value at least `red_z` standard deviations off: red, `amber_z`: amber, on the bad side only
    unless `in_range`; 4 green. The first rule that applies decides. Where a norm is drawn the band
    makes amber at most: else a value within its norm could be red, and one just beyond it amber.
    A line is crossed strictly beyond it: a value at the line is still on the good side (a ledger
    with norm 0 is green at 0).

    Lines are compared exactly, as decimals; the band in floating point. For `in_range` norm and
    alert are distances from the target (see `Metric`); when its target was taken away they cannot
    be measured, and a value that the band does not put into red is amber.
    `target_hit` is a green value at or better than the target. `unit` is for the reason only.
    """
    lines = _Lines(direction, norm_value, alert_value, target_value, unit)
    by_alert = _beyond_alert(value, lines)
    if by_alert:
        return by_alert
    by_norm, by_band = _beyond_norm(value, lines), _off_band(value, lines, band, amber_z, red_z)
    if by_norm and by_band:
        return replace(by_norm, severity=max(by_norm.severity, by_band.severity))
    return by_norm or by_band or _green(value, lines)


def badness(value: Decimal, direction: Direction, target_value: Decimal | None) -> Decimal:
    """What is compared with a line: it grows to the bad side. `in_range` needs its target."""
    if direction is Direction.HIGHER_IS_BETTER:
        return value.copy_negate()
    if direction is Direction.LOWER_IS_BETTER:
        return value
    assert target_value is not None
    return abs(value - target_value)


def is_beyond(
    value: Decimal, direction: Direction, line: Decimal, target_value: Decimal | None
) -> bool:
    """Whether a value has crossed a line: strictly beyond it. `in_range` needs its target."""
    return _excess(value, direction, line, target_value) > 0


def _excess(
    value: Decimal, direction: Direction, line: Decimal, target_value: Decimal | None
) -> Decimal:
    """How far the value lies beyond the line; not positive on the good side."""
    bad_line = line.copy_negate() if direction is Direction.HIGHER_IS_BETTER else line
    return badness(value, direction, target_value) - bad_line


@dataclass(frozen=True)
class _Lines:
    direction: Direction
    norm: Decimal | None
    alert: Decimal | None
    target: Decimal | None
    unit: str

    @property
    def measurable(self) -> bool:
        return self.direction is not Direction.IN_RANGE or self.target is not None

    @property
    def drawn(self) -> bool:
        return self.norm is not None or self.alert is not None

    def excess(self, value: Decimal, line: Decimal) -> Decimal:
        return _excess(value, self.direction, line, self.target)

    def text(self, value: Decimal) -> str:
        return value_text(value, self.unit)


def _beyond_alert(value: Decimal, lines: _Lines) -> Judgement | None:
    if lines.alert is None or not lines.measurable:
        return None
    excess = lines.excess(value, lines.alert)
    if excess <= 0:
        return None
    step = abs(lines.alert - lines.norm) if lines.norm is not None else abs(lines.alert)
    severity = _red_severity(float(excess / (step or Decimal(1))))
    return Judgement(Status.RED, _crossing(value, lines, "alert", lines.alert), severity, False)


def _beyond_norm(value: Decimal, lines: _Lines) -> Judgement | None:
    if lines.norm is None or not lines.measurable:
        return None
    excess = lines.excess(value, lines.norm)
    if excess <= 0:
        return None
    severity = _AMBER_FLOOR + _way_to_alert(excess, lines.norm, lines.alert)
    return Judgement(Status.AMBER, _crossing(value, lines, "norm", lines.norm), severity, False)


def _off_band(
    value: Decimal, lines: _Lines, band: Band | None, amber_z: float, red_z: float
) -> Judgement | None:
    if band is None or not band.usable:
        return None
    z = (float(value) - band.mean) / band.stddev
    bad = _bad_side(z, lines.direction)
    reason = _distance_from_typical(value, z, lines, band)
    norm_is_drawn = lines.norm is not None and lines.measurable
    if bad >= red_z and not norm_is_drawn:
        return Judgement(Status.RED, reason, _red_severity(bad / red_z - 1), False)
    if bad >= red_z:
        return Judgement(Status.AMBER, reason, _RED_FLOOR, False)
    if bad >= amber_z:
        severity = _AMBER_FLOOR + (bad - amber_z) / (red_z - amber_z)
        return Judgement(Status.AMBER, reason, severity, False)
    return None


def _green(value: Decimal, lines: _Lines) -> Judgement:
    if lines.drawn and not lines.measurable:
        reason = "the range has no target to be measured from"
        return Judgement(Status.AMBER, reason, _AMBER_FLOOR, False)
    if lines.target is not None and _meets(value, lines.target, lines.direction):
        reason = f"{lines.text(value)} meets the target of {lines.text(lines.target)}"
        return Judgement(Status.GREEN, reason, 0.0, True)
    return Judgement(Status.GREEN, f"{lines.text(value)} crosses no line", 0.0, False)


def _red_severity(steps_beyond: float) -> float:
    return _RED_FLOOR + min(math.log2(1 + steps_beyond), _MAX_DOUBLINGS)


def _way_to_alert(excess: Decimal, norm: Decimal, alert: Decimal | None) -> float:
    """0 at the norm, 1 at the alert line; without an alert line it nears 1 and never gets there."""
    if alert is not None:
        return float(excess / abs(alert - norm))
    return 1 - 1 / (1 + float(excess / (abs(norm) or Decimal(1))))


def _bad_side(z: float, direction: Direction) -> float:
    if direction is Direction.HIGHER_IS_BETTER:
        return -z
    return z if direction is Direction.LOWER_IS_BETTER else abs(z)


def _meets(value: Decimal, target: Decimal, direction: Direction) -> bool:
    if direction is Direction.HIGHER_IS_BETTER:
        return value >= target
    return value <= target if direction is Direction.LOWER_IS_BETTER else value == target


def _crossing(value: Decimal, lines: _Lines, line_name: str, line: Decimal) -> str:
    if lines.target is not None and lines.direction is Direction.IN_RANGE:
        distance = lines.text(abs(value - lines.target))
        just = _just(distance, lines.text(line))
        centre = f"{lines.text(value)} is {distance} away from the target of "
        return (
            f"{centre}{lines.text(lines.target)}, {just}above the {line_name} of {lines.text(line)}"
        )
    side = "below" if lines.direction is Direction.HIGHER_IS_BETTER else "above"
    just = _just(lines.text(value), lines.text(line))
    return f"{lines.text(value)} is {just}{side} {line_name} {lines.text(line)}"


def _just(value_wording: str, line_wording: str) -> str:
    return "just " if value_wording == line_wording else ""


def _distance_from_typical(value: Decimal, z: float, lines: _Lines, band: Band) -> str:
    side = "above" if z > 0 else "below"
    typical = value_text(band.mean, lines.unit)
    return f"{lines.text(value)} is {value_text(abs(z), 'σ')} {side} typical {typical}"
