from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from demo_bank import seed


@pytest.fixture(scope="module", autouse=True)
def seeded(server_url: str) -> None:
    """One small bank for all tests of this module; none of them changes it."""
    anchor = datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC)
    seed(server_url, anchor=anchor, clients=40, progress=lambda _: None)


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
        ("currency-rate", "rate.rate"),
    ],
)
def test_the_reader_reads_what_is_landed(server_url: str, database: str, table: str) -> None:
    url = make_conninfo(server_url, dbname=database, user="heartbeat_reader_a")
    with psycopg.connect(url) as reader:
        rows = reader.execute(f"select count(*) from {table}".encode()).fetchall()
    assert rows[0][0] > 0


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("select * from scb.statement_line", id="a schema that is not granted"),
        pytest.param("select * from integration.provider_call_log", id="another one"),
        pytest.param("delete from dict.currency", id="a write"),
        pytest.param("set transaction read write; delete from dict.currency", id="a forced one"),
    ],
)
def test_the_reader_may_do_nothing_else(server_url: str, statement: str) -> None:
    url = make_conninfo(server_url, dbname="webbank", user="heartbeat_reader_a")
    refusals = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)
    with psycopg.connect(url) as reader, pytest.raises(refusals):
        reader.execute(statement.encode())


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
