"""Names that a person types and what the commands tell: the cause, once, and how to mend it."""

import os
from pathlib import Path
from typing import Any

import psycopg
import pytest

from heartbeat.connection_string import without_login
from heartbeat.project import Project
from heartbeat.settings import Settings
from tests.integration.command_line import METRIC, Run, landed_bank, refused, told
from tests.integration.dagster_stub import JOB, Dagster, dagster

UNLANDED = METRIC.replace("FEES", "TAXS").replace("bank_core.fee", "bank_core.tax")


@pytest.fixture
def metrics(settings: Settings) -> Path:
    return settings.project / "metrics"


def test_a_table_is_chosen_by_the_name_that_every_message_prints(
    heartbeat: Run, marts: psycopg.Connection[Any]
) -> None:
    told(heartbeat("source", "discover", "bank"))
    told(heartbeat("ingest", "--table", "bank_core.fee"))
    landed = marts.execute("select table_name from heartbeat.table_load").fetchall()
    assert landed == [("fee",)]
    told(heartbeat("ingest", "--schema", "bank_core", "--table", "bank_core.fee"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--table", "fee", "--table", "bank_core.fees"), "no landed table bank_core.fees; there"),
        (("--table", "core.fee"), "there is no landed table core.fee; there are bank_core.fee"),
        (("--source", "bnak"), "there is no source bnak; there are bank"),
        (("--schema", "core"), "there is no landed schema core; there are bank_core"),
    ],
    ids=["one of two", "by the source's name", "source", "schema"],
)
def test_a_name_that_nothing_has_is_refused_with_those_that_are_near(
    heartbeat: Run, marts: psycopg.Connection[Any], arguments: tuple[str, ...], words: str
) -> None:
    told(heartbeat("source", "discover", "bank"))
    assert words in refused(heartbeat("ingest", *arguments))
    assert marts.execute("select from heartbeat.table_load").fetchall() == []


def test_a_metric_is_named_by_its_code_wherever_it_is_named(heartbeat: Run) -> None:
    landed_bank(heartbeat)
    told(heartbeat("refresh", "FEES", "--in-process"))
    assert told(heartbeat("compute", "FEES", "fees")).split()[:2] == ["fees", "2.75"]
    assert told(heartbeat("metric", "show", "FEES")).startswith("FEES  Fees")
    told(heartbeat("ingest", "--metric", "FEES"))
    assert "how_to_read must say" in heartbeat("metric", "lint", "FEES").stdout


def test_compute_refuses_what_validate_refuses_and_computes_the_rest(
    heartbeat: Run, metrics: Path, marts: psycopg.Connection[Any]
) -> None:
    landed_bank(heartbeat)
    marts.execute("create table bank_core.tax (eur numeric, paid_at timestamptz)")
    (metrics / "taxes.sql").write_text(UNLANDED)
    reason = "taxes.sql:11: reads bank_core.tax, which no source lands"
    assert reason in refused(heartbeat("compute", "taxes"))
    assert reason in refused(heartbeat("validate"))
    everything = heartbeat("compute")
    assert "fees  2.75" in everything.stdout
    assert "taxes" not in everything.stdout
    assert reason in refused(everything)


