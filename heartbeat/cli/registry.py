"""Commands on the registry."""

from typing import Annotated

import psycopg
import typer

from heartbeat.cli.marts import opened_marts
from heartbeat.errors import ContentError, HeartbeatError
from heartbeat.metric_file import load_metrics
from heartbeat.registry import ChangeKind, RegistryChange, plan_sync
from heartbeat.registry import sync as sync_registry

app = typer.Typer(no_args_is_help=True, help="The metric files as the database knows them.")

_SIGNS = {ChangeKind.ADD: "+", ChangeKind.UPDATE: "~", ChangeKind.REMOVE: "-"}


@app.command()
def sync(
    dry_run: Annotated[bool, typer.Option(help="Only show what would change.")] = False,
) -> None:
    """Bring the registry to the files, in one transaction."""
    with opened_marts() as settings:
        loaded = load_metrics(settings.project / "metrics")
        with psycopg.connect(settings.database_url) as connection:
            apply = plan_sync if dry_run else sync_registry
            _print_changes(apply(connection, loaded))
    _report(loaded.problems)


@app.command()
def status() -> None:
    """Show what a sync would change, and the files that cannot be used."""
    sync(dry_run=True)


def _print_changes(changes: tuple[RegistryChange, ...]) -> None:
    if not changes:
        typer.echo("The registry is as the files say.")
    for change in changes:
        columns = f"  {', '.join(change.columns)}" if change.columns else ""
        typer.echo(f"{_SIGNS[change.kind]} {change.metric_id}{columns}")


def _report(problems: tuple[ContentError, ...]) -> None:
    if problems:
        raise HeartbeatError("; ".join(str(problem) for problem in problems))
