"""Tables, columns and schemas of any name land, or are refused by name and alone."""

from pathlib import Path

import psycopg
import pytest
from dagster import AssetKey, DagsterInstance

from heartbeat.errors import ContentError
from heartbeat.landing.catalog import write_catalog
from heartbeat.landing.landing_run import LandingRun
from heartbeat.landing.reflected_table import NameCollisionError, UnusableOptionError
from heartbeat.landing.selection import select_tables
from heartbeat.landing.source_session import source_session
from heartbeat.source import load_sources, parse_source_file
from heartbeat_assets.code_location import code_location
from tests.integration.landed_bank import HEADER, Bank
from tests.integration.tiny_project import METRIC, materialized

MANY_SCRIPTS = """
create table core."Größe" ("Länge" int primary key, "名前" text, "Übergabe" timestamptz);
insert into core."Größe" values (1, 'Ähre', '2026-01-01'), (2, null, '2026-01-02');
create table core."Grüße" (id int);
create table core."Платёж" ("Сумма" numeric, "Дата" date);
insert into core."Платёж" values (1.5, '2026-01-01');
create table core."支払い" ("金額" numeric, "नाम" text);
insert into core."支払い" values (2.5, 'राम');
"""


def test_letters_of_every_script_land_as_they_are(bank: Bank) -> None:
    bank.has(MANY_SCRIPTS)
    source = bank.discovered(
        "tables:\n  core.Größe: {cursor: Übergabe}\nindexes:\n  core.Платёж: [[Дата]]\n"
    )

    for _ in range(2):
        assert {load.error for load in bank.lands(source).values()} == {None}
        bank.has("""update core."Größe" set "Übergabe" = now(), "名前" = 'neu'""")
    assert {load.error for load in bank.lands(source, reconcile=True).values()} == {None}

    assert bank.landed("select länge, 名前 from bank_core.größe order by 1") == [
        (1, "neu"),
        (2, "neu"),
    ]
    assert bank.landed("select сумма::text, дата::text from bank_core.платёж") == [
        ("1.5", "2026-01-01")
    ]
    assert bank.landed("select 金額::text, नाम from bank_core.支払い") == [("2.5", "राम")]


def test_dagster_lands_and_computes_on_letters_of_every_script(bank: Bank) -> None:
    bank.has(MANY_SCRIPTS)
    bank.discovered()
    folder = bank.settings.project / "metrics"
    folder.mkdir()
    statement = "select sum(сумма) from bank_core.платёж"
    metric = METRIC.format(metric_id="paid", code="PAID", sql=statement)
    (folder / "paid.sql").write_text(metric, encoding="utf-8")
    job = code_location(bank.settings).resolve_implicit_global_asset_job_def()
    with DagsterInstance.ephemeral() as instance:
        selection = [key for key in job.asset_layer.executable_asset_keys if _is_of(key)]
        result = job.execute_in_process(
            instance=instance, asset_selection=selection, raise_on_error=False
        )
    assert result.success
    assert len(materialized(result)) == 5
    assert bank.landed("select v::text from heartbeat.metric_history") == [("1.5",)]


def _is_of(key: AssetKey) -> bool:
    return key.path[0] == "bank_core" or key.path == ["metric", "paid"]


@pytest.mark.parametrize(
    ("schema", "landed"),
    [
        pytest.param("ядро", "bank_ядро", id="Cyrillic"),
        pytest.param("s" * 58, f"bank_{'s' * 58}", id="63 letters"),
        pytest.param("a__b", "bank_a__b", id="two underscores"),
        pytest.param("ends_", "bank_ends_", id="an underscore at the end"),
    ],
)
def test_a_schema_of_any_name_lands(bank: Bank, schema: str, landed: str) -> None:
    quoted = f'"{schema}"'
    long = "t" * 63
    bank.has(
        f"create schema {quoted};"
        f"create table {quoted}.{long} (id int primary key, {long[:-1]}c text);"
        f"insert into {quoted}.{long} values (1, 'x')"
    )
    try:
        source = bank.discovered(schemas=schema)
        assert source.landed_schema(schema) == landed
        assert {load.error for load in bank.lands(source).values()} == {None}
        assert bank.landed(f'select id, {long[:-1]}c from "{landed}".{long}') == [(1, "x")]
        assert code_location(bank.settings).resolve_all_asset_keys()
    finally:
        bank.has(f"drop schema {quoted} cascade")
        bank.marts.execute(f'drop schema if exists "{landed}" cascade'.encode())


@pytest.mark.parametrize(
    ("name", "schemas", "problem"),
    [
        ("pg", "[core]", "schema pg_core: names that begin with pg_ are Postgres's own"),
        ("information", "[schema]", "schema information_schema: the name is taken"),
        ("audit", "[cut]", "schema audit_cut: the name is taken"),
        ("bank", f"[{'s' * 59}]", "would be 64 bytes long, and Postgres allows 63"),
        ("bank", f"[{'ж' * 30}]", "would be 65 bytes long, and Postgres allows 63"),
    ],
)
def test_a_source_whose_schema_marts_cannot_have_is_refused_and_the_others_load(
    bank: Bank, name: str, schemas: str, problem: str
) -> None:
    bank.has("create table core.fee (id int)")
    source = bank.discovered()
    good = source.path.rename(source.path.with_name("good.yaml"))
    source.path.with_name("bank.catalog.json").rename(good.with_name("good.catalog.json"))
    path = good.with_name(f"{name}.yaml")
    path.write_text(HEADER.replace("[core]", schemas), encoding="utf-8")
    path.with_name(f"{name}.catalog.json").write_text('{"tables": []}', encoding="utf-8")

    with pytest.raises(ContentError, match="rename the file") as refusal:
        parse_source_file(path)
    assert problem in str(refusal.value)
    loaded = load_sources(path.parent)
    assert [each.name for each in loaded.sources] == ["good"]
    keys = code_location(bank.settings).resolve_all_asset_keys()
    assert AssetKey(["good_core", "fee"]) in keys


