"""`python -m demo_bank`: put the simulated bank on empty Postgres servers and keep it alive."""

import json
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from demo_bank.databases import reader_urls
from demo_bank.incidents import TITLES
from demo_bank.life import LivingBank, UnknownIncidentError
from demo_bank.seeding import AlreadySeededError, is_seeded, seed
from demo_bank.seeding import Progress as Advance
from demo_bank.simulation import CLIENTS_AT_SCALE_1, Bank
from demo_bank.state import NoBankError
from demo_bank.truth import truth

DEFAULT_SCALE = 0.1
TICK_SECONDS = 60.0


def _running_demo() -> str:
    """The address that `heartbeat up --demo` leaves in its state folder."""
    file = Path(os.environ.get("HEARTBEAT_HOME", ".heartbeat")) / "demo_bank.url"
    if not file.is_file():
        raise typer.BadParameter(f"no demo runs here ({file} is missing); say where the bank is")
    return file.read_text(encoding="utf-8").strip()


ServerUrl = Annotated[
    str,
    typer.Option(
        help="URL of the database postgres of cluster A's server [of the demo that runs here].",
        envvar="DEMO_BANK_URL",
        default_factory=_running_demo,
        show_default=False,
    ),
]
OtherUrl = Annotated[str, typer.Option(help="The same of cluster B's server; without it, no B.")]
Anchor = Annotated[
    str,
    typer.Option(help="The bank's present moment, ISO 8601, UTC unless it says otherwise [now]."),
]
Seed = Annotated[int, typer.Option("--seed", help="Same number, same bank.")]
Scale = Annotated[float, typer.Option(min=0.005, help="1 is 6,000 clients and 420,000 payments.")]
Breadth = Annotated[
    int, typer.Option(min=0, help="Add empty tables to core until it has that many; really 193.")
]
Quiet = Annotated[bool, typer.Option("--without-incidents", help="A bank in which all is well.")]
TruthFile = Annotated[
    Path | None, typer.Option("--truth", help="Also write every metric's true values here.")
]

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
console = Console()


class Position(StrEnum):
    on = "on"
    off = "off"


@app.callback()
def simulated_bank() -> None:
    """The simulated bank that stands in for the source clusters."""


@app.command("seed")
def seed_servers(
    url: ServerUrl,
    other_url: OtherUrl = "",
    anchor: Anchor = "",
    random_seed: Seed = 7,
    scale: Scale = DEFAULT_SCALE,
    breadth: Breadth = 0,
    without_incidents: Quiet = False,
    truth_file: TruthFile = None,
) -> None:
    """Create every database of both clusters with 200 days of business."""
    with _one_line_errors(), _progress_bar() as report:
        bank = seed(
            url,
            other_url or None,
            anchor=_moment(anchor),
            seed=random_seed,
            clients=_clients(scale),
            incidents={} if without_incidents else None,
            breadth=breadth,
            progress=report,
        )
        if truth_file:
            _write_truth(truth_file, bank)
    typer.echo(f"the bank is ready, as of {bank.anchor} UTC")


@app.command("ensure")
def ensure_seeded(
    url: ServerUrl, other_url: OtherUrl = "", scale: Scale = DEFAULT_SCALE, breadth: Breadth = 0
) -> None:
    """Seed a bank as of now, unless the server has one."""
    if is_seeded(url):
        typer.echo("the bank is there")
        return
    seed_servers(url, other_url, scale=scale, breadth=breadth)


@app.command("environment")
def source_environment(
    url: ServerUrl,
    export: Annotated[
        bool, typer.Option("--export", help="As lines that a shell evaluates, not as JSON.")
    ] = False,
) -> None:
    """Print the variables through which Heartbeat finds the bank on that server."""
    urls = reader_urls(url)
    if export:
        lines = [f"export {name}={shlex.quote(address)}" for name, address in urls.items()]
    else:
        lines = [json.dumps(urls)]
    typer.echo("\n".join(lines))


@app.command("tick")
def tick(
    url: ServerUrl,
    every: Annotated[float, typer.Option(min=1, help="Seconds between ticks.")] = TICK_SECONDS,
    once: Annotated[bool, typer.Option("--once", help="Catch up with the clock and end.")] = False,
) -> None:
    """Add new business until now, again and again until interrupted."""
    bank = LivingBank(url)
    with _one_line_errors():
        while not once:
            try:
                _tick(bank)
            except psycopg.OperationalError as error:
                typer.echo(f"error: {error}; trying again in {every:g} s", err=True)
            time.sleep(every)
        _tick(bank)


def _tick(bank: LivingBank) -> None:
    moved = bank.tick(datetime.now(UTC))
    typer.echo(f"{moved.until}: {_rows(moved.written)} written, {moved.deleted} deleted")
    if moved.is_at_the_end:
        typer.echo("the story ends here: drop the bank's databases and seed a new one")


@app.command("incident")
def switch_incident(
    url: ServerUrl,
    name: Annotated[str, typer.Argument(help="I1 to I12.")],
    position: Annotated[Position, typer.Argument()],
) -> None:
    """Switch an incident while the bank is alive."""
    with _one_line_errors():
        bank = LivingBank(url)
        bank.tick(datetime.now(UTC))
        moved = bank.switch(name, on=position is Position.on, now=datetime.now(UTC))
    typer.echo(f"{name} {position}: {TITLES[name]}")
    typer.echo(f"{_rows(moved.written)} written, {moved.deleted:,} deleted in the sources")
    if moved.deleted:
        typer.echo(
            "A refresh does not see deleted rows of tables that are merged: run the job"
            " reconcile in Dagster, or wait for the night."
        )


@app.command("incidents")
def list_incidents(url: ServerUrl) -> None:
    """Print what can go wrong, and what does."""
    with _one_line_errors():
        on = LivingBank(url).state().incidents
    for name, title in TITLES.items():
        typer.echo(f"{name:<4}{'on ' if name in on else 'off'}  {title}")


@app.command("truth")
def print_truth(
    file: Annotated[Path, typer.Argument(help="Where to write, for example truth.json.")],
    anchor: Anchor,
    random_seed: Seed = 7,
    scale: Scale = DEFAULT_SCALE,
) -> None:
    """Count every metric by hand, at the anchor and on the 30 days before, incidents on and off."""
    bank = Bank(anchor=_moment(anchor), seed=random_seed, clients=_clients(scale))
    with _one_line_errors():
        _write_truth(file, bank)


def _write_truth(file: Path, bank: Bank) -> None:
    file.write_text(json.dumps(truth(bank), indent=1) + "\n", encoding="utf-8")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text) if text else datetime.now(UTC)
    except ValueError as error:
        raise typer.BadParameter(f"--anchor: {error}; write it as 2026-11-20T08:30") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _clients(scale: float) -> int:
    return round(CLIENTS_AT_SCALE_1 * scale)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except (
        AlreadySeededError,
        NoBankError,
        UnknownIncidentError,
        psycopg.OperationalError,
        OSError,
    ) as error:
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(1) from error


def _rows(number: int) -> str:
    return f"{number:,} {'row' if number == 1 else 'rows'}"


@contextmanager
def _progress_bar() -> Iterator[Advance]:
    columns = BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("simulating")

        def report(table: str, done: float, total: int) -> None:
            bar.update(task, description=table, completed=done, total=total)

        yield report


if __name__ == "__main__":
    app()
