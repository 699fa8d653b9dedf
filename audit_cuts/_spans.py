"""Spans of time in words and on an axis."""

from collections.abc import Sequence

import altair as alt

from heartbeat.judgement.wording import value_text

MINUTE, HOUR, DAY = 60, 3_600, 86_400

_UNITS = ((90, 1, "s"), (90 * MINUTE, MINUTE, "min"), (72 * HOUR, HOUR, "h"))
_TICK_LABELS = {
    1: "1 s",
    10: "10 s",
    MINUTE: "1 min",
    10 * MINUTE: "10 min",
    HOUR: "1 h",
    4 * HOUR: "4 h",
    12 * HOUR: "12 h",
    DAY: "1 d",
    3 * DAY: "3 d",
    7 * DAY: "1 wk",
    14 * DAY: "2 wk",
    28 * DAY: "4 wk",
}


def span_text(seconds: float) -> str:
    """A span in the unit that suits it: below 90 s, 90 min and 72 h the smaller, else days."""
    for below, unit, name in _UNITS:
        if seconds < below:
            return value_text(seconds / unit, name)
    return value_text(seconds / DAY, "d")


def span_axis(ticks: Sequence[int]) -> alt.Axis:
    """A logarithmic axis of seconds, or of hours times 3,600, with ticks that people know."""
    labels = " : ".join(f"datum.value == {tick} ? '{_TICK_LABELS[tick]}'" for tick in ticks)
    return alt.Axis(
        values=list(ticks),
        labelExpr=f"{labels} : ''",
        title=None,
        grid=True,
        labelOverlap=False,
    )
