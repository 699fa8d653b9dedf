"""Rules on what a metric's header tells its readers."""

from collections.abc import Iterator

from heartbeat.lint.finding import Finding
from heartbeat.metrics.metric import Kind, Metric

_FEWEST_WORDS = 8
_HEADER_LINE = 1


class MissingText:
    """A metric says what it is and how it is counted."""

    name = "missing-text"

    def findings(self, metric: Metric) -> Iterator[Finding]:
        """One for each text that is not there."""
        for field in ("description", "methodology"):
            if not getattr(metric, field):
                problem = f"the header has no {field}"
                yield Finding(metric.path, _HEADER_LINE, self.name, problem)


class MissingMoneyStory:
    """A metric says what a red value costs: a red that means nothing is ignored."""

    name = "missing-money-story"

    def findings(self, metric: Metric) -> Iterator[Finding]:
        """One when `how_to_read` is not there or too short to be a story."""
        if len(metric.how_to_read.split()) < _FEWEST_WORDS:
            yield Finding(
                metric.path,
                _HEADER_LINE,
                self.name,
                "how_to_read must say what red means and what it costs, in a sentence of at least "
                f"{_FEWEST_WORDS} words",
            )


class MissingLines:
    """A metric can become amber or red: by a line, or by its typical band."""

    name = "missing-lines"

    def findings(self, metric: Metric) -> Iterator[Finding]:
        """One when nothing could ever make the metric anything but green."""
        has_line = metric.norm_value is not None or metric.alert_value is not None
        if metric.kind is Kind.THRESHOLD and not has_line:
            yield Finding(
                metric.path,
                _HEADER_LINE,
                self.name,
                "without norm_value and alert_value a threshold metric is always green",
            )
