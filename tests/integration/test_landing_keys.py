"""Whatever becomes of a key in the source, the rows land, by the key that is there now."""

import pytest

from tests.integration.landed_bank import Bank

PAYMENT = """
create table core.payment (a int not null, b int not null, v text, at timestamptz);
insert into core.payment values (1, 1, 'x', '2026-01-01'), (2, 1, 'y', '2026-01-02');
"""
ROWS = "select a, b, v from {}.payment order by a, b, v"
MERGED = "tables:\n  core.payment: {cursor: at}\n"
RECONCILED = "tables:\n  core.payment: {write: reconcile}\n"
APPENDED = "tables:\n  core.payment: {cursor: at, write: append}\n"


def has_key(bank: Bank, columns: str) -> None:
    bank.has("alter table core.payment drop constraint if exists payment_pkey")
    if columns:
        bank.has(f"alter table core.payment add primary key ({columns})")


def is_as_the_source(bank: Bank) -> bool:
    theirs = bank.source.execute(ROWS.format("core").encode()).fetchall()
    return bank.landed(ROWS.format("bank_core")) == theirs


def unique_indexes(bank: Bank) -> set[str]:
    found = bank.landed(
        "select pg_get_indexdef(indexrelid) from pg_index"
        " where indrelid = 'bank_core.payment'::regclass and indisunique"
    )
    return {definition.split("(")[1].rstrip(")") for (definition,) in found}


# it comes, grows, swaps, goes, comes again and shrinks
WITHOUT_A_KEY = ["", "a", "a, b", "b, a", "", "a, b", "a"]
WITH_A_KEY = ["a", "a, b", "b, a", "a"]


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        pytest.param("", WITHOUT_A_KEY, id="replace"),
        pytest.param(MERGED, WITHOUT_A_KEY, id="merge"),
        pytest.param(RECONCILED, WITH_A_KEY, id="reconcile"),
        pytest.param(APPENDED, WITHOUT_A_KEY, id="append"),
    ],
)
def test_a_table_lands_through_every_change_of_its_key(
    bank: Bank, options: str, keys: list[str]
) -> None:
    bank.has(PAYMENT)
    has_key(bank, keys[0])
    source = bank.discovered(options)
    bank.lands(source)
    for number, key in enumerate(keys[1:], start=3):
        has_key(bank, key)
        assert bank.lands(source)["payment"].error is None, key
        assert unique_indexes(bank) == ({key} if key else set())
        # by the new key alone it is another row, or the same one
        bank.has(
            f"insert into core.payment values ({number}, 1, 'z', now());"
            if options == APPENDED
            else f"update core.payment set a = {number}, v = 'z{number}', at = now() where v <> 'x'"
        )
        assert bank.lands(source, reconcile=options == MERGED)["payment"].error is None, key
        assert is_as_the_source(bank), key


def test_a_table_lands_when_it_gets_a_new_column_as_its_key(bank: Bank) -> None:
    bank.has("create table core.payment (a int, v text); insert into core.payment values (1, 'x')")
    source = bank.discovered()
    bank.lands(source)
    bank.has("alter table core.payment add id bigserial primary key")

    for _ in range(2):
        assert bank.lands(source)["payment"].error is None

    assert bank.landed("select id, a, v from bank_core.payment") == [(1, 1, "x")]


def test_a_table_lands_when_it_gets_a_key_that_its_landed_rows_break(bank: Bank) -> None:
    bank.has("create table core.payment (a int, v text)")
    bank.has("insert into core.payment values (1, 'x'), (1, 'x'), (2, 'y')")
    source = bank.discovered()
    bank.lands(source)
    bank.has("delete from core.payment where ctid = '(0,1)'")
    bank.has("alter table core.payment add primary key (a)")

    for _ in range(2):
        assert bank.lands(source)["payment"].error is None

    assert bank.landed("select a, v from bank_core.payment order by a") == [(1, "x"), (2, "y")]


def test_a_column_of_the_key_that_became_wider_is_the_key_still(bank: Bank) -> None:
    bank.has(PAYMENT)
    has_key(bank, "a")
    source = bank.discovered(MERGED)
    bank.lands(source)
    bank.has("alter table core.payment alter a type bigint; update core.payment set a = a + 2^40")

    for _ in range(2):
        assert bank.lands(source, reconcile=True)["payment"].error is None

    assert is_as_the_source(bank)


@pytest.mark.parametrize("options", [MERGED, RECONCILED], ids=["merge", "reconcile"])
def test_a_table_whose_unique_index_is_gone_in_marts_gets_it_back(bank: Bank, options: str) -> None:
    bank.has(PAYMENT)
    has_key(bank, "a")
    source = bank.discovered(options)
    bank.lands(source)
    # as a load leaves it that was killed between its rows and their index
    bank.marts.execute("drop index bank_core.payment_a_idx")
    bank.marts.execute("insert into bank_core.payment values (1, 1, 'twice', null)")

    assert bank.lands(source)["payment"].error is None

    assert is_as_the_source(bank)
    assert unique_indexes(bank) == {"a"}


