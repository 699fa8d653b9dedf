"""One landed bank for the tests of all cuts."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from psycopg import sql

from heartbeat.audit.audit_cut import PLATFORM_TABLES
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.segments.segment_days import store_segments
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
    settings = bank.platform.settings
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute("create database empty_cut_marts template cut_marts")
        url = postgres.url("empty_cut_marts")
        with psycopg.connect(url) as connection:
            for table in (*bank.platform.project.tables, *PLATFORM_TABLES):
                name = sql.Identifier(table.schema, table.table)
                connection.execute(sql.SQL("truncate {} cascade").format(name))
        empty = settings.model_copy(update={"explicit_database_url": url})
        yield BankCuts(replace(bank.platform, settings=empty))
        admin.execute("drop database empty_cut_marts with (force)")
