import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from demo_bank import seed
from demo_bank.incidents import ON_BY_DEFAULT, TITLES
from demo_bank.life import LivingBank, UnknownIncidentError
from demo_bank.simulation import HORIZON_DAYS, Bank, instant
from demo_bank.state import NoBankError
from demo_bank.writing import copy_table
from tests.unit.demo_bank.bank_rows import checksums, forget_everything, have_back, keep

ANCHOR = datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC)
LATER = ANCHOR + timedelta(hours=30)
CLIENTS = 30
WITHOUT_DRIFT = tuple(name for name in ON_BY_DEFAULT if name != "I8")


@pytest.fixture(scope="module")
def keeping_server_url(server_url: str) -> str:
    """A server that keeps a bank without incidents at ANCHOR."""
    seed(server_url, anchor=ANCHOR, clients=CLIENTS, incidents={})
    keep(server_url)
    return server_url


@pytest.fixture
def url(keeping_server_url: str) -> Iterator[str]:
    """The bank without incidents at ANCHOR."""
    have_back(keeping_server_url)
    yield keeping_server_url
    forget_everything(keeping_server_url)


def unlike(url: str, at: datetime) -> list[str]:
    """The tables of the server that are not those of the simulation at that moment."""
    bank, found = Bank(anchor=ANCHOR, clients=CLIENTS), []
    for database, table in bank.tables(instant(at), {}):
        if database in {"mms", "mms_inst", "mss_kart"}:
            continue
        name = (
            f"{table.schema}.{table.name}"
            if table.name != "OperatorNote"
            else 'core."OperatorNote"'
        )
        columns = ", ".join(f'"{column}"' for column in table.frame.columns)
        with psycopg.connect(make_conninfo(url, dbname=database)) as connection:
            connection.execute(
                f"create schema expected; create table expected.{table.name}"
                f" as select {columns} from {name} limit 0".encode()
            )
            expected = type(table)("expected", table.name.lower(), table.frame, table.key)
            copy_table(connection, expected)
            (gap,) = connection.execute(
                f"select (select count(*) from (select {columns} from {name}"
                f" except all select * from expected.{table.name}) a)"
                f" + (select count(*) from (select * from expected.{table.name}"
                f" except all select {columns} from {name}) b)".encode()
            ).fetchone() or (None,)
            connection.rollback()
        if gap:
            found.append(name)
    return found


TICK = """
import sys
from datetime import datetime

from demo_bank.life import LivingBank

LivingBank(sys.argv[1]).tick(datetime.fromisoformat(sys.argv[2]))
"""


def kill_a_tick(url: str, database: str, table: str) -> None:
    """Kill a tick when it wants to write that table, which is locked."""
    waiting = (
        "select exists (select from pg_stat_activity where datname = %s"
        " and wait_event_type = 'Lock')"
    )
    with (
        psycopg.connect(make_conninfo(url, dbname=database)) as locking,
        psycopg.connect(url, autocommit=True) as watching,
    ):
        locking.execute(f"lock table {table} in exclusive mode".encode())
        with subprocess.Popen([sys.executable, "-c", TICK, url, LATER.isoformat()]) as process:
            while watching.execute(waiting, [database]).fetchone() != (True,):
                assert process.poll() is None
            process.kill()


def test_ticks_bring_the_bank_to_where_the_simulation_is(url: str) -> None:
    living = LivingBank(url)
    first = living.tick(ANCHOR + timedelta(hours=3))
    second = living.tick(LATER)
    assert first.written > 0
    assert second.written > 0
    assert unlike(url, LATER) == []


def test_a_tick_at_the_same_moment_or_before_writes_nothing(url: str) -> None:
    living = LivingBank(url)
    living.tick(LATER)
    before = checksums(url)
    assert living.tick(LATER).written == 0
    assert living.tick(ANCHOR).written == 0
    assert checksums(url) == before


