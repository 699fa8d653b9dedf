"""What lines of a metric make sense together, in its file and at run time."""

from dataclasses import dataclass
from decimal import Decimal

from heartbeat.metrics.metric import Direction


@dataclass(frozen=True)
class LinesProblem:
    """The first field that is wrong, and why."""

    field: str
    text: str


def lines_problem(
    direction: Direction,
    norm_value: Decimal | None,
    alert_value: Decimal | None,
    target_value: Decimal | None,
) -> LinesProblem | None:
    """What is wrong with the lines of a metric; None when they make sense.

    The alert must not be on the better side of the norm. With `in_range` both are distances from
    the target: 0 or more, and the target must be there.
    """
    if direction is Direction.IN_RANGE:
        for field, line in (("norm_value", norm_value), ("alert_value", alert_value)):
            if line is not None and line < 0:
                return LinesProblem(
                    field, "with in_range a line is a distance from target_value: 0 or more"
                )
            if line is not None and target_value is None:
                return LinesProblem(
                    field, "with in_range a line is a distance from target_value: give one"
                )
    if norm_value is None or alert_value is None:
        return None
    if direction is Direction.HIGHER_IS_BETTER and alert_value > norm_value:
        text = f"with {direction} the alert must not be above norm_value {norm_value}"
        return LinesProblem("alert_value", text)
    if direction is not Direction.HIGHER_IS_BETTER and alert_value < norm_value:
        text = f"with {direction} the alert must not be below norm_value {norm_value}"
        return LinesProblem("alert_value", text)
    return None
