"""What a living bank remembers about itself, in a database of its own beside its sources."""

import json
from collections.abc import Iterator, Mapping
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
  incidents jsonb not null, switching_from jsonb, ticked_until timestamp not null);
"""


class NoBankError(Exception):
    """The server holds no finished bank; seed one first."""


@dataclass(frozen=True)
class State:
    """Which bank it is, which incidents are on since when, and how far its rows have come.

    `switching_from` holds the incidents of before while a switch is under way: one that was killed
    leaves it, and whoever comes next finishes the switch.
    """

    anchor: datetime
    seed: int
    clients: int
    incidents: Incidents
    ticked_until: np.datetime64
    switching_from: Incidents | None = None

    def bank(self) -> Bank:
        return Bank(anchor=self.anchor, seed=self.seed, clients=self.clients)

    @classmethod
    def read(cls, connection: psycopg.Connection[Any]) -> Self:
        row = connection.execute(
            "select anchor, seed, clients, incidents, ticked_until, switching_from from bank"
        ).fetchone()
        if row is None:
            raise NoBankError("the simulation has no bank; drop its databases and seed again")
        anchor, seed, clients, incidents, ticked_until, before = row
        return cls(
            anchor.replace(tzinfo=UTC),
            seed,
            clients,
            _moments(incidents),
            np.datetime64(ticked_until, "ms"),
            None if before is None else _moments(before),
        )

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Replace what was remembered, at once."""
        before = self.switching_from
        connection.execute(
            "insert into bank(anchor, seed, clients, incidents, switching_from, ticked_until)"
            " values (%s, %s, %s, %s, %s, %s) on conflict (is_only) do update"
            " set (incidents, switching_from, ticked_until)"
            " = (excluded.incidents, excluded.switching_from, excluded.ticked_until)",
            [
                self.anchor.astimezone(UTC).replace(tzinfo=None),
                self.seed,
                self.clients,
                _json(self.incidents),
                None if before is None else _json(before),
                as_datetime(self.ticked_until),
            ],
        )
        connection.commit()


def _json(incidents: Incidents) -> str:
    return json.dumps({name: str(moment) for name, moment in incidents.items()})


def _moments(incidents: Mapping[str, str]) -> Incidents:
    return {name: np.datetime64(moment, "ms") for name, moment in incidents.items()}


def create(connection: psycopg.Connection[Any], state: State) -> None:
    """Make the memory of a new bank."""
    connection.execute(_DDL)
    state.write(connection)


@contextmanager
def remembered(server_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to the memory that only one process has at a time; raises NoBankError."""
    try:
        connection = psycopg.connect(make_conninfo(server_url, dbname=DATABASE))
    except psycopg.OperationalError as error:
        if f'database "{DATABASE}" does not exist' in str(error):
            raise NoBankError("no bank is on this server; seed one first") from error
        raise
    with connection:
        connection.execute("select pg_advisory_lock(%s)", [_LOCK])
        yield connection
