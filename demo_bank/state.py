"""What a living bank remembers about itself, in a database of its own beside its sources."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import numpy as np
import psycopg
from psycopg.conninfo import make_conninfo

from demo_bank.incidents import Incidents
from demo_bank.simulation import Bank, as_datetime

DATABASE = "simulation"
_LOCK = 0x5EED
_DDL = """
create table bank(
  is_only boolean primary key default true check (is_only),
  anchor timestamp not null, seed bigint not null, clients int not null,
  incidents jsonb not null, ticked_until timestamp not null);
"""


class NoBankError(Exception):
    """The server holds no finished bank; seed one first."""


@dataclass(frozen=True)
class State:
    """Which bank it is, which incidents are on since when, and how far its rows have come."""

    anchor: datetime
    seed: int
    clients: int
    incidents: Incidents
    ticked_until: np.datetime64

    def bank(self) -> Bank:
        return Bank(anchor=self.anchor, seed=self.seed, clients=self.clients)

    @classmethod
    def read(cls, connection: psycopg.Connection[Any]) -> Self:
        row = connection.execute(
            "select anchor, seed, clients, incidents, ticked_until from bank"
        ).fetchone()
        if row is None:
            raise NoBankError("the simulation has no bank; drop its databases and seed again")
        anchor, seed, clients, incidents, ticked_until = row
        moments = {name: np.datetime64(moment, "ms") for name, moment in incidents.items()}
        until = np.datetime64(ticked_until, "ms")
        return cls(anchor.replace(tzinfo=UTC), seed, clients, moments, until)

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Replace what was remembered."""
        incidents = json.dumps({name: str(moment) for name, moment in self.incidents.items()})
        connection.execute(
            "insert into bank(anchor, seed, clients, incidents, ticked_until)"
            " values (%s, %s, %s, %s, %s) on conflict (is_only) do update"
            " set incidents = excluded.incidents, ticked_until = excluded.ticked_until",
            [
                self.anchor.astimezone(UTC).replace(tzinfo=None),
                self.seed,
                self.clients,
                incidents,
                as_datetime(self.ticked_until),
            ],
        )


def create(connection: psycopg.Connection[Any], state: State) -> None:
    """Make the memory of a new bank."""
    connection.execute(_DDL)
    state.write(connection)


@contextmanager
def remembered(server_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A transaction on the memory that no other process shares; raises NoBankError."""
    try:
        connection = psycopg.connect(make_conninfo(server_url, dbname=DATABASE))
    except psycopg.OperationalError as error:
        if f'database "{DATABASE}" does not exist' in str(error):
            raise NoBankError("no bank is on this server; seed one first") from error
        raise
    with connection:
        connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
        yield connection
