"""Metrics in Dagster: what a materialization tells, its check, and the daily benchmark."""

from decimal import Decimal
from typing import Any

import psycopg
import pytest
from dagster import (
    AssetCheckKey,
    AssetCheckSeverity,
    AssetKey,
    DagsterInstance,
    ExecuteInProcessResult,
)

from heartbeat_assets.code_location import code_location
from tests.integration.tiny_project import (
    COUNT,
    FEE,
    METRIC,
    PAYMENT,
    SUM,
    TinyProject,
    failure_messages,
    materialized,
)

BENCHMARKS = AssetKey(["heartbeat", "benchmarks"])
HEADER = METRIC.replace(
    "norm_value: 5\n",
    "{lines}owner: dana@bank.example\ndescription: How many there are.\n"
    "how_to_read: Each one is money that waits.\nmethodology: Rows.\n",
)


def writes(tiny: TinyProject, lines: str, kind: str = "threshold") -> None:
    text = HEADER.replace("{lines}", lines).format(
        metric_id="payments", code="PAYM", sql="select count(*) from bank_core.payment"
    )
    text = text.replace("kind: threshold", f"kind: {kind}")
    (tiny.folder / "metrics" / "payments.sql").write_text(text, encoding="utf-8")


def told(result: ExecuteInProcessResult, key: AssetKey) -> dict[str, Any]:
    (event,) = [each for each in result.get_asset_materialization_events() if each.asset_key == key]
    return {name: value.value for name, value in event.materialization.metadata.items()}


@pytest.mark.parametrize(
    ("lines", "passed", "severity", "level", "reason"),
    [
        ("norm_value: 2\n", True, AssetCheckSeverity.WARN, 0, "2 crosses no line"),
        (
            "norm_value: 1\nalert_value: 4\n",
            False,
            AssetCheckSeverity.WARN,
            1,
            "2 is above norm 1",
        ),
        (
            "norm_value: 0\nalert_value: 1\n",
            False,
            AssetCheckSeverity.ERROR,
            2,
            "2 is above alert 1",
        ),
    ],
    ids=["green", "amber", "red"],
)
def test_the_lines_of_a_metric_are_a_check_that_warns_at_amber_and_fails_at_red(
    tiny: TinyProject,
    lines: str,
    passed: bool,
    severity: AssetCheckSeverity,
    level: int,
    reason: str,
) -> None:
    writes(tiny, lines)
    result = tiny.refreshes()
    assert result.success
    (check,) = [each for each in result.get_asset_check_evaluations() if each.asset_key == COUNT]
    assert (check.check_name, check.passed, check.severity) == (
        "within_its_lines",
        passed,
        severity,
    )
    assert check.description == reason
    metadata = told(result, COUNT)
    assert (metadata["value"], metadata["status_level"]) == (2.0, level)
    assert metadata["reason"] == reason


def test_value_status_and_freshness_are_numbers_that_dagster_plots(tiny: TinyProject) -> None:
    result = tiny.refreshes()
    metadata = told(result, COUNT)
    plotted = {name for name, value in metadata.items() if isinstance(value, int | float)}
    assert {"value", "status_level", "severity", "source_age_hours", "seconds"} <= plotted
    assert metadata["freshness"] == "fresh"
    assert 0 <= metadata["source_age_hours"] < 1
    table = told(result, PAYMENT)
    assert 0 <= table["source_age_minutes"] < 60
    assert table["polled_at"] is not None


