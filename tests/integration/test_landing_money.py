"""An amount of the type `money` lands as the number that its database means by it."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.landing.parity import check_parity
from heartbeat.settings import Settings
from tests.integration.landed_bank import VARIABLE, Bank

# a currency without parts of it, made here since few machines have a locale of one
YEN = """\
LC_MONETARY
int_curr_symbol "JPY "
currency_symbol "Y"
mon_decimal_point "."
mon_thousands_sep ","
mon_grouping 3
positive_sign ""
negative_sign "-"
int_frac_digits 0
frac_digits 0
p_cs_precedes 1
p_sep_by_space 0
n_cs_precedes 1
n_sep_by_space 0
p_sign_posn 4
n_sign_posn 4
END LC_MONETARY
"""
PRICES = """
create domain core.fee as money;
create table core.price (id int primary key, amount money, fee core.fee, amounts money[]);
insert into core.price values (1, '1750', '20', array['1'::money, null]), (2, null, null, null);
create table core.plain (id int primary key);
insert into core.plain values (1);
"""


@pytest.fixture(scope="module")
def yen_server() -> Iterator[EmbeddedPostgres]:
    """A server that knows the locale `yen`."""
    if shutil.which("localedef") is None:
        pytest.skip("no localedef here, and so no locale of another currency")
    folder = Path(tempfile.mkdtemp(prefix="heartbeat-yen-"))
    folder.chmod(0o755)
    (folder / "yen.source").write_text(YEN)
    # it ends with 1, since the other parts of a locale are missing
    subprocess.run(
        ["localedef", "-c", "-i", "yen.source", "./yen"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    server = EmbeddedPostgres(folder / "pg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LC_ALL", "C")
        server.prepare()
        patch.setenv("LOCPATH", str(folder))
        with server.running():
            with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
                try:
                    connection.execute("set lc_monetary = 'yen'")
                except psycopg.DataError:
                    pytest.skip("the C library of this machine does not take a locale from LOCPATH")
                connection.execute("create database yen encoding 'UTF8' template template0")
            yield server
    shutil.rmtree(folder)


@pytest.fixture
def yen(
    yen_server: EmbeddedPostgres,
    settings: Settings,
    marts: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Bank]:
    """A source whose database counts in yen."""
    url = yen_server.url("yen")
    monkeypatch.setenv(VARIABLE, url)
    with psycopg.connect(url, autocommit=True) as source:
        source.execute("alter database yen set lc_monetary = 'yen'")
        source.execute("create schema core; set lc_monetary = 'yen'")
        yield Bank(settings, source, marts)
        source.execute("drop schema core cascade")


@pytest.mark.parametrize(
    "default",
    [
        pytest.param("alter database yen set lc_monetary = 'yen'", id="the database says yen"),
        pytest.param("alter role postgres set lc_monetary = 'C'", id="the role says otherwise"),
        pytest.param(
            "alter role postgres in database yen set lc_monetary = 'C'",
            id="the role says otherwise in this database",
        ),
    ],
)
def test_yen_land_as_yen_whatever_the_role_says(yen: Bank, default: str) -> None:
    yen.has(PRICES + default)
    try:
        source = yen.discovered()
        assert {load.error for load in yen.lands(source).values()} == {None}
        assert yen.landed("select amount, fee, amounts from bank_core.price where id = 1") == [
            (Decimal(1750), Decimal(20), [Decimal(1), None])
        ]
        assert [each.difference for each in check_parity(source, yen.settings)] == [None, None]
    finally:
        yen.has("alter role postgres reset all; alter role postgres in database yen reset all")


def test_pgoptions_do_not_change_what_an_amount_is(
    yen: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    yen.has(PRICES)
    monkeypatch.setenv("PGOPTIONS", "-c lc_monetary=C")
    assert {load.error for load in yen.lands(yen.discovered()).values()} == {None}
    assert yen.landed("select amount from bank_core.price where id = 1") == [(Decimal(1750),)]


def test_amounts_land_as_numbers(bank: Bank) -> None:
    bank.has(PRICES)
    source = bank.discovered()
    assert {load.error for load in bank.lands(source).values()} == {None}
    assert bank.landed(
        "select amount, fee, amounts, pg_typeof(amount)::text, pg_typeof(amounts)::text"
        " from bank_core.price where id = 1"
    ) == [(Decimal("1750.00"), Decimal("20.00"), [Decimal("1.00"), None], "numeric", "numeric[]")]
    assert [each.difference for each in check_parity(source, bank.settings)] == [None, None]


def test_where_the_role_hides_what_an_amount_is_its_table_fails_alone(
    bank: Bank, reader: str
) -> None:
    bank.has(PRICES + f"grant select on all tables in schema core to {reader}")
    bank.has(f"alter role {reader} set lc_monetary = 'C'")
    loads = bank.lands(bank.discovered())
    assert "`alter database ... set lc_monetary = ...`" in str(loads["price"].error)
    assert loads["plain"].error is None

    database = bank.source.info.dbname
    bank.has(f"alter database {database} set lc_monetary = 'C'")
    try:
        assert bank.lands(bank.discovered())["price"].error is None
    finally:
        bank.has(f"alter database {database} reset lc_monetary")


def test_a_column_that_landed_as_money_becomes_a_number_with_the_next_load(bank: Bank) -> None:
    bank.has(PRICES)
    source = bank.discovered()
    bank.lands(source)
    bank.marts.execute("alter table bank_core.price alter column amount type money using amount")
    bank.marts.execute(
        'update heartbeat.table_load set columns = columns || \'{"amount": "money"}\''
        " where table_name = 'price'"
    )
    assert bank.lands(source)["price"].error is None
    assert bank.landed("select amount from bank_core.price where id = 1") == [(Decimal(1750),)]
