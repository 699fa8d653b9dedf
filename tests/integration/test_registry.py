"""The registry: what a sync does, and who may write which column."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from heartbeat.metrics.metric_file import LoadedMetrics, load_metrics
from heartbeat.metrics.registry import (
    ChangeKind,
    ColumnChange,
    KeptValue,
    RegistryChange,
    plan_sync,
    sync,
)
from heartbeat.postgres_session import connect

HEADER = """\
/* ---
code: {code}
name: {name}
short_name: {name}
period: snapshot
unit: count
direction: lower_is_better
kind: threshold
norm_value: {norm}
alert_value: 10
owner: ops@bank.example
---*/
-- name: value
select 1
"""

OPERATOR = (
    *("norm_value", "alert_value", "target_value", "target_due_date", "owner"),
    "verification_state",
)
BENCHMARK = (
    *("benchmark_mean", "benchmark_stddev", "benchmark_n", "benchmark_weekday_means"),
    "benchmark_at",
)
CONFIG = (
    *("metric_id", "code", "name", "short_name", "period", "unit", "direction", "kind"),
    *("amber_z", "red_z", "reads", "cuts", "description", "how_to_read", "methodology", "notes"),
    *("benchmark_days", "season", "definition", "definition_hash", "definition_changed_at"),
    "registered_at",
)
WRITER = {
    **dict.fromkeys(CONFIG, "heartbeat_sync"),
    **dict.fromkeys(OPERATOR, "heartbeat_operator"),
    **dict.fromkeys(BENCHMARK, "heartbeat_benchmark"),
}
ROLES = (
    *("heartbeat_sync", "heartbeat_operator", "heartbeat_benchmark", "heartbeat_reader"),
    "postgres",
)
OTHER_VALUE = {
    "norm_value": "3",
    "alert_value": "30",
    "target_value": "1",
    "target_due_date": "2027-01-01",
    "verification_state": "verified",
    "benchmark_mean": "1.5",
    "benchmark_stddev": "0.5",
    "benchmark_n": "30",
    "benchmark_weekday_means": "{1,2,3,4,5,6,7}",
    "benchmark_at": "2026-01-01",
    "benchmark_days": "60",
    "definition": "{}",
    "definition_changed_at": "2020-01-01",
    "amber_z": "1.5",
    "red_z": "2.5",
    "reads": "{a.b}",
    "cuts": "{x}",
    "registered_at": "2020-01-01",
}


class Files:
    """The metric files of a project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, metric_id: str, code: str, name: str = "Broken things", norm: int = 5) -> None:
        text = HEADER.format(code=code, name=name, norm=norm).replace("---*/", "--- */")
        (self.folder / f"{metric_id}.sql").write_text(text, encoding="utf-8")

    def loaded(self) -> LoadedMetrics:
        return load_metrics(self.folder)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    folder = tmp_path / "metrics"
    folder.mkdir()
    return Files(folder)


def registered(marts: psycopg.Connection[Any]) -> dict[str, dict[str, Any]]:
    cursor = marts.cursor(row_factory=dict_row)
    rows = cursor.execute("select * from heartbeat.metric_registry").fetchall()
    return {row["metric_id"]: row for row in rows}


def test_a_sync_adds_updates_and_removes_and_a_second_one_has_nothing_to_do(
    marts: psycopg.Connection[Any], files: Files
) -> None:
    files.write("one", "ONE1")
    files.write("two", "TWO2")
    assert sync(marts, files.loaded()).changes == (
        RegistryChange(ChangeKind.ADD, "one"),
        RegistryChange(ChangeKind.ADD, "two"),
    )
    files.write("one", "ONE1", name="Things that broke")
    (files.folder / "two.sql").unlink()
    expected = (
        RegistryChange(
            ChangeKind.UPDATE,
            "one",
            (
                ColumnChange("name", "Broken things → Things that broke"),
                ColumnChange("short_name", "Broken things → Things that broke"),
            ),
        ),
        RegistryChange(ChangeKind.REMOVE, "two"),
    )
    assert plan_sync(marts, files.loaded()).changes == expected
    assert sync(marts, files.loaded()).changes == expected
    assert {name: row["name"] for name, row in registered(marts).items()} == {
        "one": "Things that broke"
    }
    assert sync(marts, files.loaded()).changes == ()


