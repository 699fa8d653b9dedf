"""The main job on data that nobody here made: landed, computed, equal to what was published."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dagster import DagsterInstance, ExecuteInProcessResult
from psycopg import sql

from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.landing.catalog import Table, write_catalog
from heartbeat.landing.source_session import source_session
from heartbeat.project import Project
from heartbeat.settings import Settings
from heartbeat.source import Source, parse_source_file
from heartbeat_assets.code_location import code_location
from tests.conftest import open_to_logins

REAL_DATA = Path(__file__).parents[3] / "shared" / "realdata"
PROJECT = Path(__file__).parent / "real_project"

PUBLISHED = {
    "berka_loans": Decimal(682),
    "berka_bad_loans": Decimal(76),
    "berka_portfolio": Decimal(103261740),
    "berka_closed_bad_share": Decimal("13.25"),
    "berka_running_debt_share": Decimal("10.04"),
    "berka_permanent_orders": Decimal("21228993.60"),
    "pagila_payments": Decimal(16049),
    "pagila_revenue": Decimal("67416.51"),
}
PUBLISHED_ROWS = {
    "account": 4500,
    "client": 5369,
    "disp": 5369,
    "order": 6471,
    "loan": 682,
    "card": 892,
    "district": 77,
    "trans": 49101,
}
AWKWARD_TYPES = {"mpaa_rating", "year", "text[]", "tsvector", "bytea"}

pytestmark = pytest.mark.skipif(
    not REAL_DATA.exists(), reason="the real data is not beside this checkout"
)


@dataclass(frozen=True)
class Landed:
    """A project on real data after its refresh job ran twice."""

    project: Project
    source: psycopg.Connection[Any]
    marts: psycopg.Connection[Any]
    first: ExecuteInProcessResult
    second: ExecuteInProcessResult
    histories: tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]
    checksums: tuple[dict[str, str], dict[str, str]]


def checksum(connection: psycopg.Connection[Any], table: sql.Identifier, columns: list[str]) -> str:
    """The whole rows of a table as text, in an order that needs no key, as one checksum."""
    query = sql.SQL(
        """select md5(coalesce(string_agg(r::text, '|' order by r::text collate "C"), ''))"""
        " from (select {} from {}) r"
    ).format(sql.SQL(", ").join(map(sql.Identifier, columns)), table)
    row = connection.execute(query).fetchone()
    assert row is not None
    return str(row[0])


def landed_checksum(landed: psycopg.Connection[Any], source: Source, table: Table) -> str:
    schema = source.landed_schema(table.schema_name)
    columns = [column.landed_as for column in table.columns]
    return checksum(landed, sql.Identifier(schema, table.landed_as), columns)


@pytest.fixture(scope="module")
def real_source(postgres: EmbeddedPostgres) -> str:
    url = postgres.url("real_source")
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as server:
        server.execute("create database real_source")
    programs = Path(postgres.command()[0]).parent
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(
        ["bash", str(REAL_DATA / "load.sh"), url],
        check=True,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    return url


@pytest.fixture(scope="module")
def landed(
    postgres: EmbeddedPostgres,
    real_source: str,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Landed]:
    folder = tmp_path_factory.mktemp("real")
    shutil.copytree(PROJECT, folder / "project")
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as server:
        server.execute(
            sql.SQL("create database real_marts template {}").format(
                sql.Identifier(migrated_template)
            )
        )
    open_to_logins(postgres.url("real_marts"))
    environment = {
        "HEARTBEAT_PROJECT": str(folder / "project"),
        "HEARTBEAT_HOME": str(folder / "home"),
        "HEARTBEAT_DATABASE_URL": postgres.url("real_marts"),
        "SOURCE_BERKA_URL": real_source,
        "SOURCE_PAGILA_URL": real_source,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        for path in sorted((folder / "project" / "sources").glob("*.yaml")):
            with source_session(path.stem, parse_source_file(path)) as session:
                write_catalog(path.with_name(f"{path.stem}.catalog.json"), session.catalog())
        settings = Settings.load()
        with (
            psycopg.connect(real_source, autocommit=True) as source,
            psycopg.connect(settings.database_url, autocommit=True) as marts,
        ):
            yield _landed_twice(settings, source, marts)


def _landed_twice(
    settings: Settings, source: psycopg.Connection[Any], marts: psycopg.Connection[Any]
) -> Landed:
    project = Project(settings.project)
    runs, histories, checksums = [], [], []
    for _ in range(2):
        runs.append(_refresh(settings))
        histories.append(
            marts.execute(
                "select metric_id, d, v, status, error from heartbeat.metric_history order by 1, 2"
            ).fetchall()
        )
        checksums.append(
            {
                str(reference): landed_checksum(marts, each.source, each.table)
                for reference, each in project.tables.items()
            }
        )
    return Landed(
        project,
        source,
        marts,
        runs[0],
        runs[1],
        (histories[0], histories[1]),
        (checksums[0], checksums[1]),
    )


def _refresh(settings: Settings) -> ExecuteInProcessResult:
    with DagsterInstance.ephemeral() as instance:
        return (
            code_location(settings)
            .resolve_job_def("refresh")
            .execute_in_process(instance=instance, raise_on_error=False)
        )


def test_both_refreshes_succeed_and_every_file_is_usable(landed: Landed) -> None:
    assert landed.first.success
    assert landed.second.success
    assert landed.project.problems == ()


@pytest.mark.parametrize("metric_id", PUBLISHED)
def test_a_metric_equals_the_published_figure_to_the_digit(landed: Landed, metric_id: str) -> None:
    rows = landed.marts.execute(
        "select v, error from heartbeat.metric_history where metric_id = %s", [metric_id]
    ).fetchall()
    assert rows == [(PUBLISHED[metric_id], None)]


def test_a_metric_through_quotes_aliases_and_a_cte_equals_a_count_on_the_source(
    landed: Landed,
) -> None:
    expected = landed.source.execute(
        "select count(*) from public.film where length > 120"
    ).fetchone()
    computed = landed.marts.execute(
        "select v from heartbeat.metric_history where metric_id = 'pagila_long_films'"
    ).fetchone()
    assert computed == expected
    assert landed.marts.execute(
        "select reads from heartbeat.metric_registry where metric_id = 'pagila_long_films'"
    ).fetchone() == (["pagila_public.film", "pagila_public.language"],)


@pytest.mark.parametrize("table", PUBLISHED_ROWS)
def test_a_landed_table_has_the_published_number_of_rows(landed: Landed, table: str) -> None:
    query = sql.SQL("select count(*) from {}").format(sql.Identifier("berka_berka", table))
    assert landed.marts.execute(query).fetchone() == (PUBLISHED_ROWS[table],)


def test_every_landed_table_equals_its_source_by_a_whole_row_checksum(landed: Landed) -> None:
    assert len(landed.project.tables) >= 8 + 15
    for reference, each in landed.project.tables.items():
        columns = [column.name for column in each.table.columns]
        source_table = sql.Identifier(each.table.schema_name, each.table.name)
        assert landed.checksums[0][str(reference)] == checksum(
            landed.source, source_table, columns
        ), reference


def test_the_checksums_cover_enum_domain_array_tsvector_and_bytea(landed: Landed) -> None:
    types = {
        column.source_type
        for each in landed.project.tables.values()
        for column in each.table.columns
    }
    assert types >= AWKWARD_TYPES


def test_a_partitioned_table_lands_once_and_its_partitions_and_views_do_not(
    landed: Landed,
) -> None:
    names = {each.table.name for each in landed.project.tables.values()}
    assert "payment" in names
    assert not any(name.startswith("payment_p") for name in names)
    views = landed.source.execute(
        "select viewname from pg_views where schemaname = 'public'"
        " union select matviewname from pg_matviews"
    ).fetchall()
    assert len(views) == 8
    assert not names & {name for (name,) in views}


def test_a_second_refresh_changes_nothing(landed: Landed) -> None:
    assert landed.histories[0] == landed.histories[1]
    assert landed.checksums[0] == landed.checksums[1]


def test_the_ledger_knows_every_table_and_the_second_merge_reads_only_its_tail(
    landed: Landed,
) -> None:
    ledger = landed.marts.execute(
        "select schema_name || '.' || table_name from heartbeat.table_load"
        " where polled_at is not null and error is null"
    ).fetchall()
    assert {name for (name,) in ledger} == {str(reference) for reference in landed.project.tables}
    rental = landed.marts.execute(
        "select rows_sent from heartbeat.table_load_log where table_name = 'rental' order by id"
    ).fetchall()
    assert rental[0] == (16044,)
    assert rental[1] < rental[0]
