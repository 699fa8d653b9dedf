"""One landed bank for the tests of all cuts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import Connection, sql

from heartbeat.audit.audit_cut import PLATFORM_TABLES
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.segments.segment_days import store_segments
from tests.conftest import open_to_logins
from tests.integration.audit_cuts.bank_cuts import BankCuts
from tests.integration.demo_platform import ANCHOR, demo_platform


@pytest.fixture(scope="package")
def bank(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[BankCuts]:
    with demo_platform(postgres, migrated_template, name="cut_marts") as platform:
        platform.lands()
        segments = platform.project.segments.segments
        assert segments is not None
        days = store_segments(segments, platform.settings, now=ANCHOR, run_id="test")
        # a quarter of days and the day of the anchor
        assert len(list(days)) == timedelta(days=91).days
        yield BankCuts(platform)


@pytest.fixture(scope="package")
def empty_bank(bank: BankCuts, postgres: EmbeddedPostgres) -> Iterator[BankCuts]:
    """The same tables, landed without a row."""
    with _copied(bank, postgres, "empty_cut_marts") as (empty, connection):
        for table in (*bank.platform.project.tables, *PLATFORM_TABLES):
            name = sql.Identifier(table.schema, table.table)
            connection.execute(sql.SQL("truncate {} cascade").format(name))
        yield empty


@pytest.fixture(scope="package")
def tied_bank(bank: BankCuts, postgres: EmbeddedPostgres) -> Iterator[BankCuts]:
    """The same tables in which every amount and every time that a payment takes is the same."""
    with _copied(bank, postgres, "tied_cut_marts") as (tied, connection):
        connection.execute(TIES.encode())
        yield tied


TIES = """
update webbank_core.entry set amount = 7;
update webbank_core.payment set amount = 7;
update webbank_core.account_balance_log set balance = id % 2 - 7;
update webbank_core.payment_state_log as l set "timestamp" = p.create_time + interval '1 hour'
  from webbank_core.payment as p where p.id = l.payment_id;
"""


@contextmanager
def _copied(
    bank: BankCuts, postgres: EmbeddedPostgres, name: str
) -> Iterator[tuple[BankCuts, Connection[Any]]]:
    """The bank in a database of its own, and an autocommit connection to change it."""
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name} template cut_marts".encode())
        url = postgres.url(name)
        open_to_logins(url)
        settings = bank.platform.settings.model_copy(update={"explicit_database_url": url})
        with psycopg.connect(url, autocommit=True) as connection:
            yield BankCuts(replace(bank.platform, settings=settings)), connection
        admin.execute(f"drop database {name} with (force)".encode())
