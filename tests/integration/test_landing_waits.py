"""Nothing that a landing waits for can hold it for good, and a landing that ends leaves nothing."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.landing import source_reading
from heartbeat.landing.marts_watch import MartsSilentError, MartsWatch
from heartbeat.socket_folder import socket_folder
from tests.integration.command_line import HEARTBEAT
from tests.integration.landed_bank import VARIABLE, Bank
from tests.integration.quiet_proxy import QuietProxy
from tests.integration.tiny_project import TinyProject

TABLES = """
create table core.payment (id int primary key, state text);
insert into core.payment values (1, 'new'), (2, 'new');
create table core.fee (id int primary key, eur numeric);
insert into core.fee values (1, 5);
create table core.rate (id int primary key, eur numeric);
insert into core.rate values (1, 5);
analyze core.payment, core.fee, core.rate;
"""
CHANGES = """
update core.payment set state = 'done';
update core.fee set eur = 6;
update core.rate set eur = 6;
"""


@pytest.fixture
def changed(bank: Bank) -> Bank:
    """A bank that has landed, and has changed since."""
    bank.has(TABLES)
    bank.lands(bank.discovered())
    bank.has(CHANGES)
    return bank


@contextmanager
def holding(connection: psycopg.Connection[Any], statement: str) -> Iterator[int]:
    """A session that never commits; gives its process id."""
    with psycopg.connect(
        connection.info.dsn, password="x", application_name="somebody's report"
    ) as holder:
        holder.execute(statement.encode())
        yield holder.info.backend_pid


def waiting(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    """The sessions of a landing that wait for a lock."""
    return connection.execute(
        "select pid from pg_stat_activity where application_name = 'heartbeat'"
        " and datname = current_database() and wait_event_type = 'Lock'"
    ).fetchall()


def told_of(pid: int, table: str) -> str:
    return (
        rf"waited too long for a lock on {table}, which is held by process {pid} "
        r"\(somebody's report\) since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    )


def test_a_reader_that_never_ends_fails_its_table_alone_and_is_named(changed: Bank) -> None:
    source = changed.discovered()
    impatient = replace(
        changed, settings=changed.settings.model_copy(update={"lock_timeout": "300ms"})
    )
    with holding(changed.marts, "select from bank_core.payment") as pid:
        loads = impatient.lands(source)
        assert re.match(told_of(pid, "bank_core.payment"), str(loads["payment"].error))
        assert (loads["fee"].error, loads["rate"].error) == (None, None)
        assert changed.landed("select eur from bank_core.fee") == [(6,)]
        assert changed.landed("select distinct state from bank_core.payment") == [("new",)]
        assert waiting(changed.marts) == []
    assert impatient.lands(source)["payment"].error is None


def test_a_writer_that_never_ends_is_named_where_an_index_is_missing(changed: Bank) -> None:
    source = changed.discovered("indexes:\n  core.payment: [[state]]\n")
    impatient = replace(
        changed, settings=changed.settings.model_copy(update={"lock_timeout": "300ms"})
    )
    with holding(changed.marts, "update bank_core.payment set state = 'x'") as pid:
        loads = impatient.lands(source)
        assert re.match(told_of(pid, "bank_core.payment"), str(loads["payment"].error))
        assert (loads["fee"].error, loads["rate"].error) == (None, None)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("create index on core.payment (state)", id="nothing to do"),
        pytest.param("alter table core.payment alter column id type bigint", id="a wider type"),
        pytest.param("alter table core.payment add column note text", id="a new column"),
        pytest.param(
            "alter table core.payment drop constraint payment_pkey, add primary key (id, state)",
            id="another key",
        ),
    ],
)
def test_each_change_of_a_table_that_is_read_waits_only_so_long(changed: Bank, change: str) -> None:
    changed.has(change)
    source = changed.discovered()
    impatient = replace(
        changed, settings=changed.settings.model_copy(update={"lock_timeout": "300ms"})
    )
    with holding(changed.marts, "select from bank_core.payment") as pid:
        loads = impatient.lands(source)
        assert re.search(told_of(pid, "bank_core.payment"), str(loads["payment"].error))
        assert (loads["fee"].error, loads["rate"].error) == (None, None)
    assert impatient.lands(source)["payment"].error is None


def test_a_table_that_is_locked_in_the_source_fails_alone_and_its_holder_is_named(
    changed: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = changed.discovered()
    monkeypatch.setattr("heartbeat.landing.source_session._PATIENCE", {"lock_timeout": "300ms"})
    with holding(changed.source, "lock table core.payment") as pid:
        loads = changed.lands(source)
    assert re.match(told_of(pid, "core.payment"), str(loads["payment"].error))
    assert (loads["fee"].error, loads["rate"].error) == (None, None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_a_landing_that_is_ended_while_it_waits_leaves_no_session(
    changed: Bank, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed.discovered()
    if number == signal.SIGINT:
        # who presses Ctrl-C waits for the present statement
        monkeypatch.setenv("HEARTBEAT_LOCK_TIMEOUT", "3s")
    with holding(changed.marts, "select from bank_core.payment"):
        process = subprocess.Popen(
            [HEARTBEAT, "ingest"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            until(lambda: waiting(changed.marts) != [] or process.poll() is not None)
            process.send_signal(number)
            process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode != 0
        until(lambda: waiting(changed.marts) == [])
    assert changed.landed("select distinct state from bank_core.payment") == [("new",)]


def until(is_so: Callable[[], bool]) -> None:
    """Wait for an event that comes, on any machine."""
    ends = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.01)


@pytest.fixture
def quiet(
    changed: Bank, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., AbstractContextManager[None]]]:
    """Puts a proxy before the source."""
    folder = Path(tempfile.mkdtemp(prefix="quiet-"))
    monkeypatch.setattr(source_reading, "_ATTEMPTS", 1)

    @contextmanager
    def standing(*, quiet_after: bytes, for_good: bool) -> Iterator[None]:
        proxy = QuietProxy(socket_folder(postgres.folder), folder, quiet_after, for_good)
        url = f"{os.environ[VARIABLE].partition('?')[0]}?host={folder}&connect_timeout=2"
        with proxy, pytest.MonkeyPatch.context() as patch:
            patch.setenv(VARIABLE, url)
            yield

    yield standing
    shutil.rmtree(folder)


SILENT = "source bank: the server has sent nothing for 1 s; where the source needs longer, raise "


def test_a_source_that_goes_silent_fails_its_tables_and_does_not_hold_the_run(
    changed: Bank, quiet: Callable[..., Any]
) -> None:
    source = changed.discovered("silence_timeout: 1 second\n")
    with quiet(quiet_after=b'copy (select "id", "state"', for_good=True):
        loads = changed.lands(source)
    assert str(loads["payment"].error).startswith(SILENT)
    for name in ("fee", "rate"):
        assert str(loads[name].error).startswith("source bank: cannot connect")
    assert changed.landed("select distinct state from bank_core.payment") == [("new",)]


def test_a_table_at_which_the_source_goes_silent_fails_alone(
    changed: Bank, quiet: Callable[..., Any]
) -> None:
    source = changed.discovered("silence_timeout: 1 second\n")
    with quiet(quiet_after=b'copy (select "id", "state"', for_good=False):
        loads = changed.lands(source)
    assert str(loads["payment"].error).startswith(SILENT)
    assert (loads["fee"].error, loads["rate"].error) == (None, None)
    assert changed.landed("select eur from bank_core.fee") == [(6,)]


def test_a_source_that_is_silent_at_two_tables_is_given_up(
    changed: Bank, quiet: Callable[..., Any]
) -> None:
    source = changed.discovered("silence_timeout: 1 second\n")
    with quiet(quiet_after=b"copy (select", for_good=False):
        loads = changed.lands(source)
    assert all(str(load.error).startswith(SILENT) for load in loads.values())


def test_a_source_that_never_answers_is_unreachable(
    changed: Bank, quiet: Callable[..., Any]
) -> None:
    source = changed.discovered()
    with quiet(quiet_after=b"postgres", for_good=True):
        loads = changed.lands(source)
    for load in loads.values():
        assert str(load.error).startswith("source bank: cannot connect with SOURCE_BANK_URL")


MARTS_SILENT = (
    "marts made no progress for 1s (HEARTBEAT_LANDING_SILENCE): they took no rows, did not answer, "
    "or a commit waits for a standby"
)


@pytest.fixture
def quiet_marts(changed: Bank, postgres: EmbeddedPostgres) -> Iterator[Callable[..., Any]]:
    """Puts a proxy before marts; gives the bank that lands through it."""
    folder = Path(tempfile.mkdtemp(prefix="quiet-"))

    @contextmanager
    def standing(*, quiet_after: bytes, for_good: bool) -> Iterator[Bank]:
        url = changed.settings.database_url.partition("?")[0]
        through = {
            "explicit_database_url": f"{url}?host={folder}&connect_timeout=2",
            "landing_silence": "1s",
        }
        proxy = QuietProxy(socket_folder(postgres.folder), folder, quiet_after, for_good)
        with proxy:
            yield replace(changed, settings=changed.settings.model_copy(update=through))

    yield standing
    shutil.rmtree(folder)


def test_marts_that_take_no_rows_fail_what_is_written(
    changed: Bank, quiet_marts: Callable[..., Any]
) -> None:
    source = changed.discovered()
    with quiet_marts(quiet_after=b'copy "heartbeat_staged"', for_good=False) as bank:
        loads = bank.lands(source)
    assert {str(load.error) for load in loads.values()} == {MARTS_SILENT}
    assert changed.lands(source)["payment"].error is None


def test_marts_that_do_not_answer_any_more_end_the_landing(
    changed: Bank, quiet_marts: Callable[..., Any]
) -> None:
    source = changed.discovered()
    with (
        quiet_marts(quiet_after=b'copy "heartbeat_staged"', for_good=True) as bank,
        pytest.raises(MartsSilentError, match="marts made no progress for 1s"),
    ):
        bank.lands(source)
    assert changed.lands(source)["payment"].error is None


def test_a_commit_that_waits_for_a_lost_standby_does_not_hold_the_landing(
    changed: Bank, postgres: EmbeddedPostgres
) -> None:
    source = changed.discovered()
    hasty = changed.settings.model_copy(update={"landing_silence": "1s"})
    name = changed.settings.database_name
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as server:
        server.execute(f"alter database {name} set synchronous_commit = on".encode())
        server.execute("alter system set synchronous_standby_names = 'nobody'")
        server.execute("select pg_reload_conf()")
        try:
            with pytest.raises(MartsSilentError, match="marts made no progress for 1s"):
                replace(changed, settings=hasty).lands(source)
        finally:
            server.execute("alter system reset synchronous_standby_names")
            server.execute("select pg_reload_conf()")
    assert changed.lands(source)["payment"].error is None


def test_a_session_that_works_may_take_longer(changed: Bank) -> None:
    url = changed.settings.database_url
    watch = MartsWatch(url, "1s", 1.0)
    with psycopg.connect(url) as connection:
        with watch.watching(connection.info.backend_pid, connection.fileno()) as watched:
            connection.execute("select pg_sleep(3)")
        assert watched.ended is None


REFRESH = """
from dagster import DagsterInstance
from heartbeat_assets.definitions import defs

with DagsterInstance.ephemeral() as instance:
    job = defs.resolve_job_def("refresh")
    try:
        job.execute_in_process(instance=instance, raise_on_error=False)
    finally:
        print([run.status.value for run in instance.get_runs()])
"""


def test_a_run_that_is_terminated_in_dagster_ends_and_leaves_no_session(
    tiny: TinyProject, marts: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tiny.refreshes().success
    tiny.source.execute("update core.fee set eur = eur + 1")
    monkeypatch.setenv("HEARTBEAT_LOCK_TIMEOUT", "3s")
    with holding(marts, "select from bank_core.fee"):
        run = subprocess.Popen([sys.executable, "-c", REFRESH], stdout=subprocess.PIPE, text=True)
        try:
            until(lambda: waiting(marts) != [] or run.poll() is not None)
            run.send_signal(signal.SIGTERM)
            output, _ = run.communicate(timeout=60)
        finally:
            run.kill()
        # a run that was ended without a word to Dagster has failed
        assert output.splitlines()[-1] == "['FAILURE']"
        until(lambda: waiting(marts) == [])
    computed = marts.execute("select count(distinct run_id) from heartbeat.metric_observation")
    assert computed.fetchone() == (1,)
