"""The command that lands without the servers, with the code that the assets run."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from heartbeat.cli.chosen_metrics import chosen_metrics
from heartbeat.cli.marts import new_run_id, opened_marts
from heartbeat.errors import HeartbeatError
from heartbeat.judgement.grouped import grouped
from heartbeat.login import Login
from heartbeat.postgres_session import connect
from heartbeat.project import Project
from heartbeat.table_reference import TableRef

if TYPE_CHECKING:
    from heartbeat.landing.ledger import TableLoad
    from heartbeat.landing.selection import SelectedTables


def ingest(
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    schema: Annotated[str | None, typer.Option(help="Only this landed schema.")] = None,
    table: Annotated[list[str] | None, typer.Option(help="Only these landed tables.")] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="Only the tables that these metrics read.")
    ] = None,
    reconcile: Annotated[
        bool, typer.Option("--reconcile", help="Compare every row with the source.")
    ] = False,
) -> None:
    """Land tables from the sources into marts."""
    from heartbeat.landing.landing_run import LandingRun
    from heartbeat.landing.landing_state import sync_sources
    from heartbeat.landing.selection import select_tables

    with opened_marts() as settings:
        project = Project.of(settings)
        with connect(settings.login_url(Login.INGEST)) as connection:
            sync_sources(connection, project.sources)
        reads = _reads(project, metric) if metric else None
        _refuse_unusable_source(project, source)
        try:
            chosen = select_tables(
                project.sources.sources, source=source, schema=schema, tables=table, reads=reads
            )
        except HeartbeatError as error:
            raise HeartbeatError("; ".join([*_source_problems(project), str(error)])) from error
        failures = _source_problems(project)
        with (
            Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()) as bar,
            LandingRun(
                settings, new_run_id(), chosen, _Progress(bar, chosen), reconcile=reconcile
            ) as run,
        ):
            loads = [load for part in chosen for load in run.land(part)]
        failures += grouped((each.qualified_name, each.error) for each in loads if each.error)
    if failures:
        raise HeartbeatError("; ".join(failures))


def _reads(project: Project, metrics: Sequence[str]) -> set[TableRef]:
    return {table for each in chosen_metrics(project, metrics) for table in each.reads}


def _source_problems(project: Project) -> list[str]:
    return [str(problem) for problem in project.sources.problems]


def _refuse_unusable_source(project: Project, name: str | None) -> None:
    """Tell why it cannot be used, rather than that there is none of that name."""
    for problem in project.sources.problems:
        if problem.path.name.partition(".")[0] == name:
            raise problem


class _Progress:
    """Shows a landing as one bar for each landed schema."""

    def __init__(self, bar: Progress, chosen: "Sequence[SelectedTables]") -> None:
        self._bar = bar
        self._tasks = {
            part.landed_schema: bar.add_task(part.landed_schema, total=len(part.tables))
            for part in chosen
        }

    def landed(self, load: "TableLoad") -> None:
        self._bar.advance(self._tasks[load.landed_schema])

    def noted(self, message: str) -> None:
        self._bar.console.print(message)
