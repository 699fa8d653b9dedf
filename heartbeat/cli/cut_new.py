"""The command that leads an author from a landed table to an audit cut."""

from collections.abc import Set
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from heartbeat.audit.audit_cut import CUT_ID, load_cuts
from heartbeat.audit.cut_draft import CutDraft
from heartbeat.cli import cut
from heartbeat.cli.columns import asked_column
from heartbeat.errors import HeartbeatError
from heartbeat.project import Project
from heartbeat.settings import Settings


def new(
    cut_id: Annotated[str, typer.Argument(help="What the file will be called.")],
    table: Annotated[str, typer.Option(prompt="Landed table, as schema.table")],
    page: Annotated[str, typer.Option(prompt="Audit page, such as overview")],
    title: Annotated[str, typer.Option(prompt="Title")],
    time_column: Annotated[str | None, typer.Option(help="What dates a row.")] = None,
    new_page: Annotated[
        bool, typer.Option("--new-page", help="Begin a page that has no cut yet.")
    ] = False,
) -> None:
    """Write a first cut from a landed table, and draw it."""
    if CUT_ID.fullmatch(cut_id) is None:
        raise HeartbeatError(f"a cut is named a-z, 0-9 and _, a letter first, not '{cut_id}'")
    settings = Settings.load()
    project = Project(settings.project)
    landed = project.landed_table(table)
    if not new_page:
        _refuse_unknown_page(page, {each.page for each in project.cuts.cuts})
    if time_column is None:
        temporal = [each for each in landed.table.columns if each.is_temporal]
        time_column = asked_column("Column that dates a row", temporal)
    path = settings.project / "audit_cuts" / f"{cut_id}.py"
    if path.exists():
        raise HeartbeatError(f"{path} is there already; choose another id, or edit it")
    text = CutDraft(landed, time_column, page, title).text()
    _refuse_what_is_no_cut(path, text)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    typer.echo(f"Wrote {path}")
    cut.run(cut_id)


def _refuse_unknown_page(page: str, pages: Set[str]) -> None:
    if pages and page not in pages:
        raise HeartbeatError(
            f"no cut is on page {page}; there are {', '.join(sorted(pages))}; "
            "--new-page begins another"
        )


def _refuse_what_is_no_cut(path: Path, text: str) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / path.name).write_text(text, encoding="utf-8")
        problems = load_cuts(Path(folder)).problems
    if problems:
        raise HeartbeatError("; ".join(problem.problem for problem in problems))
