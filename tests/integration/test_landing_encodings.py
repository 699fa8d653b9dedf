"""Rows of a source in another encoding land as they are, and are known again."""

from collections.abc import Iterator

import psycopg
import pytest

from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.landing.parity import check_parity
from heartbeat.settings import Settings
from tests.integration.landed_bank import VARIABLE, Bank

NAMES = """
create schema core;
create table core.client (id int primary key, name text);
insert into core.client values (1, 'M{letter}ller'), (2, 'Ann');
create table core.note (name text);
insert into core.note values ('M{letter}ller'), ('Ann');
"""


LETTERS = {"LATIN1": "ü", "WIN1257": "Ž", "EUC_JP": "ガ", "SQL_ASCII": "ü"}


@pytest.fixture(params=list(LETTERS))
def encoded(
    request: pytest.FixtureRequest,
    settings: Settings,
    marts: psycopg.Connection,
    postgres: EmbeddedPostgres,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Bank]:
    """A source database in that encoding."""
    encoding = request.param
    name = f"source_in_{encoding.lower()}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as server:
        server.execute(
            f"create database {name} encoding '{encoding}' lc_collate 'C' lc_ctype 'C'"
            " template template0".encode()
        )
        monkeypatch.setenv(VARIABLE, postgres.url(name))
        with psycopg.connect(postgres.url(name), autocommit=True, client_encoding="UTF8") as source:
            source.execute(NAMES.format(letter=LETTERS[encoding]).encode())
            yield Bank(settings, source, marts)
        server.execute(f"drop database {name} with (force)".encode())


def test_rows_of_another_encoding_are_known_again(encoded: Bank) -> None:
    source = encoded.discovered("tables:\n  core.client: {write: reconcile}\n")
    for reconcile in (False, False, True):
        loads = encoded.lands(source, reconcile=reconcile)
        assert {load.error for load in loads.values()} == {None}
    names = encoded.source.execute("select name from core.client order by id").fetchall()
    assert encoded.landed("select name from bank_core.client order by id") == names
    assert not loads["client"].changed
    assert [each.difference for each in check_parity(source, encoded.settings)] == [None, None]
