"""A table that was rewritten under a snapshot is locked before the next, whatever the role may."""

import time
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pytest

from heartbeat.landing.source_session import source_session
from heartbeat.landing.table_state import HeldTableError, TableName
from heartbeat.source import Source
from tests.integration.landed_bank import Bank
from tests.integration.test_committed_states import commits_once_waited_for

TABLES = "".join(
    f"create table core.{name} (id int primary key); insert into core.{name} values (1);"
    for name in ("a", "b", "c")
)
READABLE = "grant select on all tables in schema core to bank_reader;"


def readable(bank: Bank) -> Source:
    bank.has(TABLES + READABLE)
    return bank.discovered()


def holds(source: Source, held: list[TableName]) -> None:
    with source_session(source.name, source.file, held):
        pass


def waiter(bank: Bank, pid: int, waiting: Future[None], how: str = "true") -> int:
    """The session that waits for a lock of another, once there is one."""
    query = f"select pid from pg_stat_activity where %s = any (pg_blocking_pids(pid)) and {how}"
    while not (found := bank.source.execute(query.encode(), [pid]).fetchall()):
        assert not waiting.done(), "nobody waited"
        time.sleep(0.01)
    return int(found[0][0])


@pytest.mark.usefixtures("reader")
def test_a_role_with_one_connection_lands_what_is_rewritten_while_it_is_read(bank: Bank) -> None:
    source = readable(bank)
    bank.has("alter role bank_reader connection limit 1")
    assert {load.error for load in bank.lands(source).values()} == {None}
    found: dict[str, tuple[str | None, int | None]] = {}

    def lands() -> None:
        found.update({n: (load.error, load.row_count) for n, load in bank.lands(source).items()})

    with psycopg.connect(str(bank.source.info.dsn)) as writer:
        writer.execute("truncate core.b; insert into core.b values (4), (5), (6)")
        commits_once_waited_for(str(bank.source.info.dsn), writer, lands)

    assert found == {"a": (None, 1), "b": (None, 3), "c": (None, 1)}


@pytest.mark.usefixtures("reader")
def test_the_wait_for_the_lock_has_no_limit_of_the_role(bank: Bank) -> None:
    source = readable(bank)
    bank.has("alter role bank_reader set statement_timeout = '500ms'")
    bank.has("alter role bank_reader set transaction_timeout = '500ms'")
    with ThreadPoolExecutor() as pool, psycopg.connect(str(bank.source.info.dsn)) as writer:
        writer.execute("truncate core.b")
        holding = pool.submit(holds, source, [("core", "b")])
        waiter(bank, _pid(writer), holding, "clock_timestamp() - query_start > '600ms'")
        writer.commit()
        holding.result()


@pytest.mark.usefixtures("reader")
def test_a_table_whose_lock_is_a_deadlock_fails_alone_and_names_the_other_session(
    bank: Bank,
) -> None:
    source = readable(bank)
    bank.has("alter role bank_reader set deadlock_timeout = '10ms'")
    url = str(bank.source.info.dsn)
    with (
        ThreadPoolExecutor() as pool,
        psycopg.connect(url) as first,
        psycopg.connect(url, options="-c deadlock_timeout=1h") as other,
    ):
        first.execute("truncate core.b")
        other.execute("truncate core.c")
        holding = pool.submit(holds, source, [("core", name) for name in "abc"])
        reader = waiter(bank, _pid(first), holding)
        truncating = pool.submit(_truncates, other)
        waiter(bank, reader, truncating)
        first.commit()

        with pytest.raises(HeldTableError, match=rf"held by process {_pid(other)} ") as refused:
            holding.result()

        assert refused.value.table == ("core", "c")
        truncating.result()


def _truncates(writer: psycopg.Connection[tuple[object, ...]]) -> None:
    writer.execute("truncate core.a")


def _pid(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    return connection.info.backend_pid
