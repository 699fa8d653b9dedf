"""The command that leads an author from a landed table to a metric."""

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from heartbeat.cli.columns import asked_column
from heartbeat.cli.marts import opened_marts
from heartbeat.cli.metric import print_metric
from heartbeat.errors import ContentError, HeartbeatError
from heartbeat.judgement.wording import counted
from heartbeat.lint.linter import lint
from heartbeat.login import Login
from heartbeat.metrics.compute import compute_and_store
from heartbeat.metrics.metric import Direction, Period
from heartbeat.metrics.metric_draft import ROLLING, Draft, Measure
from heartbeat.metrics.metric_file import parse_metric
from heartbeat.metrics.registry import sync
from heartbeat.postgres_session import connect
from heartbeat.project import Project
from heartbeat.settings import Settings


def new(
    metric_id: Annotated[str, typer.Argument(help="What the file will be called.")],
    table: Annotated[str, typer.Option(prompt="Landed table, as schema.table")],
    measure: Annotated[
        Measure, typer.Option(prompt="Count rows, sum a column, or the age of the oldest")
    ],
    period: Annotated[
        Period, typer.Option(prompt="Of now (snapshot), or over the last 24h, 7d, 30d")
    ],
    code: Annotated[str, typer.Option(prompt="Code, 4 characters")],
    name: Annotated[str, typer.Option(prompt="Name")],
    short_name: Annotated[str, typer.Option(prompt="Short name for the wall, at most 26")],
    unit: Annotated[str, typer.Option(prompt="Unit, such as EUR, h, count")],
    direction: Annotated[Direction, typer.Option(prompt="Which side is good")],
    red_means: Annotated[str, typer.Option(prompt="What does red mean, in money")],
    column: Annotated[str | None, typer.Option(help="What is summed, or how old it is.")] = None,
    time_column: Annotated[str | None, typer.Option(help="What dates a row.")] = None,
    norm: Annotated[str | None, typer.Option(help="Amber line.")] = None,
    alert: Annotated[str | None, typer.Option(help="Red line.")] = None,
) -> None:
    """Write a first metric from a landed table, lint it, and show its number."""
    settings = Settings.load()
    project = Project(settings.project)
    landed = project.landed_table(table)
    if measure is not Measure.COUNT and column is None:
        column = asked_column("Column that is measured", landed.table.columns)
    if period in ROLLING and time_column is None:
        temporal = [each for each in landed.table.columns if each.is_temporal]
        time_column = asked_column("Column that dates a row", temporal)
    draft = Draft(
        metric_id=metric_id,
        code=code,
        name=name,
        short_name=short_name,
        period=period,
        unit=unit,
        direction=direction,
        how_to_read=red_means,
        table=landed,
        measure=measure,
        column=column,
        time_column=time_column,
        norm_value=norm,
        alert_value=alert,
    )
    path = settings.project / "metrics" / f"{metric_id}.sql"
    if path.exists():
        raise HeartbeatError(f"{path} is there already; choose another id, or edit it")
    text = draft.text()
    _refuse_what_is_no_metric(path, text, project)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    typer.echo(f"Wrote {path}")
    _try_out(metric_id)


def _refuse_what_is_no_metric(path: Path, text: str, project: Project) -> None:
    with TemporaryDirectory() as folder:
        tried = Path(folder) / path.name
        tried.write_text(text, encoding="utf-8")
        try:
            metric = parse_metric(tried)
        except ContentError as error:
            raise HeartbeatError(error.problem) from error
    for other in project.metrics.metrics:
        if other.code == metric.code:
            raise HeartbeatError(f"code {metric.code} is used by {other.path.name}; take another")


def _try_out(metric_id: str) -> None:
    with opened_marts() as settings:
        project = Project(settings.project)
        moment = datetime.now(UTC)
        findings = list(lint(project, settings, as_of=moment, metric_ids=frozenset([metric_id])))
        for finding in findings:
            typer.echo(str(finding))
        metrics = [each for each in project.metrics.metrics if each.metric_id == metric_id]
        with connect(settings.login_url(Login.INGEST)) as connection:
            sync(connection, project.metrics)
        run_id = f"new-{moment:%Y%m%dT%H%M%S.%f}"
        for outcome in compute_and_store(metrics, settings, as_of=moment, run_id=run_id):
            if outcome.error:
                raise HeartbeatError(outcome.error)
        if metrics:
            print_metric(settings, project, metric_id)
    if findings:
        raise HeartbeatError(f"the linter has {counted(len(findings), 'finding')}; edit the file")
