"""A source `bank` with the one schema `core`, and the marts that it lands in."""

from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg.rows import dict_row

from heartbeat.landing.catalog import write_catalog
from heartbeat.landing.landing_run import LandingRun
from heartbeat.landing.ledger import TableLoad
from heartbeat.landing.selection import select_tables
from heartbeat.landing.source_session import source_session
from heartbeat.settings import Settings
from heartbeat.source import Source, load_sources, parse_source_file

VARIABLE = "SOURCE_BANK_URL"
HEADER = f"kind: postgres\nconnection_env: {VARIABLE}\nschemas: [core]\n"


class Notes:
    """Keeps what a landing tells a person who waits."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.loads: list[TableLoad] = []

    def landed(self, load: TableLoad) -> None:
        self.loads.append(load)

    def noted(self, message: str) -> None:
        self.messages.append(message)


@dataclass(frozen=True)
class Bank:
    """A source `bank` with the one schema `core`, and the marts that it lands in."""

    settings: Settings
    source: psycopg.Connection[Any]
    marts: psycopg.Connection[Any]
    observer: Notes = field(default_factory=Notes)

    def has(self, statements: str) -> None:
        self.source.execute(statements.encode())

    def watched_by(self, observer: Notes) -> "Bank":
        return replace(self, observer=observer)

    def discovered(self, options: str = "", *, schemas: str = "core") -> Source:
        path = self.settings.project / "sources" / "bank.yaml"
        path.write_text(HEADER.replace("core", schemas) + options, encoding="utf-8")
        with source_session("bank", parse_source_file(path)) as session:
            write_catalog(path.with_name("bank.catalog.json"), session.catalog())
        (source,) = load_sources(path.parent).sources
        return source

    def lands(
        self, source: Source, run_id: str = "run-1", *, reconcile: bool = False
    ) -> dict[str, TableLoad]:
        (part,) = select_tables([source], source=None, schema=None, tables=None)
        with LandingRun(self.settings, run_id, [part], self.observer, reconcile=reconcile) as run:
            return {load.landed_table: load for load in run.land(part)}

    def landed(self, query: str) -> list[tuple[Any, ...]]:
        return self.marts.execute(query.encode()).fetchall()

    def ledger(self, table: str) -> dict[str, Any]:
        query = "select * from heartbeat.table_load where table_name = %s"
        row = self.marts.cursor(row_factory=dict_row).execute(query, [table]).fetchone()
        assert row is not None
        return row
