"""Commands for the authors of audit cuts."""

import webbrowser
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from heartbeat.cli.marts import opened_marts
from heartbeat.cli.moment import moment
from heartbeat.errors import HeartbeatError
from heartbeat.project import Project
from heartbeat.settings import Settings
from heartbeat.typeface import with_letters

if TYPE_CHECKING:
    from heartbeat.audit.audit_cut import AuditCut

app = typer.Typer(no_args_is_help=True, help="For the authors of audit cuts.")


@app.callback()
def cut() -> None:
    """For the authors of audit cuts."""


@app.command()
def run(
    cut: Annotated[str, typer.Argument(help="Id of the cut: the name of its file.")],
    window: Annotated[
        str | None, typer.Option(help="One of its windows; its default without.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(help="A past moment, ISO 8601, in the business time zone; now without."),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Show the picture in a browser.")] = False,
) -> None:
    """Compute and draw a cut on the rows that are landed; the wall keeps what it has."""
    from heartbeat.audit.audit_snapshot import draw_cut

    with opened_marts() as settings:
        found = _usable_cut(settings, cut)
        drawn = draw_cut(
            found,
            window or found.window_default,
            settings,
            as_of=moment(as_of, settings.zone) if as_of else datetime.now(UTC),
        )
    folder = settings.home / "drawings"
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{cut}-{window or found.window_default}"
    picture = Path(f"{stem}.svg")
    picture.write_text(with_letters(drawn.chart.svg), encoding="utf-8")
    Path(f"{stem}.png").write_bytes(drawn.chart.png)
    typer.echo(found.title)
    for text in ("headline", "prose"):
        if isinstance(said := drawn.payload.get(text), str):
            typer.echo(said)
    typer.echo(f"drawn in {picture}, and as {stem.name}.png beside it")
    if show and not webbrowser.open(picture.as_uri()):
        raise HeartbeatError(f"no browser could be started; open {picture} yourself")


def _usable_cut(settings: Settings, cut_id: str) -> "AuditCut":
    loaded = Project(settings.project).cuts
    for found in loaded.cuts:
        if found.cut_id == cut_id:
            return found
    broken = [str(problem) for problem in loaded.problems if problem.path.stem == cut_id]
    if broken:
        raise HeartbeatError("; ".join(broken))
    known = ", ".join(found.cut_id for found in loaded.cuts)
    raise HeartbeatError(
        f"there is no file {cut_id}.py in {settings.project / 'audit_cuts'}; "
        f"there are {known or 'none'}"
    )
