"""Commands that run the stack."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from heartbeat.database import prepare_databases
from heartbeat.errors import HeartbeatError, SettingsError
from heartbeat.judgement.wording import counted
from heartbeat.settings import Settings

if TYPE_CHECKING:
    from heartbeat.project import Project


def up(
    demo: Annotated[bool, typer.Option(help="Use the simulated bank as source side.")] = False,
    scale: Annotated[float, typer.Option(help="Size of the simulated bank.", min=0.01)] = 0.1,
) -> None:
    """Run the whole stack in the foreground; Ctrl-C stops all of it."""
    from heartbeat.stack.up import Stack

    stack = Stack(Settings.load(), Console())
    if demo:
        stack.run_demo(["--scale", str(scale)])
    else:
        stack.run()


def serve(name: Annotated[str, typer.Argument(help="code-location, daemon, ...")]) -> None:
    """Become one process of the stack; `up` and the containers use it."""
    from heartbeat.stack.process import become

    become(name, Settings.load())


def migrate() -> None:
    """Make the databases where they are missing and bring the schema to this version."""
    settings = Settings.load()
    if not settings.has_owner:
        raise SettingsError(
            "HEARTBEAT_DATABASE_URL names no user: `heartbeat migrate` logs in as the owner of the "
            "databases, so give it an address such as postgresql://owner:password@host:5432/marts"
        )
    for note in prepare_databases(settings):
        typer.echo(f"note: {note}")
    typer.echo("The databases are ready.")


def validate() -> None:
    """Load the project as Dagster does, without a database, and list the files it cannot use."""
    from heartbeat.project import Project
    from heartbeat.stack.process import code_location_problem

    settings = Settings.load()
    project = Project(settings.project)
    for note in project.notes:
        typer.echo(str(note))
    if problems := project.problems:
        raise HeartbeatError("; ".join(str(problem) for problem in problems))
    if said := code_location_problem(settings):
        typer.echo(said, err=True)
        raise HeartbeatError("Dagster cannot load the project; its reason is above")
    typer.echo(f"{_loaded(project)}: all can be used.")


def _loaded(project: "Project") -> str:
    """What a project has: "2 sources, 31 metrics, 1 audit cut"."""
    return ", ".join(
        (
            counted(len(project.sources.sources), "source"),
            counted(len(project.metrics.metrics), "metric"),
            counted(len(project.cuts.cuts), "audit cut"),
        )
    )