def test_a_plan_changes_nothing(marts: psycopg.Connection[Any], files: Files) -> None:
    files.write("one", "ONE1")
    plan_sync(marts, files.loaded())
    assert registered(marts) == {}


def test_the_history_of_a_removed_metric_stays(
    marts: psycopg.Connection[Any], files: Files
) -> None:
    files.write("one", "ONE1")
    sync(marts, files.loaded())
    marts.execute(
        "insert into heartbeat.metric_history (metric_id, d, v, run_id)"
        " values ('one', '2026-01-01', 7, 'r')"
    )
    (files.folder / "one.sql").unlink()
    sync(marts, files.loaded())
    assert registered(marts) == {}
    assert marts.execute("select metric_id, v from heartbeat.metric_history").fetchall() == [
        ("one", Decimal(7))
    ]


def test_a_file_that_is_broken_keeps_its_row(marts: psycopg.Connection[Any], files: Files) -> None:
    files.write("one", "ONE1")
    sync(marts, files.loaded())
    (files.folder / "one.sql").write_text("select 1", encoding="utf-8")
    assert sync(marts, files.loaded()).changes == ()
    assert set(registered(marts)) == {"one"}


def test_the_code_of_a_broken_file_is_not_given_to_another_until_it_is_mended(
    marts: psycopg.Connection[Any], files: Files
) -> None:
    files.write("one", "AAAA")
    sync(marts, files.loaded())
    (files.folder / "one.sql").write_text("select 1", encoding="utf-8")
    files.write("two", "AAAA")
    files.write("three", "CCCC")
    assert sync(marts, files.loaded()).changes == (RegistryChange(ChangeKind.ADD, "three"),)
    assert {name: row["code"] for name, row in registered(marts).items()} == {
        "one": "AAAA",
        "three": "CCCC",
    }
    files.write("one", "BBBB")
    sync(marts, files.loaded())
    assert {name: row["code"] for name, row in registered(marts).items()} == {
        "one": "BBBB",
        "two": "AAAA",
        "three": "CCCC",
    }


def test_operator_values_come_from_the_file_once_and_then_stay(
    marts: psycopg.Connection[Any], files: Files
) -> None:
    files.write("one", "ONE1", norm=5)
    sync(marts, files.loaded())
    assert registered(marts)["one"]["norm_value"] == 5
    with marts.transaction():
        marts.execute("set local role heartbeat_operator")
        marts.execute("update heartbeat.metric_registry set norm_value = 7, owner = 'me@bank.ex'")
    files.write("one", "ONE1", name="New name", norm=2)
    kept = sync(marts, files.loaded()).kept
    assert kept == (
        KeptValue("one", "norm_value", Decimal(2), Decimal(7)),
        KeptValue("one", "owner", "ops@bank.example", "me@bank.ex"),
    )
    row = registered(marts)["one"]
    assert (row["name"], row["norm_value"], row["owner"]) == ("New name", 7, "me@bank.ex")


def test_two_metrics_can_swap_their_codes(marts: psycopg.Connection[Any], files: Files) -> None:
    files.write("one", "AAAA")
    files.write("two", "BBBB")
    sync(marts, files.loaded())
    files.write("one", "BBBB")
    files.write("two", "AAAA")
    sync(marts, files.loaded())
    assert {name: row["code"] for name, row in registered(marts).items()} == {
        "one": "BBBB",
        "two": "AAAA",
    }


def test_a_code_can_pass_from_a_removed_metric_to_a_new_one(
    marts: psycopg.Connection[Any], files: Files
) -> None:
    files.write("one", "AAAA")
    sync(marts, files.loaded())
    (files.folder / "one.sql").unlink()
    files.write("two", "AAAA")
    sync(marts, files.loaded())
    assert set(registered(marts)) == {"two"}


def test_the_guard_knows_every_column_of_the_table(marts: psycopg.Connection[Any]) -> None:
    columns = marts.execute(
        "select column_name::text from information_schema.columns"
        " where table_schema = 'heartbeat' and table_name = 'metric_registry'"
    ).fetchall()
    assert {name for (name,) in columns} == set(WRITER)


