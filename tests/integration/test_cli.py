"""The command line, as a person and a program use it: exit code, output, one line on stderr."""

import json
import tempfile
from pathlib import Path
from typing import Any

import psycopg
import pytest

from heartbeat.settings import Settings
from tests.integration.command_line import Run, landed_bank, refused, told


def test_from_a_source_file_to_a_value_without_servers(
    heartbeat: Run, heartbeat_process: Run, marts: psycopg.Connection[Any]
) -> None:
    """Landing and computing as processes of their own, the rest without a new interpreter."""
    assert "core.fee" in told(heartbeat("source", "discover", "bank"))
    assert "is as its catalog says" in told(heartbeat("source", "check", "bank"))
    (table,) = json.loads(told(heartbeat("source", "list", "--json")))
    assert (table["schema"], table["table"], table["write"]) == ("bank_core", "fee", "replace")
    assert told(heartbeat("registry", "status")) == "+ fees\n"
    told(heartbeat_process("ingest"))
    assert "2.75" in told(heartbeat_process("compute"))
    assert told(heartbeat("registry", "sync")) == "The registry is as the files say.\n"
    assert "2.50" in told(heartbeat("compute", "fees", "--as-of", "2026-01-15T12:00"))
    history = marts.execute("select v::text, error from heartbeat.metric_history").fetchall()
    assert history == [("2.75", None)]


def test_a_source_that_drifted_is_told_and_fails_the_check(heartbeat: Run, source_url: str) -> None:
    told(heartbeat("source", "discover", "bank"))
    with psycopg.connect(source_url, autocommit=True) as source:
        source.execute("alter table core.fee add column vat numeric; create table core.tax (n int)")
    checked = heartbeat("source", "check", "bank")
    assert checked.stdout.splitlines() == [
        "core.tax: new table",
        "core.fee: new column vat numeric",
    ]
    assert "run `heartbeat source discover bank`" in refused(checked)


def test_a_check_advises_a_new_catalog_only_where_that_helps(
    heartbeat: Run, source_url: str
) -> None:
    with psycopg.connect(source_url, autocommit=True) as source:
        source.execute('create table core.tax (n int, "N" int)')
    assert "both land as n" in refused(heartbeat("source", "discover", "bank"))

    checked = heartbeat("source", "check", "bank")
    (problem,) = checked.stdout.splitlines()
    assert problem.startswith("core.tax: ")
    told = "error: 1 thing of bank cannot land; do what its line above says"
    assert refused(checked) == told

    with psycopg.connect(source_url, autocommit=True) as source:
        source.execute("create table core.fine (n int)")
    drifted = "; bank has drifted too: then run `heartbeat source discover bank`"
    assert refused(heartbeat("source", "check", "bank")) == told + drifted


def test_a_table_that_cannot_land_keeps_no_other_from_being_discovered(
    heartbeat: Run, source_url: str
) -> None:
    told(heartbeat("source", "discover", "bank"))
    with psycopg.connect(source_url, autocommit=True) as source:
        source.execute('create table core."Fee" (id int); create table core.tax (n int)')
        source.execute("create view core.taxes as select * from core.tax")

    discovered = heartbeat("source", "discover", "bank")

    assert "'Fee' and 'fee' both land as fee" in refused(discovered)
    assert "left out: core.taxes is a view" in discovered.stdout
    listed = json.loads(told(heartbeat("source", "list", "--json")))
    assert {row["table"] for row in listed} == {"fee", "tax"}


def test_a_table_that_is_gone_and_named_in_the_file_is_named_by_discovery(
    heartbeat: Run, settings: Settings, source_url: str
) -> None:
    path = settings.project / "sources" / "bank.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}tables:\n  core.fee: {{write: replace}}\n", encoding="utf-8")
    told(heartbeat("source", "discover", "bank"))
    with psycopg.connect(source_url, autocommit=True) as source:
        source.execute("drop table core.fee; create table core.tax (n int)")

    assert refused(heartbeat("source", "discover", "bank")) == (
        "error: the source file names table core.fee, which the source lacks or which is skipped; "
        "take it out of the file, then run `heartbeat source discover`"
    )
    path.write_text(text, encoding="utf-8")

    told(heartbeat("source", "discover", "bank"))
    (row,) = json.loads(told(heartbeat("source", "list", "--json")))
    assert row["table"] == "tax"


