"""The commands and how they fail."""

import os
import sys
from importlib.metadata import version
from typing import Annotated

import psycopg
import typer

from heartbeat.author_query import fault
from heartbeat.cli import (
    backup,
    cut,
    cut_new,
    doctor,
    ingest,
    metric,
    metric_new,
    psql,
    registry,
    source,
    stack,
    today,
    work,
)
from heartbeat.errors import HeartbeatError
from heartbeat.json_log import LogFormat, install

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Lands sources, computes metrics and audit cuts, and shows what is broken.",
)
app.add_typer(source.app, name="source")
app.add_typer(registry.app, name="registry")
metric.app.command("new")(metric_new.new)
app.add_typer(metric.app, name="metric")
cut.app.command("new")(cut_new.new)
app.add_typer(cut.app, name="cut")
for command in (
    *(backup.backup, backup.restore),
    *(
        stack.up,
        stack.down,
        stack.ps,
        stack.serve,
        stack.first_runs,
        stack.probe,
        stack.systemd,
        stack.migrate,
        stack.validate,
    ),
    *(work.refresh, ingest.ingest, work.compute, work.benchmark, work.segments, today.today),
    doctor.doctor,
):
    app.command()(command)
app.command(context_settings=psql.EXTRA_ARGUMENTS)(psql.psql)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"heartbeat {version('heartbeat')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Lands sources, computes metrics and audit cuts, and shows what is broken."""


def main() -> None:
    """Run the command line; an error that a person can mend is one line on stderr."""
    if os.environ.get("HEARTBEAT_LOG_FORMAT", "").strip().lower() == LogFormat.JSON:
        install(LogFormat.JSON)
    try:
        app()
    except (HeartbeatError, psycopg.Error) as error:
        if "--debug" in sys.argv:
            raise
        text = str(error) if isinstance(error, HeartbeatError) else f"marts: {fault(error)}"
        typer.echo(f"error: {text}", err=True)
        sys.exit(1)
