"""A metric's last 90 business days as one small SVG, drawn on the server."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise

from markupsafe import Markup

from heartbeat.judgement.status import Band
from heartbeat.metrics.metric import Direction
from heartbeat.metrics.metric_rows import DayValue
from heartbeat.metrics.metric_view import MetricView

DAYS = 90

_KEPT = 512  # a wall is drawn every second, and most of its metrics change once an hour

_WIDTH = 400.0
_LEFT, _RIGHT = 4.0, 392.0
_TOP, _BOTTOM = 8.0, 94.0

_LETTER_WIDTH, _LETTER_HEIGHT = 10.5, 32.0
"""What a letter of the alert's label takes of the picture on the narrowest and flattest tile."""

_LABEL_END = 0.96 * _WIDTH


@dataclass(frozen=True)
class Lines:
    """The heights at which norm and alert are drawn: one each, two for a range, none when unset."""

    norm: tuple[float, ...] = ()
    alert: tuple[float, ...] = ()


@dataclass(frozen=True)
class Sparkline:
    """What one sparkline shows; `alert_label` stands at the first alert line."""

    points: tuple[DayValue, ...]
    typical: Band | None = None
    lines: Lines = Lines()
    alert_label: str = ""


def metric_lines(metric: MetricView) -> Lines:
    """Norm and alert of a metric; those of a range lie on both sides of its target."""
    if metric.direction is not Direction.IN_RANGE:
        return Lines(_heights(metric.norm_value), _heights(metric.alert_value))
    if metric.target_value is None:
        return Lines()
    target = float(metric.target_value)
    return Lines(
        *(
            tuple(target + side * distance for distance in _heights(line) for side in (1, -1))
            for line in (metric.norm_value, metric.alert_value)
        )
    )


@lru_cache(_KEPT)
def sparkline_svg(sparkline: Sparkline) -> Markup:
    """The drawing, empty without a point.

    The time axis is the 90 days that end on the last day with a value, one place a day, so that
    sparklines compare; a day without a value is a gap. The picture stretches to its box, texts do
    not.
    """
    if not sparkline.points:
        return Markup("")
    scale = scale_of(sparkline)
    return Markup(
        '<svg class="spark" aria-hidden="true">'
        '<svg viewBox="0 0 400 100" preserveAspectRatio="none">{shapes}</svg>{label}</svg>'
    ).format(shapes=Markup("").join(shapes(sparkline, scale)), label=_label(sparkline, scale))


@dataclass(frozen=True)
class Scale:
    """Where a day and a value stand in the drawing, which is 400 wide and 100 high."""

    low: float
    high: float
    last: date

    def x(self, day: date) -> float:
        """From the left; the last day is at the right end."""
        return _RIGHT - (self.last - day).days * (_RIGHT - _LEFT) / (DAYS - 1)

    def y(self, value: float) -> float:
        """From the top."""
        if self.high == self.low:
            return (_TOP + _BOTTOM) / 2
        return _BOTTOM - (value - self.low) / (self.high - self.low) * (_BOTTOM - _TOP)


def _heights(line: object) -> tuple[float, ...]:
    return () if line is None else (float(str(line)),)


def scale_of(sparkline: Sparkline) -> Scale:
    """The scale on which points, lines and band of a sparkline all have room."""
    heights = [float(point.v) for point in sparkline.points]
    heights += [*sparkline.lines.norm, *sparkline.lines.alert]
    if sparkline.typical:
        mean, stddev = sparkline.typical.mean, sparkline.typical.stddev
        heights += [mean - stddev, mean + stddev]
    return Scale(min(heights), max(heights), sparkline.points[-1].d)


def shapes(sparkline: Sparkline, scale: Scale) -> Iterator[Markup]:
    """Band, lines, curve and the last point."""
    if sparkline.typical:
        yield _band(sparkline.typical, scale)
    for kind, heights in (("norm", sparkline.lines.norm), ("alert", sparkline.lines.alert)):
        for height in heights:
            yield Markup('<path class="{}" d="M0 {:.1f}H{:.0f}"/>').format(
                kind, scale.y(height), _WIDTH
            )
    yield Markup('<path class="line" d="{}"/>').format(_path(sparkline.points, scale))
    last = sparkline.points[-1]
    yield Markup('<path class="dot" d="M{:.1f} {:.1f}h.01"/>').format(
        scale.x(last.d), scale.y(float(last.v))
    )


def _band(typical: Band, scale: Scale) -> Markup:
    top, bottom = (scale.y(typical.mean + side * typical.stddev) for side in (1, -1))
    return Markup('<rect class="band" x="0" y="{:.1f}" width="{:.0f}" height="{:.1f}"/>').format(
        top, _WIDTH, bottom - top
    )


def _path(points: Sequence[DayValue], scale: Scale) -> str:
    steps = [_start(points[0], scale)]
    for before, point in pairwise(points):
        next_day = (point.d - before.d).days == 1
        steps.append(f"L{_at(point, scale)}" if next_day else _start(point, scale))
    return "".join(steps)


def _start(point: DayValue, scale: Scale) -> str:
    """A stroke that is visible as a dot when no next day follows."""
    return f"M{_at(point, scale)}h.01"


def _at(point: DayValue, scale: Scale) -> str:
    return f"{scale.x(point.d):.1f} {scale.y(float(point.v)):.1f}"


def _label(sparkline: Sparkline, scale: Scale) -> Markup:
    """The text at the alert line, at the end and on the side where it covers the curve least."""
    if not sparkline.alert_label or not sparkline.lines.alert:
        return Markup("")
    height = scale.y(sparkline.lines.alert[0])
    width = min(_WIDTH, len(sparkline.alert_label) * _LETTER_WIDTH)
    ends = {"start": (0.0, width), "end": (_LABEL_END - width, _LABEL_END)}
    sides = {
        "-.35em": (height - _LETTER_HEIGHT, height),
        "1.1em": (height, height + _LETTER_HEIGHT),
    }
    covered = {
        (anchor, dy): _covered(sparkline.points, scale, columns, rows)
        for dy, rows in sides.items()
        for anchor, columns in ends.items()
        if rows[0] >= 0 and rows[1] <= 100
    }
    anchor, dy = min(covered, key=lambda place: covered[place])
    return Markup('<text class="{}" x="{}" y="{:.1f}%" dy="{}">{}</text>').format(
        anchor, "0" if anchor == "start" else "96%", height, dy, sparkline.alert_label
    )


def _covered(
    points: Sequence[DayValue],
    scale: Scale,
    columns: tuple[float, float],
    rows: tuple[float, float],
) -> int:
    """How many points lie under a label of that place."""
    return sum(
        columns[0] <= scale.x(point.d) <= columns[1] and rows[0] < scale.y(float(point.v)) < rows[1]
        for point in points
    )
