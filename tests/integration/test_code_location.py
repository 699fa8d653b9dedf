"""The code location: what a project's files become in Dagster, and what a broken file does."""

import gzip
import os
import site
import socket
import subprocess
import sys
import sysconfig
from decimal import Decimal
from pathlib import Path
from typing import Any
from venv import EnvBuilder

import psycopg
import pytest
from dagster import (
    AssetKey,
    AssetSelection,
    DagsterInstance,
    DefaultScheduleStatus,
    Definitions,
    JobDefinition,
    JobExecutionResult,
    build_reconstructable_job,
    execute_job,
)

from heartbeat.audit.chart_rendering import runtime_version
from heartbeat.landing.catalog import Catalog, Column, Table, write_catalog
from heartbeat.landing.source_session import source_session
from heartbeat.settings import Settings
from heartbeat.source import parse_source_file
from heartbeat_assets.code_location import code_location
from tests.integration.tiny_project import (
    BOTH,
    COUNT,
    CUT,
    CUT_KEY,
    FEE,
    HYGIENE,
    PAYMENT,
    REGISTRY,
    SOURCE,
    SOURCES,
    SUM,
    TinyProject,
    failure_messages,
    materialized,
)

REPOSITORY = Path(__file__).parents[2]
BENCHMARKS = AssetKey(["heartbeat", "benchmarks"])
SEGMENTS = """\
/* ---
segments: {all: whoever pays}
description: Who pays.
methodology: Counted.
--- */
-- name: segments
select id::text, 'all' from bank_core.fee
"""


def test_every_table_metric_and_cut_is_an_asset_that_depends_on_what_it_reads(
    tiny: TinyProject,
) -> None:
    graph = tiny.definitions().resolve_asset_graph()
    dependencies = {key: graph.get(key).parent_keys for key in graph.get_all_asset_keys()}
    assert dependencies == {
        REGISTRY: set(),
        SOURCES: set(),
        HYGIENE: set(),
        PAYMENT: set(),
        FEE: set(),
        COUNT: {PAYMENT},
        SUM: {FEE},
        BOTH: {PAYMENT, FEE},
        CUT_KEY: {PAYMENT},
    }
    groups = {key: graph.get(key).group_name for key in dependencies}
    assert groups == {
        REGISTRY: "heartbeat",
        SOURCES: "source_checks",
        HYGIENE: "hygiene",
        **dict.fromkeys((PAYMENT, FEE), "bank_core"),
        **dict.fromkeys((COUNT, SUM, BOTH), "metrics"),
        CUT_KEY: "audit_cuts",
    }


def test_what_ingests_or_reads_everything_takes_the_slot_of_the_ingest_pool(
    tiny: TinyProject,
) -> None:
    graph = tiny.definitions().resolve_asset_graph()
    pools = {key: graph.get(key).pools for key in graph.get_all_asset_keys()}
    taking = {key for key, pool in pools.items() if pool == {"ingest"}}
    assert taking == {PAYMENT, FEE, CUT_KEY}
    assert all(pool == set() for key, pool in pools.items() if key not in taking)


