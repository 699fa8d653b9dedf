"""A refresh that failed is told on the wall, by the API and by `today` until one succeeds."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import psycopg
import pytest

from heartbeat.landing.landing_run import _exclusive
from heartbeat.landing.landing_state import (
    LandingState,
    begin_attempts,
    read_landing_state,
    read_left_attempts,
)
from heartbeat.landing.ledger import TableLoad, record
from heartbeat.landing.selection import SelectedTables, select_tables
from heartbeat_api.moment import short_moment_text
from tests.integration.command_line import HEARTBEAT, refused, run_here, told
from tests.integration.landed_bank import VARIABLE, Bank
from tests.unit.heartbeat_api.served import api_on, served
from tests.unit.heartbeat_api.stored_metrics import StoredMetric, calm, store

NOBODY = "postgresql://u:x@127.0.0.1:1/bank"


@pytest.fixture
def two_tables(bank: Bank) -> Bank:
    """A bank with two tables, whose catalog is written and which has not landed yet."""
    bank.has("create table core.fee (id int primary key); insert into core.fee values (1)")
    bank.has("create table core.payment (id int primary key); insert into core.payment values (1)")
    bank.discovered()
    return bank


def state(bank: Bank) -> LandingState:
    with psycopg.connect(bank.settings.database_url) as connection:
        left = read_left_attempts(connection)
        connection.commit()
        return read_landing_state(connection, left)


@contextmanager
def api(bank: Bank) -> Iterator[httpx.Client]:
    with (
        served(api_on(bank.settings.database_url)) as origin,
        httpx.Client(base_url=origin, timeout=20) as client,
    ):
        yield client


def landing(client: httpx.Client) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/api/metrics").json()["landing"]
    return document


def test_a_refused_refresh_is_told_everywhere_and_after_a_restart_until_one_succeeds(
    two_tables: Bank, databases: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told(run_here("ingest"))
    assert state(two_tables).text("13:56") == ""
    monkeypatch.setenv(VARIABLE, NOBODY)
    refused(run_here("ingest"))
    for _ in range(2):
        with api(two_tables) as client:
            document = landing(client)
            assert document["refused"] == ["bank_core.fee", "bank_core.payment"]
            assert (document["tables"], document["broken_off"]) == (2, [])
            failed_at = datetime.fromisoformat(document["failed_at"])
            assert datetime.now(UTC) - failed_at < timedelta(minutes=2)
            when = short_moment_text(failed_at, datetime.now(UTC), ZoneInfo("UTC"))
            for page in ("/", "/audit"):
                assert f"refresh failed {when}: 2 tables refused" in client.get(page).text
    assert "2 tables refused" in told(run_here("today"))
    document = json.loads(told(run_here("today", "--json")))
    assert document["refresh"][0].endswith("2 tables refused")
    assert [load["table"] for load in document["did not land"]] == [
        "bank_core.fee",
        "bank_core.payment",
    ]
    monkeypatch.setenv(VARIABLE, databases["source"])
    with api(two_tables) as client:
        assert landing(client)["failed_at"] is not None
        told(run_here("ingest"))
        assert (landing(client)["failed_at"], landing(client)["refused"]) == (None, [])
        assert "refresh failed" not in client.get("/").text
    assert "refused" not in told(run_here("today"))


def test_a_first_start_says_that_nothing_has_landed_and_no_failure(two_tables: Bank) -> None:
    with api(two_tables) as client:
        page = client.get("/").text
        assert "Sources <b>none yet</b>" in page
        assert "refresh failed" not in page
        assert "broke off" not in page
        assert landing(client) == {
            "source_as_of": None,
            "failed_at": None,
            "tables": 0,
            "refused": [],
            "broken_off": [],
            "restored": [],
        }


def test_a_refresh_that_landed_partly_is_told_though_no_metric_reads_the_table(
    two_tables: Bank,
) -> None:
    told(run_here("ingest"))
    two_tables.has("drop table core.fee")
    refused(run_here("ingest"))
    assert state(two_tables).text("13:56") == "refresh failed 13:56: 1 of 2 tables refused"
    told(run_here("ingest", "--table", "payment"))
    assert state(two_tables).refused == ("bank_core.fee",)


def test_a_landing_that_goes_on_is_no_failure_and_one_that_died_is(two_tables: Bank) -> None:
    with psycopg.connect(two_tables.source.info.dsn, password="x") as blocker:
        blocker.execute("lock table core.fee in access exclusive mode")
        ingesting = subprocess.Popen(
            [HEARTBEAT, "ingest"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _until(two_tables, "select count(*) = 2 from heartbeat.table_load")
        assert state(two_tables).failed == ()
        ingesting.kill()
        ingesting.wait()
        gone = "select count(*) = 0 from pg_locks where locktype = 'advisory' and database ="
        _until(
            two_tables, f"{gone} (select oid from pg_database where datname = current_database())"
        )
    died = state(two_tables)
    assert died.text("14:02") == "refresh broke off 14:02: 2 tables not landed"
    with api(two_tables) as client:
        assert landing(client)["broken_off"] == ["bank_core.fee", "bank_core.payment"]
        assert "refresh broke off" in client.get("/").text
    told(run_here("ingest", "--table", "fee"))
    assert state(two_tables).broken_off == ("bank_core.payment",)
    told(run_here("ingest"))
    assert state(two_tables).failed == ()


def test_a_landing_that_died_is_told_though_the_one_before_it_ended_by_a_clock_that_was_ahead(
    two_tables: Bank,
) -> None:
    told(run_here("ingest"))
    two_tables.marts.execute(
        "update heartbeat.table_load set began_at = began_at + interval '1 day',"
        " ended_at = ended_at + interval '1 day', polled_at = polled_at + interval '1 day'"
    )
    source = two_tables.discovered()
    (part,) = select_tables([source], source=None, schema=None, tables=None)
    begin_attempts(two_tables.marts, [part], "run-that-dies")
    assert state(two_tables).broken_off == ("bank_core.fee", "bank_core.payment")
    told(run_here("ingest"))
    assert state(two_tables).failed == ()


def test_a_value_that_was_polled_in_the_future_is_told_as_of_unknown_age(bank: Bank) -> None:
    metric = StoredMetric("fees", "FEES", "Fees", values=calm(1))
    store(bank.marts, [metric], datetime.now(UTC) + timedelta(days=1))
    lines = told(run_here("today")).splitlines()
    assert lines == ["of unknown age (1)", "  FEES  Fees: a source was polled in the future"]
    with api(bank) as client:
        assert "1 of unknown age" in client.get("/").text
        assert client.get("/api/metrics/FEES").json()["freshness"] == "unknown"
        assert "age unknown" in client.get("/m/FEES").text
    store(bank.marts, [], datetime.now(UTC))


def _until(bank: Bank, question: str) -> None:
    deadline = time.monotonic() + 60
    while bank.landed(question) != [(True,)]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_landing_that_ends_between_two_reads_is_never_taken_for_dead(two_tables: Bank) -> None:
    source = two_tables.discovered()
    part = SelectedTables(source, "core", ("fee", "payment"))
    with psycopg.connect(two_tables.settings.database_url) as reader:
        with _exclusive(two_tables.settings, source) as connection:
            begin_attempts(connection, [part], "run")
            before = read_left_attempts(reader)
            reader.commit()
            assert read_landing_state(reader, before).failed == ()
            reader.commit()
        _until(two_tables, "select count(*) = 0 from pg_locks where locktype = 'advisory'")
        after = read_left_attempts(reader)
        reader.commit()
        assert set(after) == {"bank_core.fee", "bank_core.payment"}
        assert read_landing_state(reader, before).failed == ()
        now = datetime.now(UTC)
        loads = [
            TableLoad("bank_core", name, "merge", started_at=now, polled_at=now)
            for name in part.tables
        ]
        record(two_tables.marts, loads, "run")
        reader.commit()
        assert read_landing_state(reader, after).failed == ()


def test_tables_of_a_removed_source_are_missed_by_nobody_and_those_of_a_broken_file_are(
    two_tables: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, NOBODY)
    refused(run_here("ingest"))
    file = two_tables.settings.project / "sources" / "bank.yaml"
    catalog, text = file.with_name("bank.catalog.json"), file.read_text()
    file.write_text("kind: nothing")
    told(run_here("registry", "sync"))
    assert len(state(two_tables).refused) == 2
    file.unlink()
    told(run_here("registry", "sync"))
    assert state(two_tables) == LandingState()
    assert "refused" not in told(run_here("today"))
    file.write_text(text)
    told(run_here("registry", "sync"))
    assert len(state(two_tables).refused) == 2
    smaller = json.loads(catalog.read_text())
    smaller["tables"] = [table for table in smaller["tables"] if table["name"] != "fee"]
    catalog.write_text(json.dumps(smaller))
    told(run_here("registry", "sync"))
    assert state(two_tables).text("") == "refresh failed: 1 table refused"


def test_the_header_tells_the_oldest_poll_among_what_is_shown(two_tables: Bank) -> None:
    now = datetime.now(UTC)
    metrics = [
        StoredMetric("young", "YOUN", "Young", values=calm(1), source_age=timedelta(minutes=5)),
        StoredMetric("old", "OLD1", "Old", values=calm(1), source_age=timedelta(hours=90)),
    ]
    store(two_tables.marts, metrics, now)
    with api(two_tables) as client:
        assert datetime.fromisoformat(landing(client)["source_as_of"]) == now - timedelta(hours=90)
        assert f"Sources <b>{now - timedelta(hours=90):%-d %b %H:%M}</b>" in client.get("/").text
    document = json.loads(told(run_here("today", "--json")))
    assert datetime.fromisoformat(document["source_as_of"]) == now - timedelta(hours=90)
    store(two_tables.marts, [], now)