@pytest.fixture
def one_metric(marts: psycopg.Connection[Any], files: Files) -> psycopg.Connection[Any]:
    files.write("one", "ONE1")
    sync(marts, files.loaded())
    return marts


@pytest.mark.parametrize("role", ROLES)
def test_each_role_writes_its_own_columns_and_no_other(
    one_metric: psycopg.Connection[Any], role: str
) -> None:
    written = {}
    for column in WRITER:
        update = sql.SQL("update heartbeat.metric_registry set {} = %s").format(
            sql.Identifier(column)
        )
        try:
            with one_metric.transaction(force_rollback=True):
                one_metric.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
                one_metric.execute(update, [OTHER_VALUE.get(column, "other")])
        except psycopg.errors.InsufficientPrivilege:
            written[column] = False
        else:
            written[column] = True
    assert written == {column: writer == role for column, writer in WRITER.items()}


@pytest.mark.parametrize(
    ("column", "way"),
    [
        ("name", 'Change the file in metrics/ and run "heartbeat registry sync".'),
        ("norm_value", "Change it through the API as an operator."),
        ("benchmark_mean", "The daily benchmark job writes it."),
    ],
)
def test_a_refusal_names_the_column_and_the_way(
    one_metric: psycopg.Connection[Any], column: str, way: str
) -> None:
    update = sql.SQL("update heartbeat.metric_registry set {} = %s").format(sql.Identifier(column))
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as refusal:
        one_metric.execute(update, [OTHER_VALUE.get(column, "other")])
    assert f"postgres may not write column {column}" in str(refusal.value)
    assert refusal.value.diag.message_hint == way


@pytest.mark.parametrize("role", [role for role in ROLES if role != "heartbeat_sync"])
@pytest.mark.parametrize(
    "statement",
    [
        "insert into heartbeat.metric_registry (metric_id, code) values ('two', 'TWO2')",
        "delete from heartbeat.metric_registry",
        "truncate heartbeat.metric_registry",
    ],
    ids=["insert", "delete", "truncate"],
)
def test_only_a_sync_makes_and_removes_rows(
    one_metric: psycopg.Connection[Any], role: str, statement: str
) -> None:
    one_metric.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        one_metric.execute(statement.encode())
    one_metric.execute("reset role")
    assert set(registered(one_metric)) == {"one"}


def test_every_trigger_fires_whatever_a_session_says_of_replication(
    marts: psycopg.Connection[Any],
) -> None:
    found = marts.execute(
        "select tgname, tgenabled::text from pg_trigger join pg_class c on c.oid = tgrelid"
        " where c.relnamespace = 'heartbeat'::regnamespace and not tgisinternal"
    ).fetchall()
    assert ("metric_registry_guard", "A") in found
    assert [name for name, enabled in found if enabled != "A"] == []


def test_a_guard_holds_for_a_role_that_takes_from_the_database_that_triggers_are_off(
    one_metric: psycopg.Connection[Any], marts_url: str, operator_of_marts: str
) -> None:
    database = sql.Identifier(one_metric.info.dbname)
    one_metric.execute(
        sql.SQL("alter database {} set session_replication_role = replica").format(database)
    )
    for url in (marts_url, marts_url.replace("postgres:x@", f"{operator_of_marts}:x@")):
        with (
            connect(url, autocommit=True) as session,
            pytest.raises(psycopg.errors.InsufficientPrivilege, match="may not write column name"),
        ):
            session.execute("update heartbeat.metric_registry set name = 'other'")
    with connect(marts_url) as session:
        assert session.execute("show session_replication_role").fetchone() == ("origin",)


@pytest.fixture
def operator_of_marts(one_metric: psycopg.Connection[Any]) -> Iterator[str]:
    """A role that is no superuser and may log in, and whose grants would let it write."""
    role = f"operator_of_{one_metric.info.dbname}"
    name = sql.Identifier(role)
    for statement in (
        "create role {} login password 'x'",
        "grant usage on schema heartbeat to {}",
        "grant select, update on heartbeat.metric_registry to {}",
    ):
        one_metric.execute(sql.SQL(statement).format(name))
    yield role
    one_metric.execute(sql.SQL("drop owned by {0}; drop role {0}").format(name))