@pytest.mark.parametrize("options", [MERGED, APPENDED], ids=["merge", "append"])
def test_a_cursor_or_an_index_of_a_column_that_is_new_lands_with_it(
    bank: Bank, options: str
) -> None:
    bank.has(PAYMENT)
    has_key(bank, "a")
    bank.lands(bank.discovered(options))
    bank.has("alter table core.payment add moved timestamptz default '2026-01-03'")
    source = bank.discovered(
        options.replace("cursor: at", "cursor: moved") + "indexes:\n  core.payment: [[moved, b]]\n"
    )

    for _ in range(2):
        assert bank.lands(source)["payment"].error is None

    assert bank.landed("select distinct moved is null from bank_core.payment") == [(False,)]


MANY = """
insert into core.payment
    select i, 7, 'x', timestamptz '2026-02-01' + i * interval '1 minute'
    from generate_series(3, 30) i;
analyze core.payment;
"""


@pytest.mark.parametrize(
    ("options", "first", "second", "change"),
    [
        pytest.param(MERGED, "a", "a, b", "", id="a merge, it grew"),
        pytest.param(MERGED, "a, b", "b, a", "", id="a merge, it swapped"),
        pytest.param(RECONCILED, "a", "b", "update core.payment set b = 100 - a", id="another one"),
        pytest.param(APPENDED, "", "a", "", id="an append, it came"),
    ],
)
def test_a_first_load_in_ranges_begins_anew_by_another_key(
    bank: Bank, options: str, first: str, second: str, change: str
) -> None:
    bank.has(PAYMENT + MANY)
    has_key(bank, first)
    source = bank.discovered("first_load_rows: 10\n" + options)
    bank.lands(source)
    bank.marts.execute("truncate bank_core.payment")
    bank.marts.execute("alter table bank_core.payment add constraint obstacle check (a <> 25)")
    bank.marts.execute("delete from heartbeat.table_load")
    assert "obstacle" in str(bank.lands(source)["payment"].error)
    bank.marts.execute("alter table bank_core.payment drop constraint obstacle")
    bank.has(change or "select 1")
    has_key(bank, second)

    assert bank.lands(source)["payment"].error is None

    assert "goes on" not in "".join(bank.observer.messages)
    assert is_as_the_source(bank)


def test_a_first_load_in_ranges_begins_anew_by_another_cursor(bank: Bank) -> None:
    bank.has(PAYMENT + MANY)
    source = bank.discovered("first_load_rows: 10\n" + APPENDED)
    bank.lands(source)
    bank.marts.execute("truncate bank_core.payment")
    bank.marts.execute("alter table bank_core.payment add constraint obstacle check (a <> 25)")
    bank.marts.execute("delete from heartbeat.table_load")
    assert "obstacle" in str(bank.lands(source)["payment"].error)
    bank.marts.execute("alter table bank_core.payment drop constraint obstacle")

    by_number = bank.discovered("first_load_rows: 10\n" + APPENDED.replace("at", "a"))
    assert bank.lands(by_number)["payment"].error is None

    assert is_as_the_source(bank)


KEYS = {
    "int[]": ("{1,2}", "{3}", "{}"),
    "text[]": ('{"a,b",NULL}', '{"\\"{"}', "{{a},{b}}"),
    "core.path": ("{1,2}", "{3}", "{}"),
    "core.state": ("open", "shut", "both"),
    "core.pair": ("(1,a)", '(2,"b, c")', "(3,)"),
    "char(3)": ("a", "ab", "abc"),
    "bit(3)": ("000", "101", "111"),
    '"char"': ("a", "b", "\\200"),
    "name": ("a", "a b", 'a"b'),
    "bytea": ("\\x00", "\\xff", "\\x"),
    "int4range": ("[1,3)", "empty", "(,5)"),
    "interval": ("1 mon", "31 days", "1 day 02:00"),
    "float8": ("NaN", "0.1", "-Infinity"),
    "numeric": ("NaN", "1.00", "1e30"),
    "timestamptz": ("2026-01-01", "infinity", "0044-03-15 BC"),
    "inet": ("10.0.0.1/8", "::1", "10.0.0.1"),
    "boolean": ("t", "f"),
}


def test_a_reconcile_reads_the_rows_that_differ_whatever_the_type_of_the_key(bank: Bank) -> None:
    bank.has(
        "create domain core.path as int[]; create type core.state as enum ('open', 'shut', 'both');"
        "create type core.pair as (a int, b text)"
    )
    tables = {f"t{number}": kind for number, kind in enumerate(KEYS)}
    for name, kind in tables.items():
        bank.has(f"create table core.{name} (k {kind}, n int, v text, primary key (k, n))")
        for key in KEYS[kind]:
            bank.source.execute(
                f"insert into core.{name} values (%s::text::{kind}, 1, 'x')".encode(), [key]
            )
    options = "".join(f"  core.{name}: {{write: reconcile}}\n" for name in tables)
    source = bank.discovered("tables:\n" + options)
    bank.lands(source)
    for name in tables:
        first = f"select min(k::text) from core.{name}"
        bank.has(f"update core.{name} set v = 'y' where k::text <> ({first})")

    loads = bank.lands(source)

    for name, kind in tables.items():
        query = f"select k::text, v from {{}}.{name} order by 1"
        theirs = bank.source.execute(query.format("core").encode()).fetchall()
        assert (kind, loads[name].error) == (kind, None)
        assert (kind, bank.landed(query.format("bank_core"))) == (kind, theirs)
        assert (kind, loads[name].row_count) == (kind, len(KEYS[kind]))