def test_a_source_without_a_table_that_lands_keeps_no_other_from_loading(bank: Bank) -> None:
    bank.has("create table core.fee (id int)")
    path = bank.discovered().path
    other = path.with_name("other.yaml")
    other.write_text(HEADER.replace("[core]", "[core, dict]"), encoding="utf-8")
    other.with_name("other.catalog.json").write_text('{"tables": []}', encoding="utf-8")
    keys = code_location(bank.settings).resolve_all_asset_keys()
    assert AssetKey(["bank_core", "fee"]) in keys


def test_sources_that_dagster_could_not_tell_apart_are_refused_and_the_others_load(
    bank: Bank,
) -> None:
    bank.has("create table core.fee (id int); create schema dict; create table dict.c (id int)")
    try:
        folder = bank.discovered().path.parent
        for name, schema in (("card-bank", "core"), ("card_bank", "dict")):
            copied = folder / f"{name}.yaml"
            copied.write_text(HEADER.replace("core", schema), encoding="utf-8")
            _discovered(copied)
        loaded = load_sources(folder)
        assert [each.name for each in loaded.sources] == ["bank"]
        assert {problem.path.name for problem in loaded.problems} == {
            "card-bank.yaml",
            "card_bank.yaml",
        }
        assert code_location(bank.settings).resolve_all_asset_keys()
    finally:
        bank.has("drop schema dict cascade")


def _discovered(path: Path) -> None:
    with source_session(path.stem, parse_source_file(path)) as session:
        write_catalog(path.with_name(f"{path.stem}.catalog.json"), session.catalog())


def test_a_table_whose_name_holds_a_dot_can_be_skipped_or_given_options(bank: Bank) -> None:
    bank.has(
        'create table core."rates.eur" (id int); create table core.rates_eur (id int);'
        'create table core."paid.at" (id int primary key, at timestamptz)'
    )
    with pytest.raises(NameCollisionError, match="both land as rates_eur"):
        bank.discovered()
    source = bank.discovered(
        """skip_tables: ['core."rates.eur"']\ntables:\n  'core."paid.at"': {cursor: at}\n"""
    )
    assert [(table.landed_as, table.write) for table in source.catalog.tables] == [
        ("paid_at", "merge"),
        ("rates_eur", "replace"),
    ]


def test_a_source_that_dlt_fills_lands_without_dlts_own_tables(bank: Bank) -> None:
    bank.has(
        "create table core._dlt_loads (load_id text, schema_name text, status bigint);"
        "insert into core._dlt_loads values ('theirs', 'x', 0);"
        "create table core._dlt_version (version bigint);"
        "create table core.orders (id bigint, _dlt_load_id text not null, _dlt_id text not null);"
        "insert into core.orders values (1, 'l', 'r')"
    )
    source = bank.discovered()

    for _ in range(2):
        assert {name: load.error for name, load in bank.lands(source).items()} == {"orders": None}

    assert bank.landed("select id, _dlt_load_id, _dlt_id from bank_core.orders") == [(1, "l", "r")]
    assert bank.landed("select count(*) from bank_core._dlt_loads where load_id = 'theirs'") == [
        (0,)
    ]
    with pytest.raises(UnusableOptionError, match="is named as dlt's own tables in marts"):
        bank.discovered("tables:\n  core._dlt_loads: {write: replace}\n")


def test_a_column_that_would_be_one_of_postgres_own_is_refused(bank: Bank) -> None:
    bank.has('create table core.a (id int, "Xmin" int)')
    with pytest.raises(NameCollisionError, match=r"core\.a: column 'Xmin' would land as xmin"):
        bank.discovered()
    bank.lands(bank.discovered("tables:\n  core.a: {drop_columns: [Xmin]}\n"))


def test_two_names_that_become_one_keep_no_other_table_from_landing(bank: Bank) -> None:
    bank.has("create table core.fee (id int); create table core.payment (id int)")
    source = bank.discovered()
    bank.lands(source)
    bank.has('create table core."Fee" (id int)')

    loads = bank.lands(source)

    assert loads["payment"].error is None
    assert "both land as fee" in str(loads["fee"].error)
    with psycopg.connect(bank.settings.database_url) as marts:
        assert marts.execute("select count(*) from bank_core.fee").fetchone() == (0,)


def test_parts_of_a_run_are_the_tables_that_it_names(bank: Bank) -> None:
    bank.has(MANY_SCRIPTS)
    source = bank.discovered()
    (part,) = select_tables([source], source=None, schema=None, tables=["größe"])
    with LandingRun(bank.settings, "run-1", [part], bank.observer) as run:
        assert [load.landed_table for load in run.land(part)] == ["größe"]