def test_validate_refuses_a_folder_that_is_no_project(
    heartbeat: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing, empty = tmp_path / "missing", tmp_path / "empty"
    empty.mkdir()
    for folder, words in ((missing, "there is no folder"), (empty, "is not a project")):
        monkeypatch.setenv("HEARTBEAT_PROJECT", str(folder))
        line = refused(heartbeat("validate"))
        assert words in line
        assert str(folder) in line


def test_a_file_that_cannot_be_used_tells_why_to_whoever_names_it(
    heartbeat: Run, metrics: Path
) -> None:
    landed_bank(heartbeat)
    told(heartbeat("compute"))
    (metrics / "fees.sql").write_text(METRIC.replace("period: snapshot", "period: yearly"))
    for command in (("compute", "fees"), ("compute", "FEES"), ("refresh", "FEES")):
        assert "fees.sql:5: period: " in refused(heartbeat(*command))
    assert "fees.sql:5: period: " in told(heartbeat("metric", "show", "FEES"))


def test_the_triage_tells_each_message_once_and_nothing_of_a_source_that_is_gone(
    heartbeat: Run, settings: Settings, marts: psycopg.Connection[Any], source_url: str
) -> None:
    with psycopg.connect(source_url, autocommit=True) as source:
        for table in "abcdefgh":
            source.execute(f"create table core.{table} (id int primary key)".encode())
    landed_bank(heartbeat)
    told(heartbeat("compute"))
    marts.execute("update heartbeat.table_load set error = 'connection refused'")
    lines = told(heartbeat("today")).splitlines()
    assert lines[-2:] == [
        "did not land (9)",
        "  bank_core.a, bank_core.b, bank_core.c, bank_core.d and 5 more  connection refused",
    ]
    catalog = settings.project / "sources" / "bank.catalog.json"
    kept = catalog.read_text()
    catalog.unlink()
    heartbeat("registry", "sync")
    assert "did not land (9)" in told(heartbeat("today"))
    catalog.write_text(kept)
    (settings.project / "sources" / "bank.yaml").unlink()
    heartbeat("registry", "sync")
    assert "did not land" not in told(heartbeat("today"))


def test_a_refresh_tells_how_much_failed_and_each_reason_once(
    heartbeat: Run, marts: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    landed_bank(heartbeat)
    told(heartbeat("compute"))
    marts.execute(
        "insert into heartbeat.table_load_log"
        " (run_id, schema_name, table_name, started_at, finished_at, write_mode, error)"
        " select %s, 'bank_core', t, now(), now(), 'replace', 'connection refused'"
        " from unnest(%s::text[]) as t",
        [JOB, ["fee", "tax"]],
    )
    with dagster("fees") as url:
        monkeypatch.setenv("HEARTBEAT_DAGSTER_URL", url)
        Dagster.status = Dagster.once_launched = "FAILURE"
        Dagster.tables = ("bank_core.fee", "bank_core.tax")
        refreshed = heartbeat("refresh")
    assert refreshed.stdout.splitlines()[-2:] == [
        "tables   0 of 2 landed, 2 failed",
        "metrics  0 of 1 computed",
    ]
    assert refused(refreshed) == (
        f"error: the refresh {JOB} ended as failed: "
        "bank_core.fee, bank_core.tax: connection refused"
    )


def test_a_refresh_without_the_stack_tells_what_to_start(
    heartbeat: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARTBEAT_DAGSTER_URL", "http://127.0.0.1:1")
    reason = refused(heartbeat("refresh"))
    assert reason.startswith("error: Dagster's webserver does not answer")
    assert "`heartbeat up`" in reason
    assert "`heartbeat refresh --in-process`" in reason


def test_a_triage_of_nothing_is_not_called_green(heartbeat: Run) -> None:
    assert told(heartbeat("today")).startswith("There is no metric yet")


def test_a_page_that_no_cut_has_is_begun_only_when_asked_for(
    heartbeat: Run, settings: Settings
) -> None:
    landed_bank(heartbeat)
    draft = ("--table", "bank_core.fee", "--time-column", "paid_at", "--title", "Fees")
    told(heartbeat("cut", "new", "first", *draft, "--page", "overview"))
    misspelled = ("cut", "new", "second", *draft, "--page", "overveiw")
    reason = refused(heartbeat(*misspelled))
    assert "no cut is on page overveiw; there are overview; --new-page begins another" in reason
    told(heartbeat(*misspelled, "--new-page"))
    notes = [str(note) for note in Project(settings.project).notes]
    assert "second.py:14: META.page: no other cut is on page overveiw; is it overview?" in notes[1]


def test_the_version_is_told(heartbeat: Run) -> None:
    assert told(heartbeat("--version")).startswith("heartbeat 0.")


def test_marts_open_in_psql_without_a_password_on_the_command_line(
    heartbeat_process: Run, marts_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "HEARTBEAT_DATABASE_URL", marts_url.replace("postgres:x@", "postgres:hunter2@")
    )
    asked = heartbeat_process("psql", "-At", "-c", "select count(*) from heartbeat.metric_history")
    assert told(asked) == "0\n"
    command = told(heartbeat_process("psql", "-c", r"\! tr '\0' ' ' < /proc/$PPID/cmdline"))
    assert "--dbname=user=postgres" in command
    assert "hunter2" not in command
    assert "hunter2" in told(heartbeat_process("psql", "-c", r"\! echo $PGPASSWORD"))
    assert heartbeat_process("psql", "-c", "select nothing").returncode == 1


def test_psql_logs_in_as_the_login_of_a_job(
    heartbeat_process: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = ("psql", "--as", "reader", "-Atc", "select session_user")
    assert told(heartbeat_process(*asks)) == "heartbeat_reader\n"
    monkeypatch.setenv("HEARTBEAT_DATABASE_URL", without_login(settings.database_url))
    assert told(heartbeat_process(*asks)) == "heartbeat_reader\n"
    nobody = refused(heartbeat_process("psql", "-c", "select 1"))
    assert "names no user; say as whom, such as --as reader" in nobody
    assert "HEARTBEAT_DATABASE_URL names no user" in refused(heartbeat_process("migrate"))


@pytest.mark.parametrize(
    "named",
    [("-d", "postgres"), ("-qd", "postgres"), ("--dbname=postgres",), ("postgres",)],
    ids=["option", "behind another", "long option", "argument"],
)
def test_another_database_that_psql_is_told_is_one_of_the_same_server(
    heartbeat_process: Run, marts_url: str, named: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", "/nowhere")
    asked = "select current_database(), current_setting('data_directory')"
    here = told(heartbeat_process("psql", "-AtF,", "-c", asked)).strip().split(",")
    other = told(heartbeat_process("psql", *named, "-AtF,", "-c", asked)).strip().split(",")
    assert other == ["postgres", here[1]]


def test_a_moment_to_come_has_no_number(heartbeat: Run) -> None:
    landed_bank(heartbeat)
    reason = refused(heartbeat("compute", "fees", "--as-of", "9999-01-01T00:00"))
    assert reason.startswith("error: --as-of 9999-01-01T00:00: that is still to come; now it is ")


def test_the_embedded_marts_open_in_psql(
    heartbeat_process: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HEARTBEAT_DATABASE_URL")
    monkeypatch.setenv("HEARTBEAT_HOME", str(tmp_path / f"h{os.getpid()}"))
    asked = heartbeat_process("psql", "-At", "-c", "select count(*) from heartbeat.metric_history")
    assert told(asked) == "0\n"