def test_two_tickers_at_once_write_every_row_once(url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        ticks = pool.map(lambda _: LivingBank(url).tick(LATER), range(2))
    assert sorted(moved.written > 0 for moved in ticks) == [False, True]
    assert unlike(url, LATER) == []


def test_a_tick_that_was_cut_off_between_two_databases_is_repeated(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("alter database pdvs rename to pdvs_away")
    with pytest.raises(psycopg.OperationalError, match="pdvs"):
        LivingBank(url).tick(LATER)
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("alter database pdvs_away rename to pdvs")
    LivingBank(url).tick(LATER)
    assert unlike(url, LATER) == []


def test_a_ticker_that_is_killed_leaves_nothing_that_the_next_does_not_mend(url: str) -> None:
    for database, table in (
        ("webbank", "core.payment"),
        ("pdvs", "core.payee_verification"),
        ("simulation", "bank"),
    ):
        kill_a_tick(url, database, table)
    assert LivingBank(url).state().ticked_until == instant(ANCHOR)
    LivingBank(url).tick(LATER)
    assert unlike(url, LATER) == []


def test_a_switch_that_was_cut_off_is_finished_by_the_next_tick(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("alter database aml rename to aml_away")
    with pytest.raises(psycopg.OperationalError, match="aml"):
        LivingBank(url).switch("I3", on=True, now=ANCHOR)
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("alter database aml_away rename to aml")
    LivingBank(url).tick(ANCHOR)
    finished = checksums(url)
    assert LivingBank(url).switch("I3", on=True, now=ANCHOR).written == 0
    LivingBank(url).switch("I3", on=False, now=ANCHOR)
    assert checksums(url) != finished
    assert unlike(url, ANCHOR) == []


def test_the_story_ends_at_its_horizon(url: str) -> None:
    living = LivingBank(url)
    assert not living.tick(ANCHOR + timedelta(days=HORIZON_DAYS - 1)).is_at_the_end
    end = living.tick(ANCHOR + timedelta(days=HORIZON_DAYS + 1))
    assert end.is_at_the_end
    assert end.until == instant(ANCHOR + timedelta(days=HORIZON_DAYS))


def test_every_incident_comes_and_goes_without_a_trace(url: str) -> None:
    living = LivingBank(url)
    before = checksums(url, without="update_time")
    for name in ON_BY_DEFAULT:
        living.switch(name, on=True, now=ANCHOR)
    assert set(living.state().incidents) == set(ON_BY_DEFAULT)
    assert checksums(url, without="update_time") != before
    for name in ON_BY_DEFAULT:
        living.switch(name, on=False, now=ANCHOR)
    assert checksums(url, without="update_time") == before


def test_an_incident_switched_on_later_comes_at_its_time_before_that_moment(url: str) -> None:
    living = LivingBank(url)
    living.tick(LATER)
    living.switch("I3", on=True, now=LATER)
    with psycopg.connect(make_conninfo(url, dbname="aml")) as aml:
        people = "select max(decided_at) from aml.aml_retrospective where decided_by <> 'rules'"
        (last,) = aml.execute(people.encode()).fetchone() or (None,)
    assert LATER - timedelta(days=8) < last < LATER - timedelta(days=5)


def test_rows_that_an_incident_changes_move_their_cursor(url: str) -> None:
    living = LivingBank(url)
    living.switch("I7", on=True, now=ANCHOR)
    living.switch("I7", on=False, now=LATER)
    with psycopg.connect(make_conninfo(url, dbname="webbank")) as webbank:
        touched = webbank.execute(
            "select count(*) from core.payment where update_time = %s", [LATER.replace(tzinfo=None)]
        ).fetchone()
    assert touched is not None
    assert touched[0] > 0


def test_i12_refuses_the_reader_and_lets_it_in_again(url: str) -> None:
    living = LivingBank(url)
    reader = make_conninfo(url, dbname="webbank", user="heartbeat_reader_a")
    with psycopg.connect(reader) as connected:
        living.switch("I12", on=True, now=ANCHOR)
        with pytest.raises(psycopg.OperationalError):
            connected.execute("select 1")
        with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
            psycopg.connect(reader)
    living.switch("I12", on=False, now=ANCHOR)
    psycopg.connect(reader).close()


def test_switching_twice_is_switching_once(url: str) -> None:
    living = LivingBank(url)
    for name in ("I8", "I9"):
        living.switch(name, on=True, now=ANCHOR)
        once = checksums(url)
        assert living.switch(name, on=True, now=LATER).written == 0
        assert checksums(url) == once


def test_the_commands_say_what_is_on_and_what_is_not_there(server_url: str, url: str) -> None:
    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "demo_bank", *arguments, "--url", url]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert run("incident", "I9", "on").stdout.startswith(f"I9 on: {TITLES['I9']}\n1 row written")
    listed = run("incidents").stdout
    assert [line[:7].split() for line in listed.splitlines()] == [
        [name, "on" if name == "I9" else "off"] for name in TITLES
    ]
    unknown = run("incident", "I13", "on")
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("error: no incident I13; there are I1, ")
    forget_everything(server_url)
    missing = run("tick", "--once")
    assert (missing.returncode, missing.stderr) == (
        1,
        "error: no bank is on this server; seed one first\n",
    )


def test_what_is_not_there_is_named(server_url: str) -> None:
    forget_everything(server_url)
    with pytest.raises(NoBankError):
        LivingBank(server_url).tick(ANCHOR)
    with pytest.raises(UnknownIncidentError, match="no incident I0"):
        LivingBank(server_url).switch("I0", on=True, now=ANCHOR)