def test_the_schedules_run_in_the_business_time_zone(
    tiny: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARTBEAT_TIMEZONE", "Europe/Vilnius")
    schedules = code_location(Settings.load()).get_repository_def().schedule_defs
    assert {
        (each.name, each.job_name, each.cron_schedule, each.execution_timezone)
        for each in schedules
    } == {
        ("hourly_refresh", "refresh", "17 * * * *", "Europe/Vilnius"),
        ("daily_audit", "audit", "45 4 * * *", "Europe/Vilnius"),
        ("daily_reconcile", "reconcile", "47 3 * * *", "Europe/Vilnius"),
        ("daily_source_check", "check_sources", "7 4 * * *", "Europe/Vilnius"),
        ("daily_hygiene", "hygiene", "7 5 * * *", "Europe/Vilnius"),
    }
    assert {each.default_status for each in schedules} == {DefaultScheduleStatus.RUNNING}


def test_refresh_and_reconcile_cover_all_tables_and_metrics_and_the_audit_all_cuts(
    tiny: TinyProject,
) -> None:
    definitions = tiny.definitions()
    selections = {
        name: set(definitions.resolve_job_def(name).asset_layer.executable_asset_keys)
        for name in ("refresh", "reconcile", "check_sources", "audit")
    }
    assert selections == {
        "refresh": {REGISTRY, PAYMENT, FEE, COUNT, SUM, BOTH},
        "reconcile": {REGISTRY, PAYMENT, FEE, COUNT, SUM, BOTH},
        "check_sources": {SOURCES},
        "audit": {CUT_KEY},
    }
    assert definitions.resolve_job_def("refresh").executor_def.name == "in_process"


def test_a_refresh_lands_computes_and_tells_values_in_its_metadata(tiny: TinyProject) -> None:
    result = tiny.refreshes()
    assert result.success
    assert materialized(result) == {REGISTRY, PAYMENT, FEE, COUNT, SUM, BOTH}
    metadata = {
        tuple(event.asset_key.path): event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    }
    assert metadata["metric", "fees"]["value"].value == 2.75
    assert metadata["metric", "fees"]["status"].value == "green"
    assert metadata["bank_core", "payment"]["dagster/row_count"].value == 2


def test_one_metric_can_be_materialized_alone(tiny: TinyProject) -> None:
    tiny.refreshes()
    result = tiny.runs(COUNT)
    assert result.success
    assert materialized(result) == {COUNT}


def test_one_metric_with_its_tables_lands_only_those(tiny: TinyProject) -> None:
    graph = tiny.definitions().resolve_asset_graph()
    keys = AssetSelection.assets(SUM).upstream().resolve(graph)
    result = tiny.runs(*keys)
    assert result.success
    assert materialized(result) == {SUM, FEE}


def test_a_metric_that_fails_makes_the_run_fail_by_name_and_the_others_are_there(
    tiny: TinyProject,
) -> None:
    tiny.writes_metric("fees", "FEES", "select sum(eur) / 0 from bank_core.fee")
    result = tiny.refreshes()
    assert not result.success
    assert materialized(result) == {REGISTRY, PAYMENT, FEE, COUNT, BOTH}
    assert "1 of 3 metrics failed" in failure_messages(result)
    assert "fees: fees.sql:12: division by zero" in failure_messages(result)


def test_a_table_that_fails_makes_the_run_fail_by_name_without_a_materialization(
    tiny: TinyProject,
) -> None:
    tiny.source.execute("drop table core.fee")
    result = tiny.runs(PAYMENT, FEE)
    assert not result.success
    assert materialized(result) == {PAYMENT}
    assert "1 of 2 tables did not land" in failure_messages(result)
    assert "bank_core.fee" in failure_messages(result)


def test_a_cut_of_the_client_segments_comes_after_them(tiny: TinyProject) -> None:
    tiny.writes_cut(CUT.replace('"bank_core.payment"', '"heartbeat.client_segment"'))
    without = tiny.definitions().resolve_asset_graph()
    assert without.get(CUT_KEY).parent_keys == set()
    (tiny.folder / "segments").mkdir()
    (tiny.folder / "segments" / "clients.sql").write_text(SEGMENTS)
    graph = tiny.definitions().resolve_asset_graph()
    assert graph.get(CUT_KEY).parent_keys == {AssetKey(["heartbeat", "client_segment"])}


def test_a_cut_that_reads_what_it_does_not_declare_fails_and_stores_nothing_of_it(
    tiny: TinyProject, marts: psycopg.Connection
) -> None:
    tiny.runs(PAYMENT, FEE)
    tiny.writes_cut(CUT.replace("from bank_core.payment", "from bank_core.payment, bank_core.fee"))
    result = tiny.runs(CUT_KEY)
    assert not result.success
    told = "its SQL reads bank_core.fee; add it to META.reads"
    assert told in failure_messages(result)
    assert marts.execute(
        "select svg, error like %s from heartbeat.audit_cut_snapshot", [f"%{told}"]
    ).fetchall() == [(None, True)]


def test_the_windows_of_a_cut_share_a_step_and_one_that_fails_touches_no_other(
    tiny: TinyProject, marts: psycopg.Connection
) -> None:
    tiny.runs(PAYMENT)
    cut = CUT.replace('["7d"]', '["7d", "30d", "90d"]')
    tiny.writes_cut(cut.replace("rows[0]}", "rows[0] if window != '30d' else 1 / 0}"))
    (tiny.folder / "audit_cuts" / "others.py").write_text(cut)
    result = tiny.runs(CUT_KEY, AssetKey(["audit_cut", "others"]))
    steps = [event for event in result.all_events if event.event_type_value == "STEP_START"]
    assert len(steps) == 2
    assert "1 of 3 windows failed; their last good snapshots stay" in failure_messages(result)
    query = "select cut_id, window_key from heartbeat.audit_cut_snapshot where svg is not null"
    assert set(marts.execute(query)) == {
        *(("others", window) for window in ("7d", "30d", "90d")),
        *(("payments", window) for window in ("7d", "90d")),
    }


def test_a_run_keeps_the_libraries_that_draw_its_specs_in_a_browser(
    tiny: TinyProject, marts: psycopg.Connection
) -> None:
    marts.execute("insert into heartbeat.chart_runtime values ('an older one', 'x')")
    tiny.runs(PAYMENT)
    tiny.runs(CUT_KEY)
    ((version, script),) = marts.execute("select * from heartbeat.chart_runtime").fetchall()
    assert version == runtime_version()
    assert b"window.vegaEmbed" in gzip.decompress(script)
    marts.execute("update heartbeat.chart_runtime set javascript = 'kept'")
    tiny.runs(CUT_KEY)
    kept = marts.execute("select javascript from heartbeat.chart_runtime").fetchone()
    assert kept == (b"kept",)


def test_a_cut_tells_its_findings_in_its_metadata(tiny: TinyProject) -> None:
    tiny.runs(PAYMENT)
    tiny.writes_cut(CUT.replace('{"values"', '{"headline": f"{rows[0]} payments", "values"'))
    (event,) = tiny.runs(CUT_KEY).get_asset_materialization_events()
    assert event.materialization.metadata["finding_7d"].value == "2 payments"


def test_a_cut_that_fails_makes_the_run_fail_by_name(tiny: TinyProject) -> None:
    tiny.runs(PAYMENT)
    assert tiny.runs(CUT_KEY).success
    tiny.writes_cut(CUT.replace('x="n:Q"', "x=1 / 0"))
    result = tiny.runs(CUT_KEY)
    assert not result.success
    assert "payments.py:" in failure_messages(result)
    assert "division by zero" in failure_messages(result)


@pytest.mark.parametrize(
    ("broken", "missing", "place"),
    [
        ("metrics/fees.sql", {SUM}, "fees.sql:1:"),
        ("sources/bank.yaml", {PAYMENT, FEE, SOURCES}, "bank.yaml:1:"),
        ("audit_cuts/payments.py", {CUT_KEY}, "payments.py:1:"),
    ],
    ids=["metric", "source", "cut"],
)
def test_a_broken_file_is_reported_and_the_rest_loads(
    tiny: TinyProject, broken: str, missing: set[AssetKey], place: str
) -> None:
    everything = set(tiny.definitions().resolve_asset_graph().get_all_asset_keys())
    (tiny.folder / broken).write_text("{ broken", encoding="utf-8")

    definitions = tiny.definitions()
    Definitions.validate_loadable(definitions)
    found = set(definitions.resolve_asset_graph().materializable_asset_keys)
    assert found == everything - missing

    result = tiny.runs(REGISTRY)
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    assert place in str(check.metadata["problems"].value)


def test_when_every_file_can_be_used_the_check_passes(tiny: TinyProject) -> None:
    (check,) = tiny.runs(REGISTRY).get_asset_check_evaluations()
    assert check.passed


def test_a_source_schema_without_tables_leaves_the_rest_loaded(tiny: TinyProject) -> None:
    path = tiny.folder / "sources" / "bank.yaml"
    path.write_text(SOURCE.replace("[core]", "[core, empty]"), encoding="utf-8")
    definitions = tiny.definitions()
    Definitions.validate_loadable(definitions)
    assert {PAYMENT, FEE} <= set(definitions.resolve_asset_graph().materializable_asset_keys)


def test_an_empty_project_loads(settings: Settings) -> None:
    definitions = code_location(settings)
    Definitions.validate_loadable(definitions)
    keys = definitions.resolve_asset_graph().get_all_asset_keys()
    assert set(keys) == {REGISTRY, HYGIENE}


def big_catalog(tables: int) -> Catalog:
    columns = tuple(
        Column(
            name=f"c{number}",
            landed_as=f"c{number}",
            source_type="bigint",
            landed_type="bigint",
            nullable=number > 0,
        )
        for number in range(12)
    )
    return Catalog(
        tables=tuple(
            Table(
                schema_name="core",
                name=f"t{number}",
                landed_as=f"t{number}",
                columns=columns,
                primary_key=("c0",),
                write="replace",
                reason="has a key and no cursor",
            )
            for number in range(tables)
        )
    )


def test_the_code_location_of_200_tables_loads_without_a_connection(tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "bank.yaml").write_text(SOURCE.partition("tables:")[0], encoding="utf-8")
    write_catalog(sources / "bank.catalog.json", big_catalog(200))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        environment = os.environ | {
            "HEARTBEAT_PROJECT": str(tmp_path),
            "HEARTBEAT_HOME": str(tmp_path / "home"),
            "HEARTBEAT_DATABASE_URL": f"postgresql://nobody:x@127.0.0.1:{port}/nowhere?connect_timeout=2",
            "SOURCE_BANK_URL": f"postgresql://nobody:x@127.0.0.1:{port}/nowhere?connect_timeout=2",
        }
        script = (
            "from heartbeat_assets.definitions import defs;"
            "print(len(defs.resolve_asset_graph().get_all_asset_keys()))"
        )
        loaded = subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        )
        assert loaded.stdout.split() == ["203"]
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.fixture(scope="module")
def lone_interpreter(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with all packages of the tests and no script beside it, as Debian's has none."""
    folder = tmp_path_factory.mktemp("apart") / "python"
    EnvBuilder(symlinks=True).create(folder)
    within = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    packages = (f"import site; site.addsitedir({each!r})\n" for each in site.getsitepackages())
    (Path(within) / "packages.pth").write_text("".join(packages), encoding="utf-8")
    assert not list((folder / "bin").glob("dagster*"))
    return str(folder / "bin" / "python")


def validate(interpreter: str, project: Path, home: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "HEARTBEAT_PROJECT": str(project),
        "HEARTBEAT_HOME": str(home),
        "HEARTBEAT_DATABASE_URL": "postgresql://nobody:x@127.0.0.1:1/nowhere",
    }
    return subprocess.run(
        [interpreter, "-m", "heartbeat", "validate"],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


def test_dagster_finds_the_definitions_of_this_repository_valid_without_a_word_of_log(
    lone_interpreter: str, tmp_path: Path
) -> None:
    validated = validate(lone_interpreter, REPOSITORY, tmp_path / "home")
    assert (validated.returncode, validated.stderr) == (0, "")
    assert validated.stdout == "6 sources, 31 metrics, 17 audit cuts: all can be used.\n"


def test_a_project_with_a_broken_file_is_not_valid(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "fees.sql").write_text("select 1", encoding="utf-8")
    validated = validate(sys.executable, tmp_path, tmp_path / "home")
    assert validated.returncode == 1
    assert len(validated.stderr.splitlines()) == 1
    assert "fees.sql:1:" in validated.stderr


def project_job(name: str, database_url: str) -> JobDefinition:
    assert Settings.load().database_url == database_url
    return code_location(Settings.load()).resolve_job_def(name)


def run_job(name: str, tiny: TinyProject, instance: DagsterInstance) -> JobExecutionResult:
    """A run as Dagster does it, with the job's own executor."""
    # Dagster keeps a job that it has made, so the settings are part of what asks for it
    arguments = {"name": name, "database_url": tiny.settings.database_url}
    job = build_reconstructable_job(
        __name__, project_job.__name__, reconstructable_kwargs=arguments
    )
    return execute_job(job, instance=instance)


def as_of_sources(marts: psycopg.Connection[Any]) -> dict[str, tuple[Any, Any]]:
    query = "select metric_id, v, source_as_of from heartbeat.metric_history"
    return {metric_id: (v, as_of) for metric_id, v, as_of in marts.execute(query)}


def test_a_table_that_fails_is_named_by_its_red_step_and_every_metric_is_computed(
    tiny: TinyProject, marts: psycopg.Connection[Any]
) -> None:
    with DagsterInstance.ephemeral() as instance:
        with run_job("refresh", tiny, instance) as result:
            assert result.success
        polled = as_of_sources(marts)
        tiny.source.execute("insert into core.payment values (3, now())")
        # two columns that land under one name
        tiny.source.execute('alter table core.fee add "Eur" int')

        with run_job("refresh", tiny, instance) as result:
            assert not result.success
            events = result.all_events

    failed = [event.step_key for event in events if event.is_step_failure]
    succeeded = [event.step_key for event in events if event.is_step_success]
    assert failed == ["land_bank_core"]
    assert "compute_metrics" in succeeded
    assert {e.asset_key for e in events if e.is_step_materialization} == {
        REGISTRY,
        PAYMENT,
        COUNT,
        SUM,
        BOTH,
    }
    after = as_of_sources(marts)
    assert {name: value for name, (value, _) in after.items()} == {
        "payments": 3,
        "fees": Decimal("2.75"),
        "both": 2,
    }
    assert after["payments"][1] > polled["payments"][1]
    assert after["fees"][1] == polled["fees"][1]
    assert after["both"][1] == polled["fees"][1]


def test_the_daily_reconcile_finds_a_delete_that_no_cursor_tells(
    tiny: TinyProject, marts: psycopg.Connection[Any]
) -> None:
    with DagsterInstance.ephemeral() as instance:
        with run_job("refresh", tiny, instance) as result:
            assert result.success
        tiny.source.execute("delete from core.payment where id = 1")
        for job, rows in (("refresh", 2), ("reconcile", 1)):
            with run_job(job, tiny, instance) as result:
                assert result.success
            assert marts.execute("select count(*) from bank_core.payment").fetchone() == (rows,)
            assert as_of_sources(marts)["payments"][0] == rows


def test_all_schemas_of_a_source_that_a_run_reads_come_from_one_snapshot(
    tiny: TinyProject, marts: psycopg.Connection[Any]
) -> None:
    tiny.source.execute(
        "create schema dict; create table dict.rate (id int primary key, eur numeric);"
        "insert into dict.rate values (1, 1)"
    )
    path = tiny.folder / "sources" / "bank.yaml"
    path.write_text(SOURCE.replace("[core]", "[core, dict]"), encoding="utf-8")
    with source_session("bank", parse_source_file(path)) as session:
        write_catalog(path.with_name("bank.catalog.json"), session.catalog())
    with DagsterInstance.ephemeral() as instance, run_job("refresh", tiny, instance) as result:
        assert result.success
    polls = marts.execute(
        "select schema_name, max(polled_at), min(polled_at) from heartbeat.table_load group by 1"
    ).fetchall()
    assert {schema for schema, _, _ in polls} == {"bank_core", "bank_dict"}
    assert len({moment for _, *moments in polls for moment in moments}) == 1


def test_a_source_that_has_drifted_fails_its_check_in_dagster_with_each_difference(
    tiny: TinyProject,
) -> None:
    (check,) = tiny.runs(SOURCES).get_asset_check_evaluations()
    assert check.passed
    tiny.source.execute(
        "create table core.card (id int); drop table core.fee;"
        "alter table core.payment add column state text"
    )

    result = tiny.runs(SOURCES)

    assert result.success
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("bank_is_as_its_catalog_says", False)
    assert str(check.metadata["differences"].value).splitlines() == [
        "- core.card: new table",
        "- core.fee: the table is gone",
        "- core.payment: new column state text",
    ]


def test_a_source_that_cannot_be_reached_fails_its_check_without_telling_its_password(
    tiny: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_BANK_URL", "postgresql://reader:hunter2@127.0.0.1:1/bank")
    (check,) = tiny.runs(SOURCES).get_asset_check_evaluations()
    assert not check.passed
    assert "SOURCE_BANK_URL" in str(check.metadata["differences"].value)
    assert "hunter2" not in str(check.metadata["differences"].value)
