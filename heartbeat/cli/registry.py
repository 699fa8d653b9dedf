"""Commands on the registry."""

from typing import Annotated

import typer

from heartbeat.cli.marts import opened_marts
from heartbeat.errors import ContentError, HeartbeatError
from heartbeat.login import Login
from heartbeat.metrics.metric_file import load_metrics
from heartbeat.metrics.registry import ChangeKind, SyncPlan, plan_sync
from heartbeat.postgres_session import connect
from heartbeat.project import Project
from heartbeat.registration import register

app = typer.Typer(no_args_is_help=True, help="The metric files as the database knows them.")

_SIGNS = {ChangeKind.ADD: "+", ChangeKind.UPDATE: "~", ChangeKind.REMOVE: "-"}


@app.command()
def sync(
    dry_run: Annotated[bool, typer.Option(help="Only show what would change.")] = False,
) -> None:
    """Show what differs between the files and the registry, and bring the registry to the files."""
    with opened_marts() as settings:
        loaded = load_metrics(settings.project / "metrics")
        with connect(settings.login_url(Login.INGEST)) as connection:
            _print_plan(plan_sync(connection, loaded))
            if not dry_run:
                register(connection, Project.of(settings), settings.zone)
    _report(loaded.problems)


@app.command()
def status() -> None:
    """Show what a sync would change, and the files that cannot be used."""
    sync(dry_run=True)


def _print_plan(plan: SyncPlan) -> None:
    if not plan.changes:
        typer.echo("The registry is as the files say.")
    for change in plan.changes:
        typer.echo(f"{_SIGNS[change.kind]} {change.metric_id}")
        for column in change.columns:
            typer.echo(f"    {column.column}: {column.change}")
    for kept in plan.kept:
        registered = "none" if kept.registered is None else kept.registered
        typer.echo(
            f"= {kept.metric_id}\n    {kept.column}: stays {registered}, which is the operators'; "
            f"the file says {kept.in_file}"
        )


def _report(problems: tuple[ContentError, ...]) -> None:
    if problems:
        raise HeartbeatError("; ".join(str(problem) for problem in problems))