def test_misspelled_names_in_a_source_file_are_told(heartbeat: Run, settings: Settings) -> None:
    path = settings.project / "sources" / "bank.yaml"
    text = path.read_text(encoding="utf-8").replace("[core]", "[core, cor]")
    path.write_text(f"{text}skip_tables: [core.fees]\n", encoding="utf-8")

    discovered = heartbeat("source", "discover", "bank")

    assert refused(discovered) == "error: 2 things of bank cannot land"
    assert [line for line in discovered.stdout.splitlines() if "cannot land: " in line] == [
        f"cannot land: {problem}"
        for problem in (
            "the source has no schema cor, which the source file names",
            "skip_tables names core.fees, which the source lacks; correct it or take it out",
        )
    ]


def test_a_misspelled_schema_leaves_the_catalog_as_it_was(
    heartbeat: Run, settings: Settings
) -> None:
    told(heartbeat("source", "discover", "bank"))
    path = settings.project / "sources" / "bank.yaml"
    catalog = path.with_name("bank.catalog.json").read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace("[core]", "[cor]"), encoding="utf-8")
    problem = "the source has no schema cor, which the source file names"

    assert refused(heartbeat("source", "discover", "bank")) == f"error: {problem}"
    assert path.with_name("bank.catalog.json").read_text(encoding="utf-8") == catalog
    assert heartbeat("source", "check", "bank").stdout == f"{problem}\n"


def test_a_schema_that_the_file_names_no_more_leaves_the_catalog(
    heartbeat: Run, settings: Settings, source_url: str
) -> None:
    with psycopg.connect(source_url, autocommit=True) as source:
        source.execute("create schema dict; create table dict.country (id int)")
    path = settings.project / "sources" / "bank.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("[core]", "[core, dict]"), encoding="utf-8")
    told(heartbeat("source", "discover", "bank"))
    path.write_text(text, encoding="utf-8")

    told(heartbeat("source", "discover", "bank"))

    (row,) = json.loads(told(heartbeat("source", "list", "--json")))
    assert row["table"] == "fee"


def test_only_the_chosen_tables_are_ingested(
    heartbeat: Run, source_url: str, marts: psycopg.Connection[Any]
) -> None:
    with psycopg.connect(source_url, autocommit=True) as source:
        source.execute("create table core.tax (n int)")
    told(heartbeat("source", "discover", "bank"))
    told(heartbeat("ingest", "--source", "bank", "--schema", "bank_core", "--table", "tax"))
    landed = marts.execute("select table_name from heartbeat.table_load").fetchall()
    assert landed == [("tax",)]


def test_a_table_that_does_not_land_fails_the_ingest_by_name(
    heartbeat: Run, source_url: str
) -> None:
    told(heartbeat("source", "discover", "bank"))
    with psycopg.connect(source_url, autocommit=True) as source:
        source.execute("drop table core.fee")
    assert "fee" in refused(heartbeat("ingest"))


