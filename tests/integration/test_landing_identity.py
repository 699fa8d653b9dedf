"""A load goes on with what has landed only while it is part of the same whole table."""

import pytest

from tests.integration.landed_bank import Bank, Notes

BIG = """
create table core.big (id int primary key, t timestamptz);
insert into core.big
    select i, timestamptz '2026-01-30' - i * interval '1 day' from generate_series(1, 20) i;
analyze core.big;
"""
RANGED = "first_load_rows: 5\ntables:\n  core.big: {cursor: t}\n"


class KilledAfterARange(Notes):
    def noted(self, message: str) -> None:
        if "landed up to" in message:
            raise KeyboardInterrupt


def test_a_part_of_a_first_load_is_never_taken_for_the_whole_table(bank: Bank) -> None:
    bank.has(BIG)
    source = bank.discovered(RANGED)
    bank.lands(source)
    bank.marts.execute("drop table bank_core.big")

    with pytest.raises(KeyboardInterrupt):
        bank.watched_by(KilledAfterARange()).lands(source)
    assert bank.landed("select count(*) from bank_core.big") == [(5,)]
    assert bank.ledger("big")["polled_at"] is None

    load = bank.lands(source)["big"]
    assert (load.error, load.row_count) == (None, 20)
    assert "big: the first load goes on after id = 5" in "".join(bank.observer.messages)
    assert bank.ledger("big")["polled_at"] is not None


def test_a_table_that_marts_lacks_has_no_age_from_before(bank: Bank) -> None:
    bank.has(BIG)
    source = bank.discovered(RANGED)
    bank.lands(source)
    bank.marts.execute("drop table bank_core.big")
    bank.has("alter table core.big rename to other")

    assert bank.lands(source)["big"].error is not None

    assert bank.ledger("big")["polled_at"] is None


PAYMENT = """
create type core.mood as enum ('open', 'closed');
create type core.step as enum ('open', 'closed');
create table core.payment (
    id int primary key, at timestamptz, state text, old_state text, mood core.mood,
    mood_list core.mood[], eur int, cents int generated always as (eur * 100) stored
);
insert into core.payment values
    (1, '2026-01-01', 'open', 'closed', 'open', '{open}', 5),
    (2, '2026-01-02', 'open', 'closed', 'open', '{open}', 5);
"""
NEWER = """
insert into core.payment
    select 9, '2026-02-01', 'open', 'closed', max(mood), max(mood_list), 5 from core.payment;
"""
SWAPPED = """
alter table core.payment rename state to tmp;
alter table core.payment rename old_state to state;
alter table core.payment rename tmp to old_state;
"""
CHANGES = {
    "two columns swap their names": SWAPPED + NEWER,
    "a column is dropped and comes back": (
        "alter table core.payment drop column state;"
        "alter table core.payment add column state text default 'closed'"
    ),
    "another table takes the name": (
        "create table core.other (like core.payment including all);"
        "insert into core.other values (7, '2025-01-01', 'closed', 'closed', 'open', '{}', 1);"
        "drop table core.payment; alter table core.other rename to payment"
    ),
    "it is truncated and filled again": (
        "truncate core.payment;"
        "insert into core.payment values (7, '2025-01-01', 'closed', 'closed', 'open', '{}', 1)"
    ),
    "a stored expression is another one": (
        "alter table core.payment alter cents set expression as (eur * 1000)"
    ),
    "a generated column is dropped and made anew": (
        "alter table core.payment drop column cents;"
        "alter table core.payment add column cents int generated always as (eur * 7) virtual"
    ),
    "a label is renamed": "alter type core.mood rename value 'open' to 'active'",
    "an enum is exchanged": (
        "alter table core.payment alter mood type core.step"
        " using (case mood when 'open' then 'closed' else 'open' end)::text::core.step"
    ),
}
MERGED, APPENDED = "{cursor: at}", "{cursor: at, write: append}"


def rows_of(bank: Bank, table: str, columns: str) -> tuple[list[object], list[object]]:
    query = f"select {columns} from {{}}.{table} order by id"
    theirs = bank.source.execute(query.format("core").encode()).fetchall()
    return [*bank.landed(query.format("bank_core"))], [*theirs]


