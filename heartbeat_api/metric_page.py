"""The view model of the page behind one tile, `/m/{code}`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from markupsafe import Markup

from heartbeat.audit.audit_view import AuditRegistry
from heartbeat.judgement.wording import counted, value_text
from heartbeat.metrics.backtest import Backtest, LineBacktest
from heartbeat.metrics.metric_rows import Observation
from heartbeat.metrics.metric_view import MetricView
from heartbeat_api.audit_page import cut_href
from heartbeat_api.chart import chart_svg, legend
from heartbeat_api.face import Face, face, metric_href, since_text, tier_of
from heartbeat_api.job_line import JobLine
from heartbeat_api.moment import moment_text, short_moment_text
from heartbeat_api.shell import Link
from heartbeat_api.snapshot import Snapshot
from heartbeat_api.sparkline import Sparkline, metric_lines

LAST_RUNS = 8

LINE_FIELDS = ("norm_value", "alert_value", "target_value", "target_due_date")
"""What the form of lines edits, in the order of its fields."""

_UNSET = "—"
_RESTATED_DAYS = 5
_LIKELY_WATCHLIST = "board"


@dataclass(frozen=True)
class Fact:
    """One line of the contract: what it is, and its value as text."""

    name: str
    text: str


@dataclass(frozen=True)
class Section:
    """A titled text of the author."""

    title: str
    text: str


@dataclass(frozen=True)
class LastRun:
    """One compute: when, what it gave, and what became of it."""

    at: str
    value: str
    outcome: str
    failed: bool


@dataclass(frozen=True)
class WatchlistLink:
    """A watchlist, and whether the metric is on it."""

    name: str
    on: bool


@dataclass(frozen=True)
class Draft:
    """What somebody is about to change: typed values by field, and what is to be said of them.

    `refusal` says why the last try was refused, `backtest` what the typed lines would have done.
    """

    typed: Mapping[str, str] = field(default_factory=dict)
    refusal: str = ""
    backtest: tuple[str, ...] = ()


@dataclass(frozen=True)
class MetricPage:
    """One metric: its face, its picture with all lines, the author's texts, the contract, edits.

    `delta` compares with what is typical, where that is known; `computed` is when it was last.
    `place` is where it stands on the wall ("3 of 4 red"), between `previous` and `following`.
    `fields` holds the values of the form of lines as text.
    """

    face: Face
    reason: str
    delta: str
    computed: str
    error: str
    place: str
    previous: str
    following: str
    chart: Markup
    legend: str
    days: str
    sections: tuple[Section, ...]
    facts: tuple[Fact, ...]
    reads: tuple[str, ...]
    runs: tuple[LastRun, ...]
    cuts: tuple[Link, ...]
    watchlists: tuple[WatchlistLink, ...]
    owner: str
    fields: Mapping[str, str]
    draft: Draft
    job: JobLine | None


def metric_page(
    metric: MetricView,
    snapshot: Snapshot,
    now: datetime,
    zone: ZoneInfo,
    *,
    runs: Sequence[Observation] = (),
    draft: Draft | None = None,
    job: JobLine | None = None,
) -> MetricPage:
    """The page of one metric of a snapshot at `now`; moments are written in `zone`."""
    prose = snapshot.prose[metric.metric_id]
    picture = Sparkline(metric.sparkline, metric.typical, metric_lines(metric))
    sections = (
        Section("What it is", prose.description),
        Section("What red means", prose.how_to_read),
        Section("How it is counted", prose.methodology),
        Section("Notes", prose.notes),
    )
    draft = draft or Draft()
    shown = face(metric, now, zone, watched=metric.metric_id in snapshot.watched)
    place, previous, following = _neighbours(metric, snapshot)
    return MetricPage(
        face=shown,
        reason=metric.reason,
        delta=metric.delta_text or "",
        computed=short_moment_text(metric.computed_at, now, zone),
        error=metric.error or "",
        place=place,
        previous=previous,
        following=following,
        chart=chart_svg(picture, metric.unit),
        legend=legend(picture, metric.unit),
        days=_days(metric),
        sections=tuple(section for section in sections if section.text),
        facts=_facts(metric, zone),
        reads=metric.reads,
        runs=tuple(_last_run(run, metric, now, zone) for run in runs),
        cuts=tuple(_cuts(metric, snapshot.cuts)),
        watchlists=_watchlists(metric, snapshot),
        owner=draft.typed.get("owner", metric.owner or ""),
        fields={name: draft.typed.get(name, _typed(metric, name)) for name in LINE_FIELDS},
        draft=draft,
        job=job,
    )


def backtest_texts(found: Backtest) -> tuple[str, ...]:
    """What the lines would have done, a sentence each."""
    return tuple(
        _backtest_text(line, found.days, state)
        for line, state in ((found.alert, "red"), (found.norm, "amber or red"))
        if line is not None
    )


def _backtest_text(line: LineBacktest, days: int, state: str) -> str:
    if not line.stretches or line.longest is None:
        return f"{line.line:f}: would never have been {state} in {_days_text(days)}"
    times = len(line.stretches)
    often = "once" if times == 1 else f"{times} times"
    return (
        f"{line.line:f}: would have been {state} {often} in {_days_text(days)}, "
        f"longest {_days_text(line.longest.days)}"
    )


def _days_text(days: int) -> str:
    return counted(days, "day")


def _neighbours(metric: MetricView, snapshot: Snapshot) -> tuple[str, str, str]:
    """The place among its like, and the addresses of the metrics beside it on the wall."""
    order = snapshot.metrics
    at = order.index(metric)
    tier = tier_of(metric)
    alike = [each for each in order if tier_of(each) == tier]
    spoken = {"unknown": "without signal"}.get(tier, tier)
    return (
        f"{alike.index(metric) + 1} of {len(alike)} {spoken}",
        metric_href(order[at - 1]),
        metric_href(order[(at + 1) % len(order)]),
    )


def _cuts(metric: MetricView, registry: AuditRegistry) -> Iterator[Link]:
    for cut in registry.of_metric(metric.metric_id):
        yield Link(cut.title, cut_href(cut))


def _watchlists(metric: MetricView, snapshot: Snapshot) -> tuple[WatchlistLink, ...]:
    names = snapshot.watchlists or {_LIKELY_WATCHLIST: frozenset()}
    return tuple(WatchlistLink(name, metric.metric_id in ids) for name, ids in names.items())


def _typed(metric: MetricView, name: str) -> str:
    value = getattr(metric, name)
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return "" if value is None else str(value)


def _last_run(run: Observation, metric: MetricView, now: datetime, zone: ZoneInfo) -> LastRun:
    return LastRun(
        at=short_moment_text(run.computed_at, now, zone),
        value=_amount(run.v, metric.unit),
        outcome=run.error or run.status or "",
        failed=run.v is None,
    )


def _days(metric: MetricView) -> str:
    if not metric.sparkline:
        return ""
    first, last = metric.sparkline[0].d, metric.sparkline[-1].d
    return f"{first:%-d %b} – {last:%-d %b %Y}"


def _facts(metric: MetricView, zone: ZoneInfo) -> tuple[Fact, ...]:
    return (
        Fact("Norm", _amount(metric.norm_value, metric.unit)),
        Fact("Alert", _amount(metric.alert_value, metric.unit)),
        Fact("Target", _target(metric)),
        Fact("Typical", _typical(metric)),
        Fact("Direction", metric.direction.replace("_", " ")),
        Fact("Computed", moment_text(metric.computed_at, zone)),
        Fact("Source as of", moment_text(metric.source_as_of, zone)),
        Fact("Freshness", metric.freshness),
        Fact("In this state since", since_text(metric, zone)),
        Fact("Verification", _verification(metric)),
        Fact("Owner", metric.owner or _UNSET),
        *_restated(metric),
    )


def _verification(metric: MetricView) -> str:
    since = metric.verification_since
    return metric.verification_reason + (f", since {since:%-d %b %Y}" if since else "")


def _restated(metric: MetricView) -> tuple[Fact, ...]:
    """Past days that late data has changed, the newest first."""
    days = [
        f"{day.d:%-d %b} {value_text(day.before, metric.unit)} → {value_text(day.v, metric.unit)}"
        for day in metric.restated[:_RESTATED_DAYS]
    ]
    if len(metric.restated) > _RESTATED_DAYS:
        days.append(f"and {_days_text(len(metric.restated) - _RESTATED_DAYS)} more")
    return (Fact("Restated", ", ".join(days)),) if days else ()


def _amount(value: Decimal | None, unit: str) -> str:
    return _UNSET if value is None else value_text(value, unit)


def _target(metric: MetricView) -> str:
    target = _amount(metric.target_value, metric.unit)
    due = metric.target_due_date
    return f"{target} by {due:%-d %b %Y}" if due else target


def _typical(metric: MetricView) -> str:
    typical = metric.typical
    if typical is None:
        return _UNSET
    mean, stddev = (value_text(number, metric.unit) for number in (typical.mean, typical.stddev))
    return f"{mean} ± {stddev} over {_days_text(typical.n)}"