def test_an_asset_carries_what_its_file_says_its_owner_and_the_way_to_its_page(
    tiny: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARTBEAT_PUBLIC_URL", "https://heartbeat.bank.example/")
    writes(tiny, "norm_value: 2\n")
    tiny.settings = type(tiny.settings).load()
    node = tiny.definitions().resolve_asset_graph().get(COUNT)
    assert node.owners == ["dana@bank.example"]
    assert node.metadata["detail_page"].value == "https://heartbeat.bank.example/m/PAYM"
    for words in ("PAYM", "How many there are.", "**What red means.** Each one is money", "Rows."):
        assert words in (node.description or "")


@pytest.mark.parametrize("owner", ["dana@bank.technology", "žemaitė@bankas.lt", "root@localhost"])
def test_an_owner_that_dagster_does_not_know_how_to_write_is_shown_all_the_same(
    tiny: TinyProject, owner: str
) -> None:
    writes(tiny, "norm_value: 2\n")
    path = tiny.folder / "metrics" / "payments.sql"
    path.write_text(path.read_text().replace("dana@bank.example", owner), encoding="utf-8")
    node = tiny.definitions().resolve_asset_graph().get(COUNT)
    assert node.owners == []
    assert node.metadata["owner"] == owner


def test_the_check_of_one_metric_can_be_run_alone(
    tiny: TinyProject,
) -> None:
    tiny.refreshes()
    job = tiny.definitions().resolve_implicit_global_asset_job_def()
    with DagsterInstance.ephemeral() as instance:
        result = job.get_subset(
            asset_selection=set(),
            asset_check_selection={AssetCheckKey(COUNT, "within_its_lines")},
        ).execute_in_process(instance=instance, raise_on_error=False)
    assert result.success
    assert materialized(result) == set()
    assert [each.asset_key for each in result.get_asset_check_evaluations()] == [COUNT]


def test_a_run_that_is_red_names_the_metric_and_its_check_did_not_run(
    tiny: TinyProject,
) -> None:
    tiny.writes_metric("fees", "FEES", "select sum(eur) / (count(*) - 2) from bank_core.fee")
    result = tiny.refreshes()
    assert not result.success
    assert "1 of 3 metrics failed" in failure_messages(result)
    assert "fees.sql:12: division by zero" in failure_messages(result)
    checked = {each.asset_key for each in result.get_asset_check_evaluations()}
    assert COUNT in checked
    assert SUM not in checked


def test_the_benchmark_job_makes_the_bands_and_the_refresh_leaves_it_alone(
    tiny: TinyProject, marts: psycopg.Connection[Any]
) -> None:
    writes(tiny, "", kind="rolling_stat")
    refreshed = tiny.refreshes()
    assert BENCHMARKS not in materialized(refreshed)
    marts.execute(
        "insert into heartbeat.metric_history (metric_id, d, v, run_id)"
        " select 'payments', (now() at time zone 'UTC')::date - n, 4 + 2 * (n % 2), ''"
        " from generate_series(1, 20) n"
    )
    with DagsterInstance.ephemeral() as instance:
        job = tiny.definitions().resolve_job_def("benchmark")
        result = job.execute_in_process(instance=instance)
    assert told(result, BENCHMARKS) == {"metrics": 1, "with_a_band": 1}
    band = marts.execute(
        "select benchmark_mean, benchmark_n from heartbeat.metric_registry"
        " where metric_id = 'payments'"
    ).fetchone()
    assert band == (5, 20)
    schedules = {
        each.name: each.cron_schedule
        for each in code_location(tiny.settings).get_repository_def().schedule_defs
    }
    assert schedules["daily_benchmark"] == "23 4 * * *"


def test_the_nightly_reconcile_looks_at_every_past_day_again(
    tiny: TinyProject, marts: psycopg.Connection[Any]
) -> None:
    text = METRIC.format(
        metric_id="fees",
        code="FEES",
        sql="select sum(eur) from bank_core.fee\n-- name: history\n"
        "select heartbeat.business_day(heartbeat.as_of()) - 1, sum(eur) from bank_core.fee",
    )
    (tiny.folder / "metrics" / "fees.sql").write_text(text, encoding="utf-8")
    tiny.refreshes()
    tiny.source.execute("update core.fee set eur = eur + 1")

    tiny.refreshes()
    assert yesterday(marts) == (Decimal("2.75"), False)
    with DagsterInstance.ephemeral() as instance:
        tiny.definitions().resolve_job_def("reconcile").execute_in_process(instance=instance)
    assert yesterday(marts) == (Decimal("4.75"), True)


def yesterday(marts: psycopg.Connection[Any]) -> Any:
    return marts.execute(
        "select v, restated_at is not null from heartbeat.metric_history"
        " where metric_id = 'fees' order by d limit 1"
    ).fetchone()


def test_a_quiet_table_that_is_polled_stays_fresh_and_a_sibling_that_is_not_goes_stale(
    tiny: TinyProject, marts: psycopg.Connection[Any]
) -> None:
    tiny.refreshes()
    long_ago = "now() - interval '3 days'"
    marts.execute(f"update heartbeat.table_load set polled_at = {long_ago}".encode())

    result = tiny.runs(PAYMENT, COUNT, SUM)

    assert result.success
    assert (told(result, COUNT)["freshness"], told(result, SUM)["freshness"]) == ("fresh", "red")
    assert FEE not in materialized(result)
