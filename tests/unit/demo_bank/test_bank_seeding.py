import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from demo_bank import AlreadySeededError, is_seeded, seed

ANCHOR = datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC)
CLIENTS = 40
BASE_TABLES = """
    select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition
    and n.nspname not in ('pg_catalog', 'information_schema') order by 1, 2
"""


def ignore(_: str) -> None:
    pass


def forget_everything(server_url: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as server:
        for name in ("webbank", "currency-rate", "webbank-seeding", "currency-rate-seeding"):
            drop = sql.SQL("drop database if exists {} with (force)")
            server.execute(drop.format(sql.Identifier(name)))


@pytest.fixture
def empty_server(server_url: str) -> Iterator[str]:
    forget_everything(server_url)
    yield server_url
    forget_everything(server_url)


def checksums(server_url: str) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    for database in ("webbank", "currency-rate"):
        with psycopg.connect(make_conninfo(server_url, dbname=database)) as connection:
            for schema, table in connection.execute(BASE_TABLES).fetchall():
                query = sql.SQL(
                    "select count(*), md5(coalesce(string_agg(t::text, '|' order by t::text), ''))"
                    " from {} t"
                ).format(sql.Identifier(schema, table))
                found[f"{schema}.{table}"] = connection.execute(query).fetchall()[0]
    return found


def test_seeding_twice_gives_equal_tables_and_leaves_none_empty(empty_server: str) -> None:
    seed(empty_server, anchor=ANCHOR, clients=CLIENTS, progress=ignore)
    first = checksums(empty_server)
    forget_everything(empty_server)
    seed(empty_server, anchor=ANCHOR, clients=CLIENTS, progress=ignore)
    assert checksums(empty_server) == first
    assert {name for name, (rows, _) in first.items() if not rows} == set()
    assert len(first) == 30


def test_a_finished_seeding_is_seen_and_not_done_again(empty_server: str) -> None:
    assert not is_seeded(empty_server)
    seed(empty_server, anchor=ANCHOR, clients=CLIENTS, progress=ignore)
    assert is_seeded(empty_server)
    with pytest.raises(AlreadySeededError, match="webbank and currency-rate"):
        seed(empty_server, anchor=ANCHOR, clients=CLIENTS, progress=ignore)


def test_a_failed_seeding_is_not_a_bank_and_can_be_repeated(empty_server: str) -> None:
    def interrupt(line: str) -> None:
        if "core.entry" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        seed(empty_server, anchor=ANCHOR, clients=CLIENTS, progress=interrupt)
    assert not is_seeded(empty_server)
    seed(empty_server, anchor=ANCHOR, clients=CLIENTS, progress=ignore)
    assert is_seeded(empty_server)


def test_a_killed_seeding_is_not_a_bank_and_the_command_can_be_repeated(empty_server: str) -> None:
    command = [sys.executable, "-m", "demo_bank", "seed", "--url", empty_server]
    command += ["--anchor", "2026-11-20T12:34:56", "--seed", "7", "--clients", str(CLIENTS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("webbank: ")
        process.kill()
    assert not is_seeded(empty_server)
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stdout.endswith("the bank is ready, as of 2026-11-20T12:34:56 UTC\n")
    assert is_seeded(empty_server)


def test_the_command_says_what_is_in_its_way(empty_server: str) -> None:
    seed(empty_server, anchor=ANCHOR, clients=CLIENTS, progress=ignore)
    command = [sys.executable, "-m", "demo_bank", "seed", "--url", empty_server]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "webbank and currency-rate already exist" in refused.stderr
