"""Commands on sources."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from heartbeat.cli.marts import opened_marts
from heartbeat.errors import ContentError, HeartbeatError
from heartbeat.judgement.wording import counted
from heartbeat.landing.catalog import Catalog, write_catalog
from heartbeat.settings import Settings
from heartbeat.source import Source, parse_source_file

if TYPE_CHECKING:
    from heartbeat.landing.reflection import Reflection

app = typer.Typer(no_args_is_help=True, help="The systems that are landed.")


@app.command("list")
def list_sources(
    as_json: Annotated[bool, typer.Option("--json", help="For a program to read.")] = False,
) -> None:
    """List the sources of the project and how each table is written."""
    from heartbeat.source import load_sources

    loaded = load_sources(Settings.load().project / "sources")
    rows = [
        (source.landed_schema(table.schema_name), table.landed_as, table.write, table.reason)
        for source in loaded.sources
        for table in source.catalog.tables
    ]
    if as_json:
        keys = ("schema", "table", "write", "reason")
        typer.echo(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=1))
    else:
        Console().print(_as_table(("landed schema", "table", "write", "why"), rows))
    if loaded.problems:
        raise HeartbeatError("; ".join(str(problem) for problem in loaded.problems))


@app.command()
def discover(name: Annotated[str, typer.Argument(help="Stem of the file in sources/.")]) -> None:
    """Read a source's tables, columns and keys into its catalog file.

    A table that cannot land is named and stays as the catalog has it; the others are written.
    """
    path = _source_path(name)
    reflection = _reflected(name, path)
    catalog_path = path.with_name(f"{name}.catalog.json")
    write_catalog(catalog_path, reflection.usable_catalog(_recorded(catalog_path)))
    rows = [
        (table.qualified_name, _known(reflection.bytes[landed_name]), table.write, table.reason)
        for landed_name, table in reflection.tables.items()
    ]
    Console().print(_as_table(("table", "MB", "write", "why"), rows))
    for reason in reflection.left_out.values():
        typer.echo(f"left out: {reason}")
    if len(reflection.all_problems) > 1:
        for problem in reflection.all_problems:
            typer.echo(f"cannot land: {problem}")
        raise HeartbeatError(f"{len(reflection.all_problems)} things of {name} cannot land")
    reflection.refuse_problems()


@app.command()
def cost(
    as_json: Annotated[bool, typer.Option("--json", help="For a program to read.")] = False,
) -> None:
    """List the tables that every load reads as a whole, the costly ones first."""
    from heartbeat.landing.load_cost import read_costs

    with opened_marts() as settings:
        costs = read_costs(settings)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in costs], indent=1))
        return
    rows = [
        (each.table, each.write, f"{each.rows:,}", _megabytes(each.bytes), f"{each.seconds:.1f}")
        for each in costs
    ]
    Console().print(_as_table(("table", "write", "rows", "MB a load", "seconds"), rows))
    total = sum(each.bytes for each in costs)
    tables = counted(len(costs), "table")
    typer.echo(f"{tables}, {_megabytes(total)} MB read by every load of all of them")


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="Stem of the file in sources/.")],
    parity: Annotated[
        bool, typer.Option("--parity", help="Compare the landed rows with the source too.")
    ] = False,
) -> None:
    """Test the connection and compare the source with its catalog file."""
    from heartbeat.landing.catalog import read_catalog
    from heartbeat.landing.drift import drift

    path = _source_path(name)
    recorded = read_catalog(path.with_name(f"{name}.catalog.json"))
    reflection = _reflected(name, path)
    differences = drift(recorded, reflection)
    for difference in differences:
        typer.echo(difference)
    unequal = _print_parity(name, path, recorded) if parity else 0
    if differences:
        unlandable = len(reflection.all_problems)
        raise HeartbeatError(_advice(name, unlandable, len(differences) - unlandable))
    if unequal:
        raise HeartbeatError(
            f"{counted(unequal, 'table')} of {name} {'is' if unequal == 1 else 'are'} not as in "
            "the source; land again, and compare every row with `heartbeat ingest --reconcile`"
        )
    typer.echo(f"{name} is as its catalog says.")


def _advice(name: str, unlandable: int, drifted: int) -> str:
    """What to do about a source; a new catalog helps against drift alone."""
    discover = f"run `heartbeat source discover {name}`"
    if not unlandable:
        return f"{name} has drifted; {discover}"
    told = f"{counted(unlandable, 'thing')} of {name} cannot land; do what its line above says"
    return f"{told}; {name} has drifted too: then {discover}" if drifted else told


def _print_parity(name: str, path: Path, catalog: Catalog) -> int:
    from heartbeat.landing.parity import check_parity

    source = Source(name, path, parse_source_file(path), catalog)
    unequal = 0
    with opened_marts() as settings:
        for table in check_parity(source, settings):
            typer.echo(f"{table.name}: {table.difference or 'equal'}")
            unequal += table.difference is not None
    return unequal


def _source_path(name: str) -> Path:
    path = Settings.load().project / "sources" / f"{name}.yaml"
    if not path.exists():
        known = ", ".join(sorted(each.stem for each in path.parent.glob("*.yaml"))) or "none"
        raise HeartbeatError(f"there is no {path}; the project's sources are: {known}")
    return path


def _reflected(name: str, path: Path) -> "Reflection":
    from heartbeat.landing.source_session import source_session

    with source_session(name, parse_source_file(path)) as session:
        return session.reflection()


def _recorded(path: Path) -> Catalog:
    from heartbeat.landing.catalog import read_catalog

    try:
        return read_catalog(path)
    except ContentError:
        return Catalog(tables=())


def _known(size: int | None) -> str:
    return "locked" if size is None else _megabytes(size)


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:,.1f}"


def _as_table(headers: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> RichTable:
    table = RichTable(*headers, box=None)
    for row in rows:
        table.add_row(*map(escape, row))
    return table