@pytest.mark.parametrize(
    ("change", "write"),
    [
        *((change, MERGED) for change in CHANGES),
        ("two columns swap their names", APPENDED),
        ("it is truncated and filled again", APPENDED),
    ],
)
def test_landed_rows_never_mix_two_meanings_when(bank: Bank, change: str, write: str) -> None:
    bank.has(PAYMENT)
    source = bank.discovered(f"tables:\n  core.payment: {write}\n")
    bank.lands(source)
    bank.has(CHANGES[change])

    assert bank.lands(source)["payment"].error is None

    columns = "id, at, state, old_state, mood::text, mood_list::text[], eur, cents"
    ours, theirs = rows_of(bank, "payment", columns)
    assert ours == theirs
    # what is known is not read again
    bank.has("insert into core.payment (id, at) values (20, '2026-03-01')")
    assert bank.lands(source)["payment"].rows_sent <= 2


def test_the_expression_of_a_virtual_column_is_part_of_its_meaning(bank: Bank) -> None:
    bank.has(
        "create table core.payment (id int primary key, at timestamptz, eur int,"
        " cents int generated always as (eur * 100) virtual);"
        "insert into core.payment values (1, '2026-01-01', 5), (2, '2026-01-02', 5)"
    )
    source = bank.discovered("tables:\n  core.payment: {cursor: at}\n")
    bank.lands(source)
    bank.has("alter table core.payment alter cents set expression as (eur * 1000)")

    assert bank.lands(source)["payment"].error is None

    ours, theirs = rows_of(bank, "payment", "id, cents")
    assert ours == theirs


def test_a_partition_that_comes_or_goes_is_noticed_whatever_its_cursors(bank: Bank) -> None:
    bank.has(
        "create table core.part (id int primary key, at timestamptz) partition by range (id);"
        "create table core.p1 partition of core.part for values from (0) to (10);"
        "create table core.p2 partition of core.part for values from (10) to (20);"
        "insert into core.part values (1, '2026-01-03'), (11, '2026-01-02')"
    )
    source = bank.discovered("tables:\n  core.part: {cursor: at}\n")
    bank.lands(source)
    bank.has(
        "create table core.p3 (id int primary key, at timestamptz);"
        "insert into core.p3 values (21, '2025-01-01');"
        "alter table core.part attach partition core.p3 for values from (20) to (30);"
        "alter table core.part detach partition core.p2"
    )

    assert bank.lands(source)["part"].error is None

    ours, theirs = rows_of(bank, "part", "id, at")
    assert (
        ours == theirs == [*bank.landed("select 1, at from bank_core.part where id = 1"), *ours[1:]]
    )


def test_a_table_with_another_default_or_of_which_the_ledger_knows_no_state_is_the_same(
    bank: Bank,
) -> None:
    bank.has(PAYMENT + "alter table core.payment add column note text[] default '{x}'")
    source = bank.discovered("tables:\n  core.payment: {cursor: at}\n")
    bank.lands(source)
    bank.has("alter table core.payment alter note set default '{y}'")
    assert bank.lands(source)["payment"].rows_sent == 1
    bank.marts.execute("update heartbeat.table_load set source_state = null")

    assert bank.lands(source)["payment"].rows_sent == 1
    assert bank.ledger("payment")["source_state"] is not None


@pytest.mark.parametrize(
    "write", ["{cursor: t}", "{write: reconcile}", "{cursor: t, write: append}"]
)
def test_a_first_load_in_ranges_over_two_tables_ends_with_the_rows_of_the_last(
    bank: Bank, write: str
) -> None:
    bank.has(BIG)
    source = bank.discovered(RANGED.replace("{cursor: t}", write))
    with pytest.raises(KeyboardInterrupt):
        bank.watched_by(KilledAfterARange()).lands(source)
    bank.has(
        "truncate core.big;"
        "insert into core.big select i, '2025-01-01' from generate_series(3, 30) i"
    )

    assert bank.lands(source)["big"].error is None

    assert "goes on after" in "".join(bank.observer.messages)
    ours, theirs = rows_of(bank, "big", "id, t")
    assert ours == theirs
