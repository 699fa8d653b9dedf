"""A metric's last 90 business days as the large picture of its page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from markupsafe import Markup

from heartbeat.judgement.wording import value_text
from heartbeat_api.sparkline import DAYS, Scale, Sparkline, scale_of, shapes

_PLOT_PERCENT = 90.0
"""The height of the curve; the days are written below."""

_LABEL_PERCENT = 6.5
"""What one label takes of the height."""

_LOWEST_PERCENT = 97.0

_TICKS = 4


@dataclass(frozen=True)
class _Label:
    kind: str
    text: str
    y: float


def chart_svg(sparkline: Sparkline, unit: str) -> Markup:
    """The drawing with its lines named and its days told, empty without a point."""
    if not sparkline.points:
        return Markup("")
    scale = scale_of(sparkline)
    plot = Markup(
        '<svg width="86%" height="{}%" viewBox="0 0 400 100" preserveAspectRatio="none">{}</svg>'
    ).format(_PLOT_PERCENT, Markup("").join(shapes(sparkline, scale)))
    labels = Markup("").join(
        Markup('<text class="{} end" x="100%" y="{:.1f}%" dy=".35em">{}</text>').format(
            label.kind, label.y * _PLOT_PERCENT / 100, label.text
        )
        for label in _apart(list(_labels(sparkline, scale, unit)))
    )
    return Markup('<svg class="spark" aria-hidden="true">{}{}{}</svg>').format(
        plot, labels, Markup("").join(_days(scale))
    )


def legend(sparkline: Sparkline, unit: str) -> str:
    """The lines of the picture in words: "alert 20 · norm 14 · typical 5 to 13"."""
    lines = sparkline.lines
    parts = [
        f"{name} {' and '.join(value_text(height, unit) for height in heights)}"
        for name, heights in (("alert", lines.alert), ("norm", lines.norm))
        if heights
    ]
    if sparkline.typical:
        parts.append(_typical(sparkline, unit))
    return " · ".join(parts)


def _typical(sparkline: Sparkline, unit: str) -> str:
    assert sparkline.typical is not None
    mean, stddev = sparkline.typical.mean, sparkline.typical.stddev
    return f"typical {value_text(mean - stddev, unit)} to {value_text(mean + stddev, unit)}"


def _labels(sparkline: Sparkline, scale: Scale, unit: str) -> Iterator[_Label]:
    last = sparkline.points[-1]
    yield _Label("last", value_text(last.v, unit), scale.y(float(last.v)))
    for kind, heights in (("alert", sparkline.lines.alert), ("norm", sparkline.lines.norm)):
        for height in heights:
            yield _Label(kind, f"{kind} {value_text(height, unit)}", scale.y(height))
    if sparkline.typical:
        yield _Label("band", _typical(sparkline, unit), scale.y(sparkline.typical.mean))


def _apart(labels: Sequence[_Label]) -> list[_Label]:
    """The labels from top to bottom, moved until none covers another or leaves the picture."""
    ordered = sorted(labels, key=lambda each: each.y)
    heights: list[float] = []
    for label in ordered:
        heights.append(max(label.y, heights[-1] + _LABEL_PERCENT if heights else label.y))
    limit = _LOWEST_PERCENT
    for place in reversed(range(len(heights))):
        heights[place] = min(heights[place], limit)
        limit = heights[place] - _LABEL_PERCENT
    return [
        _Label(label.kind, label.text, height)
        for label, height in zip(ordered, heights, strict=True)
    ]


def _days(scale: Scale) -> Iterator[Markup]:
    for tick in range(_TICKS + 1):
        ago = round((DAYS - 1) * (_TICKS - tick) / _TICKS)
        anchor = "start" if tick == 0 else "end" if tick == _TICKS else "middle"
        between = " between" if tick % 2 else ""
        yield Markup('<text class="day {}{}" x="{:.1f}%" y="99%">{}</text>').format(
            anchor,
            between,
            scale.x(scale.last - timedelta(days=ago)) / 400 * 86,
            f"{scale.last - timedelta(days=ago):%-d %b}",
        )
