"""Commands for the authors of metrics."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

import psycopg
import typer

from heartbeat.cli.marts import opened_marts
from heartbeat.errors import HeartbeatError
from heartbeat.judgement.freshness import source_age
from heartbeat.judgement.wording import age_text
from heartbeat.metrics.backtest import LineBacktest, backtest
from heartbeat.metrics.metric import Metric
from heartbeat.metrics.metric_query import explain
from heartbeat.metrics.metric_rows import read_days, read_observations, read_polls
from heartbeat.metrics.metric_view import MetricView, read_metrics
from heartbeat.plain_json import plain_json
from heartbeat.project import Project
from heartbeat.settings import Settings

app = typer.Typer(no_args_is_help=True, help="For the authors of metrics.")

_LAST_RUNS = 5
_AsJson = Annotated[bool, typer.Option("--json", help="For a program to read.")]
_MetricId = Annotated[str, typer.Argument(help="Id or code of a registered metric.")]


@app.callback()
def metric() -> None:
    """For the authors of metrics."""


@app.command()
def lint(
    metric: Annotated[list[str] | None, typer.Argument(help="Ids; all without any.")] = None,
    as_json: _AsJson = False,
) -> None:
    """Report files that cannot be used, and what would make a number slow, wrong or unread."""
    from heartbeat.lint.linter import lint as findings_of

    with opened_marts() as settings:
        project = Project(settings.project)
        now, chosen = datetime.now(UTC), frozenset(metric or ()) or None
        _refuse_unknown_files(project, chosen or frozenset())
        findings = list(findings_of(project, settings, as_of=now, metric_ids=chosen))
    if as_json:
        keys = ("file", "line", "rule", "problem")
        rows = [(each.path.name, each.line, each.rule, each.problem) for each in findings]
        typer.echo(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=1))
    else:
        for finding in findings:
            typer.echo(str(finding))
    if findings:
        raise HeartbeatError(f"the linter has {len(findings)} findings")
    if not as_json:
        typer.echo("Nothing to report.")


def _refuse_unknown_files(project: Project, metric_ids: frozenset[str]) -> None:
    usable = {each.metric_id for each in project.metrics.metrics}
    broken = {each.path.stem for each in project.metrics.problems}
    if unknown := sorted(metric_ids - usable - broken):
        raise HeartbeatError(f"there is no file {unknown[0]}.sql in {project.folder / 'metrics'}")


@app.command()
def show(metric: _MetricId, as_json: _AsJson = False) -> None:
    """Show the value, its status and why, the tables, the last runs, and the plan."""
    with opened_marts() as settings:
        project = Project(settings.project)
        metrics = {each.metric_id: each for each in project.metrics.metrics}
        by_code = {each.code: each for each in project.metrics.metrics}
        found = metrics.get(metric) or by_code.get(metric)
        print_metric(settings, found.metric_id if found else metric, found, as_json=as_json)


def print_metric(
    settings: Settings, name: str, metric: Metric | None, *, as_json: bool = False
) -> None:
    """All that is known of a metric, by its id or code; `metric` is what its file says now."""
    now = datetime.now(UTC)
    with psycopg.connect(settings.database_url) as connection:
        view = _registered(read_metrics(connection, now=now, zone=settings.zone), name)
        runs = read_observations(connection, view.metric_id, _LAST_RUNS)
        polls = read_polls(connection)
    plan = explain(settings, metric, as_of=now) if metric else "its file cannot be used"
    reads = {table: polls.get(table) for table in view.reads}
    if as_json:
        document = {**asdict(view), "reads": reads, "runs": [asdict(run) for run in runs]}
        typer.echo(json.dumps({**document, "plan": plan}, default=plain_json, indent=1))
        return
    typer.echo(f"{view.code}  {view.name}\n{view.value_text or 'no value'}  {view.status}")
    earlier = " or earlier" if view.since_at_least else ""
    typer.echo(f"  {view.reason}, since {_moment(view.since, settings)}{earlier}")
    if view.error:
        typer.echo(f"  last compute failed: {view.error}")
    typer.echo(f"  freshness {view.freshness}; {view.verification_state}: {_verified(view)}")
    typer.echo("reads")
    for table, polled_at in reads.items():
        age = f"{age_text(source_age(polled_at, now))} old" if polled_at else "never landed"
        typer.echo(f"  {table}  {age}")
    typer.echo("last runs")
    for run in runs:
        result = run.error or f"{run.v} {run.status or ''}"
        typer.echo(f"  {_moment(run.computed_at, settings)}  {run.seconds:.2f} s  {result}")
    typer.echo(f"plan\n{plan}")


def _verified(view: MetricView) -> str:
    since = f" since {view.verification_since:%Y-%m-%d}" if view.verification_since else ""
    return f"{view.verification_reason}{since}"


@app.command("backtest")
def run_backtest(
    metric: _MetricId,
    alert: Annotated[str | None, typer.Option(help="Red line to try.")] = None,
    norm: Annotated[str | None, typer.Option(help="Amber line to try.")] = None,
    as_json: _AsJson = False,
) -> None:
    """Tell how often and how long lines would have been crossed in the stored history."""
    lines = {"alert": _number("--alert", alert), "norm": _number("--norm", norm)}
    if not any(line is not None for line in lines.values()):
        raise HeartbeatError("give a line to try: --alert 20, --norm 14")
    with (
        opened_marts() as settings,
        psycopg.connect(settings.database_url) as connection,
    ):
        views = read_metrics(connection, now=datetime.now(UTC), zone=settings.zone)
        view = _registered(views, metric)
        days = read_days(connection, view.metric_id)
    found = backtest(days, view.direction, lines, view.target_value)
    if as_json:
        typer.echo(json.dumps(asdict(found), default=plain_json, indent=1))
        return
    typer.echo(f"{view.code}  {found.days} days, {found.start} to {found.end}")
    for name, line in (("alert", found.alert), ("norm", found.norm)):
        if line is not None:
            _print_line(name, line, view.unit)


def _print_line(name: str, line: LineBacktest, unit: str) -> None:
    typer.echo(
        f"{name} {line.line} {unit}: beyond it on {line.days} days ({line.share:.0%}), "
        f"in {len(line.stretches)} stretches"
    )
    for stretch in line.stretches:
        longest = "  longest" if stretch is line.longest else ""
        typer.echo(
            f"  {stretch.start} to {stretch.end}  {stretch.days} d, worst {stretch.worst}{longest}"
        )


def _registered(views: tuple[MetricView, ...], name: str) -> MetricView:
    found = next((view for view in views if name in (view.metric_id, view.code)), None)
    if found is None:
        raise HeartbeatError(
            f"no registered metric has the id or code {name}; see `heartbeat registry status`"
        )
    return found


def _number(option: str, text: str | None) -> Decimal | None:
    try:
        number = None if text is None else Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    if number is not None and not number.is_finite():
        raise HeartbeatError(f"{option} {text}: it must be a number")
    return number


def _moment(moment: datetime, settings: Settings) -> str:
    return f"{moment.astimezone(settings.zone):%Y-%m-%d %H:%M}"
