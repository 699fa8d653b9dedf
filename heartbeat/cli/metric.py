"""Commands for the authors of metrics."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from heartbeat.cli.chosen_metrics import metric_id_of
from heartbeat.cli.marts import opened_marts
from heartbeat.errors import HeartbeatError
from heartbeat.judgement.freshness import is_ahead, source_age
from heartbeat.judgement.wording import age_text, counted
from heartbeat.login import Login
from heartbeat.metrics.backtest import LineBacktest, backtest
from heartbeat.metrics.metric_query import explain
from heartbeat.metrics.metric_rows import read_days, read_observations, read_polls
from heartbeat.metrics.metric_view import MetricView, read_metrics
from heartbeat.plain_json import plain_json
from heartbeat.postgres_session import connect
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
    metric: Annotated[
        list[str] | None, typer.Argument(help="Ids or codes; all without any.")
    ] = None,
    as_json: _AsJson = False,
) -> None:
    """Report files that cannot be used, and what would make a number slow, wrong or unread."""
    from heartbeat.lint.linter import lint as findings_of

    with opened_marts() as settings:
        project = Project(settings.project)
        chosen = frozenset(metric_id_of(project, name) for name in metric or ()) or None
        now = datetime.now(UTC)
        findings = list(findings_of(project, settings, as_of=now, metric_ids=chosen))
    if as_json:
        keys = ("file", "line", "rule", "problem")
        rows = [(each.path.name, each.line, each.rule, each.problem) for each in findings]
        typer.echo(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=1))
    else:
        for finding in findings:
            typer.echo(str(finding))
    if findings:
        raise HeartbeatError(f"the linter has {counted(len(findings), 'finding')}")
    if not as_json:
        typer.echo("Nothing to report.")


@app.command()
def show(metric: _MetricId, as_json: _AsJson = False) -> None:
    """Show the value, its status and why, the tables, the last runs, and the plan."""
    with opened_marts() as settings:
        project = Project.of(settings)
        print_metric(settings, project, metric, as_json=as_json)


def print_metric(settings: Settings, project: Project, name: str, *, as_json: bool = False) -> None:
    """All that is known of a metric, by its id or code."""
    now = datetime.now(UTC)
    with connect(settings.login_url(Login.API)) as connection:
        view = _registered(read_metrics(connection, now=now, zone=settings.zone), name)
        runs = read_observations(connection, view.metric_id, _LAST_RUNS)
        polls = read_polls(connection)
    plan = _plan(settings, project, view.metric_id, now)
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
        typer.echo(f"  {table}  {_age(polled_at, now)}")
    typer.echo("last runs")
    for run in runs:
        result = run.error or f"{run.v} {run.status or ''}"
        typer.echo(f"  {_moment(run.computed_at, settings)}  {run.seconds:.2f} s  {result}")
    typer.echo(f"plan\n{plan}")


def _plan(settings: Settings, project: Project, metric_id: str, now: datetime) -> str:
    """The plan of its value, or what is wrong with its file."""
    for metric in project.metrics.metrics:
        if metric.metric_id == metric_id:
            return explain(settings, metric, as_of=now)
    broken = [str(each) for each in project.metrics.problems if each.path.stem == metric_id]
    return "; ".join(broken or ["its file is gone"])


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
        connect(settings.login_url(Login.API)) as connection,
    ):
        views = read_metrics(connection, now=datetime.now(UTC), zone=settings.zone)
        view = _registered(views, metric)
        days = read_days(connection, view.metric_id)
    found = backtest(days, view.direction, lines, view.target_value)
    if as_json:
        typer.echo(json.dumps(asdict(found), default=plain_json, indent=1))
        return
    typer.echo(f"{view.code}  {counted(found.days, 'day')}, {found.start} to {found.end}")
    for name, line in (("alert", found.alert), ("norm", found.norm)):
        if line is not None:
            _print_line(name, line, view.unit)


def _print_line(name: str, line: LineBacktest, unit: str) -> None:
    typer.echo(
        f"{name} {line.line} {unit}: beyond it on {counted(line.days, 'day')} ({line.share:.0%}), "
        f"in {counted(len(line.stretches), 'stretch', 'stretches')}"
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


def _age(polled_at: datetime | None, now: datetime) -> str:
    if polled_at is None:
        return "never landed"
    if is_ahead(polled_at, now):
        return "polled in the future"
    return f"{age_text(source_age(polled_at, now))} old"


def _moment(moment: datetime, settings: Settings) -> str:
    return f"{moment.astimezone(settings.zone):%Y-%m-%d %H:%M}"
