"""Commands on sources."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table as RichTable

from heartbeat.errors import HeartbeatError
from heartbeat.landing.catalog import Catalog, write_catalog
from heartbeat.settings import Settings
from heartbeat.source import parse_source_file

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
    """Read a source's tables, columns and keys into its catalog file."""
    path = _source_path(name)
    catalog = _reflected(name, path)
    write_catalog(path.with_name(f"{name}.catalog.json"), catalog)
    rows = [(table.qualified_name, table.write, table.reason) for table in catalog.tables]
    Console().print(_as_table(("table", "write", "why"), rows))


@app.command()
def check(name: Annotated[str, typer.Argument(help="Stem of the file in sources/.")]) -> None:
    """Test the connection and compare the source with its catalog file."""
    from heartbeat.landing.catalog import read_catalog
    from heartbeat.landing.drift import drift

    path = _source_path(name)
    differences = drift(
        read_catalog(path.with_name(f"{name}.catalog.json")), _reflected(name, path)
    )
    for difference in differences:
        typer.echo(difference)
    if differences:
        raise HeartbeatError(f"{name} has drifted; run `heartbeat source discover {name}`")
    typer.echo(f"{name} is as its catalog says.")


def _source_path(name: str) -> Path:
    path = Settings.load().project / "sources" / f"{name}.yaml"
    if not path.exists():
        known = ", ".join(sorted(each.stem for each in path.parent.glob("*.yaml"))) or "none"
        raise HeartbeatError(f"there is no {path}; the project's sources are: {known}")
    return path


def _reflected(name: str, path: Path) -> Catalog:
    from heartbeat.landing.source_session import source_session

    with source_session(name, parse_source_file(path)) as session:
        return session.catalog()


def _as_table(headers: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> RichTable:
    table = RichTable(*headers, box=None)
    for row in rows:
        table.add_row(*row)
    return table
