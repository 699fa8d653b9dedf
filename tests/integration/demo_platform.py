"""The demo bank on a server of its own, and the marts in which the product's own code lands it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from psycopg import sql

from demo_bank import seed
from demo_bank.databases import reader_urls
from demo_bank.incidents import Incidents
from demo_bank.life import LivingBank
from demo_bank.simulation import Bank
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.landing.landing_run import LandingRun
from heartbeat.landing.ledger import TableLoad
from heartbeat.landing.selection import select_tables
from heartbeat.metrics.compute import Outcome, compute
from heartbeat.metrics.registered_lines import read_lines
from heartbeat.metrics.registry import sync
from heartbeat.project import Project
from heartbeat.settings import Settings
from tests.conftest import open_to_logins
from tests.integration.landed_bank import Notes

REPOSITORY = Path(__file__).parents[2]
ANCHOR = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)


@dataclass(frozen=True)
class DemoPlatform:
    """A simulated bank, the server that holds its cluster A, and the marts of the repository."""

    bank: Bank
    server_url: str
    settings: Settings

    @property
    def project(self) -> Project:
        return Project(REPOSITORY)

    @property
    def life(self) -> LivingBank:
        return LivingBank(self.server_url)

    def lands(self, *, reconcile: bool = False) -> Mapping[str, TableLoad]:
        """One load of every table, by `schema.table`."""
        parts = select_tables(self.project.sources.sources, source=None, schema=None, tables=None)
        with LandingRun(self.settings, "run", parts, Notes(), reconcile=reconcile) as run:
            loads = [load for part in parts for load in run.land(part)]
        return {f"{load.landed_schema}.{load.landed_table}": load for load in loads}

    def computes(self, *metric_ids: str) -> Mapping[str, Outcome]:
        """Those metrics, or all, as of the anchor, by id."""
        metrics = [
            metric
            for metric in self.project.metrics.metrics
            if not metric_ids or metric.metric_id in metric_ids
        ]
        with psycopg.connect(self.settings.database_url) as connection:
            lines = read_lines(connection, [metric.metric_id for metric in metrics])
        return {
            metric.metric_id: compute(
                metric, self.settings, as_of=ANCHOR, lines=lines.get(metric.metric_id)
            )
            for metric in metrics
        }

    def registers(self) -> None:
        """The metrics in `metric_registry`, so that their lines judge."""
        with psycopg.connect(self.settings.database_url) as connection:
            sync(connection, self.project.metrics)


@contextmanager
def demo_platform(
    postgres: EmbeddedPostgres,
    template: str,
    *,
    name: str,
    clients: int = 600,
    incidents: Incidents | None = None,
) -> Iterator[DemoPlatform]:
    """Seed a bank at ANCHOR on a new server; its marts are a database of the tests' server."""
    marts = sql.Identifier(name)
    with TemporaryDirectory(prefix="bank-") as folder, pytest.MonkeyPatch.context() as environment:
        server = EmbeddedPostgres(Path(folder) / "pg")
        with server.running(), psycopg.connect(postgres.url("postgres"), autocommit=True) as admin:
            create = sql.SQL("create database {} template {}")
            admin.execute(create.format(marts, sql.Identifier(template)))
            open_to_logins(postgres.url(name))
            url = server.url("postgres")
            bank = seed(url, anchor=ANCHOR, clients=clients, incidents=incidents)
            environment.setenv("HEARTBEAT_PROJECT", str(REPOSITORY))
            environment.setenv("HEARTBEAT_HOME", str(Path(folder) / "home"))
            environment.setenv("HEARTBEAT_DATABASE_URL", postgres.url(name))
            environment.delenv("HEARTBEAT_TIMEZONE", raising=False)
            for variable, address in reader_urls(url).items():
                environment.setenv(variable, address)
            yield DemoPlatform(bank, url, Settings.load())
            admin.execute(sql.SQL("drop database {} with (force)").format(marts))
