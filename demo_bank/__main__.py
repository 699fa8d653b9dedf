"""`python -m demo_bank`: put the simulated bank on an empty Postgres server."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from demo_bank.seeding import AlreadySeededError, is_seeded, seed, source_urls

CLIENTS_AT_SCALE_1 = 6000
ServerUrl = Annotated[str, typer.Option(help="URL of the database postgres of a server.")]

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def simulated_bank() -> None:
    """The simulated bank that stands in for the source clusters."""


@app.command("seed")
def seed_server(
    url: ServerUrl,
    anchor: Annotated[
        str, typer.Option(help="The bank's present moment, ISO 8601, UTC unless it says otherwise.")
    ] = "",
    random_seed: Annotated[int, typer.Option("--seed", help="Same number, same bank.")] = 7,
    clients: Annotated[int, typer.Option(min=20, help="Clients at the first day.")] = 300,
) -> None:
    """Create the databases webbank and currency-rate with 120 days of business."""
    moment = datetime.fromisoformat(anchor) if anchor else datetime.now(UTC)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        seed(url, anchor=moment, seed=random_seed, clients=clients, progress=typer.echo)
    except AlreadySeededError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


@app.command("ensure")
def ensure_seeded(
    url: ServerUrl,
    scale: Annotated[float, typer.Option(min=0.005, help="1 is 6,000 clients.")] = 0.05,
) -> None:
    """Seed a bank as of now, unless the server has one."""
    if is_seeded(url):
        typer.echo("the bank is there")
        return
    clients = round(CLIENTS_AT_SCALE_1 * scale)
    seed(url, anchor=datetime.now(UTC), clients=clients, progress=typer.echo)


@app.command("environment")
def source_environment(url: ServerUrl) -> None:
    """Print the variables through which Heartbeat finds the bank on that server, as JSON."""
    typer.echo(json.dumps(source_urls(url)))


if __name__ == "__main__":
    app()