def test_a_metric_that_fails_fails_the_compute(heartbeat_process: Run) -> None:
    told(heartbeat_process("source", "discover", "bank"))
    computed = heartbeat_process("compute")
    assert computed.returncode == 1
    assert 'fees.sql:11: relation "bank_core.fee" does not exist' in " ".join(
        computed.stderr.split()
    )
    assert "1 of 1 metric failed" in computed.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("source", "discover", "cards"), "the project's sources are: bank"),
        (("source", "check", "bank"), "there is no catalog yet"),
        (("ingest", "--source", "bank"), "there is no catalog yet; run `heartbeat source discover"),
        (("ingest", "--table", "fee"), "there is no catalog yet; run `heartbeat source discover"),
        (("compute", "nothing"), "has the id or code nothing"),
        (("compute", "FEES"), "fees.sql:11: reads bank_core.fee, which no source lands"),
        (("compute", "--as-of", "yesterday"), "write it as 2026-03-31T23:59:59+00:00"),
        (("serve", "nothing"), "there are code-location, daemon, webserver, api"),
    ],
    ids=[
        *("no source", "no catalog", "no catalog of a source", "no catalog of a table"),
        *("no metric", "no table of a metric", "no moment", "no process"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    heartbeat: Run, arguments: tuple[str, ...], words: str
) -> None:
    assert words in refused(heartbeat(*arguments))


def test_a_broken_metric_file_is_told_by_status_and_sync(
    heartbeat: Run, settings: Settings
) -> None:
    (settings.project / "metrics" / "fees.sql").write_text("select 1")
    for command in ("status", "sync"):
        assert "fees.sql:1:" in refused(heartbeat("registry", command))


def test_a_database_that_is_away_is_one_line_without_the_password(
    heartbeat_process: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARTBEAT_DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:1/marts")
    line = refused(heartbeat_process("compute"))
    assert "HEARTBEAT_DATABASE_URL" in line
    assert "hunter2" not in line


def test_the_command_line_starts_the_embedded_server_it_needs_and_stops_it(
    heartbeat_process: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEARTBEAT_DATABASE_URL")
    with tempfile.TemporaryDirectory(prefix="heartbeat-cli-") as home:
        monkeypatch.setenv("HEARTBEAT_HOME", home)
        assert told(heartbeat_process("registry", "sync")) == "+ fees\n"
        assert not (Path(home) / "postgres" / "postmaster.pid").exists()


def test_debug_shows_the_traceback(heartbeat_process: Run) -> None:
    failed = heartbeat_process("--debug", "compute", "nothing")
    assert failed.returncode == 1
    assert "Traceback" in failed.stderr


def test_what_every_load_reads_as_a_whole_is_listed_with_its_size(heartbeat: Run) -> None:
    landed_bank(heartbeat)
    (cost,) = json.loads(told(heartbeat("source", "cost", "--json")))
    assert (cost["table"], cost["write"], cost["rows"]) == ("bank_core.fee", "replace", 2)
    assert cost["bytes"] > 0
    assert "1 table," in told(heartbeat("source", "cost"))


def test_parity_is_told_table_by_table(heartbeat: Run, marts: psycopg.Connection[Any]) -> None:
    told(heartbeat("source", "discover", "bank"))
    assert "1 table of bank is not as in the source" in refused(
        heartbeat("source", "check", "bank", "--parity")
    )
    told(heartbeat("ingest"))
    assert "bank_core.fee: equal" in told(heartbeat("source", "check", "bank", "--parity"))

    marts.execute("update bank_core.fee set eur = 2.5 where id = 1")
    marts.execute("insert into bank_core.fee values (7, 1, now())")
    checked = heartbeat("source", "check", "bank", "--parity")

    assert "heartbeat ingest --reconcile" in refused(checked)
    assert checked.stdout == (
        "bank_core.fee: 2 rows in the source, 3 in marts; 1 missing or other in marts, "
        "1 only in marts; for example id = 1; 7\n"
    )
    told(heartbeat("ingest", "--reconcile"))
    assert "equal" in told(heartbeat("source", "check", "bank", "--parity"))


def test_only_the_tables_of_a_metric_can_be_landed(
    heartbeat: Run, source_url: str, marts: psycopg.Connection[Any]
) -> None:
    with psycopg.connect(source_url, autocommit=True) as source:
        source.execute("create table core.card (id int primary key)")
    told(heartbeat("source", "discover", "bank"))
    told(heartbeat("ingest", "--metric", "fees"))
    assert marts.execute("select table_name from heartbeat.table_load").fetchall() == [("fee",)]
    assert "has the id or code nothing" in refused(heartbeat("ingest", "--metric", "nothing"))


def test_a_first_load_that_goes_on_says_where(
    heartbeat: Run, settings: Settings, source_url: str, marts: psycopg.Connection[Any]
) -> None:
    file = settings.project / "sources" / "bank.yaml"
    file.write_text(
        f"{file.read_text()}first_load_rows: 10\ntables:\n  core.fee: {{cursor: paid_at}}\n"
    )
    with psycopg.connect(source_url, autocommit=True) as source:
        source.execute(
            "insert into core.fee select i, i, '2026-03-01' from generate_series(3, 95) i"
        )
        source.execute("analyze core.fee")
    landed_bank(heartbeat)
    marts.execute("delete from bank_core.fee where id > 40")
    marts.execute(
        "update heartbeat.table_load set polled_at = null, resume_after = '{40}',"
        " resume_since = '2026-03-01'"
    )
    assert "bank_core.fee: the first load goes on after id = 40" in told(heartbeat("ingest"))
    assert marts.execute("select count(*), max(id) from bank_core.fee").fetchone() == (95, 95)
