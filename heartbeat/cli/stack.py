"""Commands that run the stack."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from heartbeat.cli.marts import running_server
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

    stack = Stack(Settings.load(), Console(soft_wrap=True))
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
    from heartbeat.stack.first_runs import FirstRuns, outcome_line

    runs = FirstRuns(Settings.load(), Console(soft_wrap=True))
    runs.wait_until_loaded()
    typer.echo(outcome_line(runs.run()))


def down() -> None:
    """Stop the stack of this state folder, and whatever is left of one; waits until it has."""
    from heartbeat.stack.living import end_stack, end_up

    settings = Settings.load()
    stopped = end_up(settings, typer.echo)
    ended = end_stack(settings, typer.echo)
    typer.echo("Everything has ended." if stopped or ended else "Nothing runs.")


def ps() -> None:
    """Show what runs of the stack of this state folder, and what answers."""
    from heartbeat.stack.living import living

    settings = Settings.load()
    table = Table("process", "pids", "since", "state", "port", "answer", box=None)
    found = living(settings)
    for each in found:
        since = f"{each.since.astimezone(settings.zone):%Y-%m-%d %H:%M:%S}"
        pids = " ".join(map(str, each.pids))
        table.add_row(each.name, pids, since, each.state, each.port, each.answer)
    if found:
        Console(soft_wrap=True).print(table, highlight=False, markup=False)
    else:
        typer.echo("Nothing runs.")


def probe(name: Annotated[str, typer.Argument(help="code-location, daemon, ...")]) -> None:
    """Ask one process whether it works, for a health check: 0 when it does, else 1 and why."""
    from heartbeat.stack.probe import Probe, Verdict
    from heartbeat.stack.process import environment, process_named

    settings = Settings.load()
    question = process_named(name, settings).question
    answer = Probe(question, environment(settings)).ask_once()
    if answer.verdict is not Verdict.WORKS:
        raise HeartbeatError(f"{name} {answer.verdict.value}: {answer}")
    typer.echo(f"{name} {answer}")


def systemd(
    folder: Annotated[
        Path | None, typer.Argument(help="Where to write the units; without it they are printed.")
    ] = None,
) -> None:
    """Write the processes as systemd units, for a machine without Docker."""
    from heartbeat.stack.systemd import units, write_units

    settings = Settings.load()
    if folder is None:
        for name, text in units(settings).items():
            typer.echo(f"# {name}\n{text}")
        return
    for path in write_units(settings, folder):
        typer.echo(path)


def migrate() -> None:
    """Make the databases where they are missing and bring the schema to this version."""
    if not Settings.load().has_owner:
        raise SettingsError(
            "HEARTBEAT_DATABASE_URL names no user: `heartbeat migrate` logs in as the owner of the "
            "databases, so give it an address such as postgresql://owner:password@host:5432/marts"
        )
    with running_server() as settings:
        for note in prepare_databases(settings):
            typer.echo(f"note: {note}")
    typer.echo("The databases are ready.")


def validate() -> None:
    """Load the project as Dagster does, without a database, and list the files it cannot use."""
    from heartbeat.project import Project
    from heartbeat.stack.process import code_location_problem

    settings = Settings.load()
    _refuse_other_folders(settings.project)
    project = Project.of(settings)
    for note in project.notes:
        typer.echo(str(note))
    if problems := project.problems:
        raise HeartbeatError("; ".join(str(problem) for problem in problems))
    if said := code_location_problem(settings):
        typer.echo(said, err=True)
        raise HeartbeatError("Dagster cannot load the project; its reason is above")
    typer.echo(f"{_loaded(project)}: all can be used.")


def _refuse_other_folders(folder: Path) -> None:
    """Raise SettingsError for a folder that is no project: nothing in it is nothing to check."""
    if not folder.is_dir():
        raise SettingsError(f"HEARTBEAT_PROJECT: there is no folder {folder}")
    if not any((folder / name).is_dir() for name in ("sources", "metrics", "audit_cuts")):
        raise SettingsError(
            f"HEARTBEAT_PROJECT: {folder} is not a project: it has none of the folders sources, "
            "metrics and audit_cuts"
        )


def _loaded(project: "Project") -> str:
    """What a project has: "2 sources, 31 metrics, 1 audit cut"."""
    return ", ".join(
        (
            counted(len(project.sources.sources), "source"),
            counted(len(project.own_metrics.metrics), "metric"),
            counted(len(project.cuts.cuts), "audit cut"),
        )
    )
