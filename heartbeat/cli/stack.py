"""Commands that run the stack."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from heartbeat.database import prepare_databases
from heartbeat.errors import HeartbeatError
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


def serve(
    name: Annotated[str, typer.Argument(help="code-location, daemon, ...")],
    end_runs: Annotated[
        bool,
        typer.Option(
            "--end-runs",
            help="The daemon's: end the runs in progress when it is stopped, as a container does.",
        ),
    ] = False,
) -> None:
    """Become one process of the stack; `up` and the containers use it."""
    from heartbeat.stack.process import become

    become(name, Settings.load(), end_runs=end_runs)


def first_runs() -> None:
    """Run what is due once Dagster is there, as `up` does: refresh, benchmark, segment, audit."""
    from heartbeat.stack.first_runs import FirstRuns

    runs = FirstRuns(Settings.load(), Console())
    runs.wait_until_loaded()
    runs.run()
    typer.echo("Up to date.")


def migrate() -> None:
    """Make the databases where they are missing and bring the schema to this version."""
    prepare_databases(Settings.load())
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
