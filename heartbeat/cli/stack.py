"""Commands that run the stack."""

from typing import Annotated

import typer
from rich.console import Console

from heartbeat.database import prepare_databases
from heartbeat.errors import HeartbeatError
from heartbeat.settings import Settings


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
    prepare_databases(Settings.load())
    typer.echo("The databases are ready.")


def validate() -> None:
    """Load the project as Dagster does, without a database, and list the files it cannot use."""
    from heartbeat.project import Project
    from heartbeat.stack.process import validate_code_location

    settings = Settings.load()
    problems = Project(settings.project).problems
    if problems:
        raise HeartbeatError("; ".join(str(problem) for problem in problems))
    if not validate_code_location(settings):
        raise HeartbeatError("Dagster cannot load the project; its reason is above")
