from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from demo_bank import seed

READER = "heartbeat_reader_a"


@pytest.fixture(scope="module", autouse=True)
def seeded(server_url: str, other_server_url: str) -> None:
    """One small bank for all tests of this module; none of them changes it."""
    anchor = datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC)
    seed(server_url, other_server_url, anchor=anchor, clients=20, breadth=193)


@pytest.fixture
def webbank(server_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(make_conninfo(server_url, dbname="webbank")) as connection:
        yield connection


@pytest.mark.parametrize(
    ("database", "table"),
    [
        ("webbank", "core.payment"),
        ("webbank", 'core."OperatorNote"'),
        ("webbank", "dict.country"),
        ("aml", "aml.aml_retrospective"),
        ("pdvs", "core.payee_verification"),
        ("vss", "vss.applicant_log"),
        ("vss", "dict.applicant_state"),
        ("card-management", "card.card"),
        ("card-management", "dict.card_state"),
        ("card-management", "replication.progress"),
        ("currency-rate", "rate.rate"),
    ],
)
def test_the_reader_reads_what_is_landed(server_url: str, database: str, table: str) -> None:
    url = make_conninfo(server_url, dbname=database, user=READER)
    with psycopg.connect(url) as reader:
        rows = reader.execute(f"select count(*) from {table}".encode()).fetchall()
    assert rows[0][0] > 0


@pytest.mark.parametrize(
    ("database", "statement"),
    [
        pytest.param("webbank", "select * from scb.statement_line", id="a schema not granted"),
        pytest.param("webbank", "select * from integration.provider_call_log", id="another one"),
        pytest.param("bpm", "select * from bpm.process_instance", id="bpm"),
        pytest.param("notification", "select * from notification.message", id="notification"),
        pytest.param("vmi", "select * from vmi.declaration", id="vmi"),
        pytest.param("webbank", "delete from dict.currency", id="a write"),
        pytest.param(
            "webbank", "set transaction read write; delete from dict.currency", id="a forced one"
        ),
    ],
)
def test_the_reader_may_do_nothing_else(server_url: str, database: str, statement: str) -> None:
    url = make_conninfo(server_url, dbname=database, user=READER)
    refusals = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)
    with psycopg.connect(url) as reader, pytest.raises(refusals):
        reader.execute(statement.encode())


@pytest.mark.parametrize("database", ["mms", "mms_inst", "mss_kart"])
def test_the_other_cluster_holds_its_databases_and_does_not_know_the_reader(
    other_server_url: str, database: str
) -> None:
    with psycopg.connect(make_conninfo(other_server_url, dbname=database)) as admin:
        tables = admin.execute("select count(*) from pg_tables where schemaname = %s", [database])
        assert tables.fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(make_conninfo(other_server_url, dbname=database, user=READER))


def test_the_banks_own_memory_is_nobody_elses(server_url: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(make_conninfo(server_url, dbname="simulation", user=READER))


def test_core_has_the_breadth_of_the_real_one_and_the_drift_of_i8(
    webbank: psycopg.Connection,
) -> None:
    tables = webbank.execute(
        "select count(*) filter (where tablename <> 'device'),"
        " count(*) filter (where tablename = 'device') from pg_tables where schemaname = 'core'"
    ).fetchone()
    assert tables == (193, 1)


def test_awkward_values_arrive_as_they_are(webbank: psycopg.Connection) -> None:
    rows = webbank.execute("select name, lo::text, r::text from core.fee_bucket").fetchall()
    assert {name: (lo, r) for name, lo, r in rows} == {
        "small": ("0", "[0,1000)"),
        "": ("0.000000000000000000000000000001", "(,)"),
        None: (None, None),
        "NaN": ("NaN", "empty"),
        "\\N": ("-0.10", "[-0.10,0.100000]"),
        'it\'s "quoted", with\ttab,\nnewline, \r and \\ backslash': (None, "(0.5,)"),
        "naïve 漢字 🏦 e\u0301": ("1", "[1,2]"),
    }


def test_bytes_and_arrays_arrive_as_they_are(webbank: psycopg.Connection) -> None:
    documents = webbank.execute("select content from core.client_document").fetchall()
    assert [content for (content,) in documents] == [b"\x00\xff\\x and a tab\t", b"", None]
    scopes = webbank.execute("select scopes from eapi.api_client").fetchall()
    assert [names for (names,) in scopes] == [
        ["payments:read", 'quo"te', ""],
        [],
        [None, "NULL", "{}"],
    ]


def test_partitions_hold_rows_on_both_sides_of_their_edge(webbank: psycopg.Connection) -> None:
    rows = webbank.execute(
        "select tableoid::regclass::text, count(*) from integration.provider_call_log"
        " group by 1 order by 1"
    ).fetchall()
    assert rows == [
        ("integration.provider_call_log_2026q1", 2),
        ("integration.provider_call_log_rest", 2),
    ]


def test_new_notes_get_ids_after_the_seeded_ones(webbank: psycopg.Connection) -> None:
    added = webbank.execute(
        'insert into core."OperatorNote" ("Body") values (\'x\') returning "Id"'
    ).fetchall()
    webbank.rollback()
    assert added == [(5,)]
