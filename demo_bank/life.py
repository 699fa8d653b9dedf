"""Keeps a seeded bank alive: new business as time passes, incidents on and off."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from demo_bank.databases import CLUSTER_A, DDL
from demo_bank.incidents import IN_THE_SERVER, TITLES, Incidents
from demo_bank.simulation import Bank, instant
from demo_bank.state import State, remembered
from demo_bank.table import Changes, Table, changes
from demo_bank.writing import write_changes


class UnknownIncidentError(Exception):
    """There is no incident of that name."""


@dataclass(frozen=True)
class Movement:
    """What a tick or a switch did to the sources: rows written and rows deleted."""

    until: np.datetime64
    written: int
    deleted: int
    is_at_the_end: bool = False


class LivingBank:
    """The bank on the server of that libpq URL; several processes may move it at once."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._simulated: tuple[tuple[datetime, int, int], Bank] | None = None

    def state(self) -> State:
        """What is on the server; raises NoBankError."""
        with remembered(self._server_url) as memory:
            return State.read(memory)

    def tick(self, now: datetime) -> Movement:
        """Write the business of the time since the last tick; a clock that went back writes none.

        What was killed in the middle, a tick or a switch, is finished by the next one.
        """
        with remembered(self._server_url) as memory:
            state = self._at_rest(memory)
            bank = self._bank(state)
            until = min(max(instant(now), state.ticked_until), bank.horizon)
            after = replace(state, ticked_until=until)
            moved = self._move(state, after)
            after.write(memory)
        return replace(moved, is_at_the_end=until == bank.horizon)

    def switch(self, name: str, *, on: bool, now: datetime) -> Movement:
        """Bring the sources to where they would be with that incident, or without it.

        Switched on, it is as if it had come at its time before `now`; one that is on already
        stays where it is. Raises UnknownIncidentError.
        """
        if name not in TITLES:
            raise UnknownIncidentError(f"no incident {name}; there are {', '.join(TITLES)}")
        with remembered(self._server_url) as memory:
            state = self._at_rest(memory)
            touched_at = max(instant(now), state.ticked_until)
            incidents = _switched(state.incidents, name, on=on, at=touched_at)
            if incidents == state.incidents:
                return Movement(state.ticked_until, 0, 0)
            replace(state, incidents=incidents, switching_from=state.incidents).write(memory)
            return self._finish_switch(memory, touched_at)

    def _at_rest(self, memory: psycopg.Connection[Any]) -> State:
        """The state, after a switch that was killed has been finished."""
        state = State.read(memory)
        if state.switching_from is not None:
            self._finish_switch(memory, state.ticked_until)
        return State.read(memory)

    def _finish_switch(
        self, memory: psycopg.Connection[Any], touched_at: np.datetime64
    ) -> Movement:
        state = State.read(memory)
        assert state.switching_from is not None
        for name in IN_THE_SERVER:
            if (name in state.incidents) != (name in state.switching_from):
                self._switch_server(name, on=name in state.incidents)
        before = replace(state, incidents=state.switching_from)
        moved = self._move(before, state, touched_at)
        replace(state, switching_from=None).write(memory)
        return moved

    def _bank(self, state: State) -> Bank:
        identity = (state.anchor, state.seed, state.clients)
        if self._simulated is None or self._simulated[0] != identity:
            self._simulated = (identity, state.bank())
        return self._simulated[1]

    def _move(
        self, before: State, after: State, touched_at: np.datetime64 | None = None
    ) -> Movement:
        """Write the difference of two states, one transaction a database."""
        bank = self._bank(before)
        grouped: dict[str, list[tuple[Table, Changes]]] = {}
        # what was first, is drawn first: the bank keeps its last business
        old = list(bank.tables(before.ticked_until, before.incidents))
        new = bank.tables(after.ticked_until, after.incidents)
        for (_, was), (database, table) in zip(old, new, strict=True):
            changed = changes(was, table)
            if len(changed.written) or len(changed.deleted):
                grouped.setdefault(database, []).append((table, _touched(changed, touched_at)))
        for database, moved in grouped.items():
            self._write(database, moved)
        every = [changed for moved in grouped.values() for _, changed in moved]
        written = sum(len(changed.written) for changed in every)
        deleted = sum(len(changed.deleted) for changed in every)
        return Movement(after.ticked_until, written, deleted)

    def _write(self, database: str, moved: Iterable[tuple[Table, Changes]]) -> None:
        if database not in {d.name for d in CLUSTER_A.databases}:
            return
        with psycopg.connect(make_conninfo(self._server_url, dbname=database)) as connection:
            for table, changed in moved:
                write_changes(connection, table, changed)

    def _switch_server(self, name: str, *, on: bool) -> None:
        if name == "I8":
            webbank = make_conninfo(self._server_url, dbname="webbank")
            with psycopg.connect(webbank) as connection:
                connection.execute((DDL / f"i8_{'on' if on else 'off'}.sql").read_bytes())
            return
        with psycopg.connect(self._server_url) as server:
            _refuse_reader(server, refused=on)


def _refuse_reader(server: psycopg.Connection[Any], *, refused: bool) -> None:
    login = sql.SQL("nologin" if refused else "login")
    server.execute(sql.SQL("alter role {} {}").format(sql.Identifier(CLUSTER_A.reader), login))
    server.commit()
    if refused:
        server.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s",
            [CLUSTER_A.reader],
        )


def _switched(incidents: Incidents, name: str, *, on: bool, at: np.datetime64) -> Incidents:
    others = {other: moment for other, moment in incidents.items() if other != name}
    return {**others, name: incidents.get(name, at)} if on else others


def _touched(changed: Changes, at: np.datetime64 | None) -> Changes:
    """Rows changed by hand carry the moment of the change where they have an update_time."""
    if at is None or "update_time" not in changed.written.columns:
        return changed
    moment = pd.Timestamp(at).to_pydatetime()
    return Changes(changed.written.assign(update_time=moment), changed.deleted)
