"""Nothing lost: append, reconcile, first loads in ranges, and what a load need not write."""

import psycopg
import pytest

from heartbeat.landing import comparison
from heartbeat.landing.reflected_table import UnusableOptionError
from tests.integration.landed_bank import Bank

LOG = """
create table core.log (at timestamptz, t text);
insert into core.log values ('2026-01-01 10:00+00', 'a'), ('2026-01-01 11:00+00', 'b'),
    ('2026-01-01 11:00+00', 'b'), (null, 'without a cursor');
"""
APPENDED = "tables:\n  core.log: {cursor: at, lag: 15 minutes, write: append}\n"
LOGGED = "select t from bank_core.log order by t"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param("select 1", ["a", "b", "b", "without a cursor"], id="nothing"),
        pytest.param(
            "insert into core.log values ('2026-01-01 11:00+00', 'same moment')",
            ["a", "b", "b", "same moment", "without a cursor"],
            id="a row with the greatest cursor",
        ),
        pytest.param(
            "insert into core.log values ('2026-01-01 10:46+00', 'late')",
            ["a", "b", "b", "late", "without a cursor"],
            id="a commit that is late by less than the lag",
        ),
        pytest.param(
            "insert into core.log values (null, 'another')",
            ["a", "another", "b", "b", "without a cursor"],
            id="a row without a cursor",
        ),
        pytest.param(
            "insert into core.log values ('2026-01-02', 'b')",
            ["a", "b", "b", "b", "without a cursor"],
            id="an equal row",
        ),
    ],
)
def test_an_append_takes_over_without_a_duplicate(
    bank: Bank, change: str, expected: list[str]
) -> None:
    bank.has(LOG)
    source = bank.discovered(APPENDED)
    bank.lands(source)
    bank.has(change)

    for _ in range(3):
        assert bank.lands(source)["log"].error is None

    assert [t for (t,) in bank.landed(LOGGED)] == expected
    assert bank.ledger("log")["write_mode"] == "append"


def test_an_append_needs_a_cursor(bank: Bank) -> None:
    bank.has(LOG)
    with pytest.raises(UnusableOptionError, match="`write: append` needs a `cursor`"):
        bank.discovered("tables:\n  core.log: {write: append}\n")


NOTE = """
create type core.kind as enum ('Memo', 'letter');
create table core.note (kind core.kind, "Nr" text, t text, primary key (kind, "Nr"));
insert into core.note select 'Memo', 'n' || i, 'text' from generate_series(1, 500) i;
"""
RECONCILED = "tables:\n  core.note: {write: reconcile}\n"
NOTES = "select kind, nr, t from bank_core.note order by kind, nr"
SOURCE_NOTES = 'select kind::text, "Nr", t from core.note order by kind::text, "Nr"'
CHANGES = """
update core.note set t = '' where "Nr" = 'n1';
update core.note set t = null where "Nr" = 'n2';
insert into core.note values ('letter', 'with, comma "and" {brace}', 'new');
delete from core.note where "Nr" in ('n3', 'n4');
"""


def test_a_reconcile_finds_changes_and_deletes_and_reads_only_rows_that_differ(bank: Bank) -> None:
    bank.has(NOTE)
    source = bank.discovered(RECONCILED)
    first = bank.lands(source)["note"]
    bank.has(CHANGES)

    second = bank.lands(source)["note"]

    assert bank.landed(NOTES) == bank.source.execute(SOURCE_NOTES).fetchall()
    assert (second.write_mode, second.rows_sent, second.row_count) == ("reconcile", 501 - 2, 499)
    assert second.bytes_sent < first.bytes_sent / 20


def test_a_reconcile_of_many_differences_reads_all_rows(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "_MOST_KEYS", 2)
    bank.has(NOTE)
    source = bank.discovered(RECONCILED)
    bank.lands(source)
    bank.has(CHANGES)

    bank.lands(source)

    assert bank.landed(NOTES) == bank.source.execute(SOURCE_NOTES).fetchall()


def test_a_reconcile_without_a_difference_writes_nothing(bank: Bank) -> None:
    bank.has(NOTE)
    source = bank.discovered(RECONCILED)
    bank.lands(source)
    before = bank.landed("select xmin::text, ctid::text from bank_core.note")

    assert not bank.lands(source)["note"].changed
    assert bank.landed("select xmin::text, ctid::text from bank_core.note") == before


def test_a_reconcile_needs_a_key(bank: Bank) -> None:
    bank.has(LOG)
    with pytest.raises(UnusableOptionError, match="`write: reconcile` needs a primary key"):
        bank.discovered("tables:\n  core.log: {write: reconcile}\n")


def test_a_large_table_with_a_key_and_no_cursor_is_reconciled_and_stays_so(bank: Bank) -> None:
    bank.has("create table core.wide (id int primary key, t text)")
    bank.has(
        "alter table core.wide alter t set storage external;"
        "insert into core.wide select i, repeat('x', 1500) from generate_series(1, 45000) i;"
        "analyze core.wide"
    )
    source = bank.discovered()
    (wide,) = source.catalog.tables
    assert wide.write == "reconcile"
    assert "compares all rows" in wide.reason

    bank.lands(source)
    bank.has("delete from core.wide where id > 10")
    bank.has("vacuum full analyze core.wide")

    assert bank.lands(source)["wide"].write_mode == "reconcile"
    assert bank.landed("select count(*) from bank_core.wide") == [(10,)]


PAYMENT = """
create table core.payment (id int primary key, state text, update_time timestamptz);
insert into core.payment select i, 'new', '2026-01-01'::timestamptz + i * interval '1 minute'
    from generate_series(1, 100) i;
"""
MERGED = "tables:\n  core.payment: {cursor: update_time, lag: 15 minutes}\n"
PAYMENTS = "select t::text from bank_core.payment t order by id"
SOURCE_PAYMENTS = "select t::text from core.payment t order by id"


def test_the_daily_reconcile_of_a_merge_finds_deletes_and_changes_that_left_the_cursor(
    bank: Bank,
) -> None:
    bank.has(PAYMENT)
    source = bank.discovered(MERGED)
    bank.lands(source)
    bank.has(
        "delete from core.payment where id = 1; update core.payment set state = 'x' where id = 2"
    )
    assert bank.lands(source)["payment"].error is None
    assert bank.landed(PAYMENTS) != bank.source.execute(SOURCE_PAYMENTS).fetchall()

    bank.lands(source, reconcile=True)

    assert bank.landed(PAYMENTS) == bank.source.execute(SOURCE_PAYMENTS).fetchall()


@pytest.mark.parametrize("options", ["", MERGED], ids=["replace", "merge"])
def test_a_reconcile_mends_what_someone_changed_in_marts(bank: Bank, options: str) -> None:
    bank.has(PAYMENT)
    source = bank.discovered(options)
    bank.lands(source)
    bank.marts.execute("update bank_core.payment set state = 'by hand' where id = 7")
    bank.marts.execute("delete from bank_core.payment where id = 8")
    bank.marts.execute("insert into bank_core.payment values (-1, 'by hand', null)")

    bank.lands(source, reconcile=True)

    assert bank.landed(PAYMENTS) == bank.source.execute(SOURCE_PAYMENTS).fetchall()


@pytest.mark.parametrize("moment", ["infinity", "2999-01-01"])
def test_a_cursor_in_the_future_does_not_hide_later_changes(bank: Bank, moment: str) -> None:
    bank.has(PAYMENT + f"update core.payment set update_time = '{moment}' where id = 1")
    source = bank.discovered(MERGED)
    bank.lands(source)
    bank.has("update core.payment set state = 'done', update_time = '2026-02-02' where id = 2")

    bank.lands(source)

    assert bank.landed(PAYMENTS) == bank.source.execute(SOURCE_PAYMENTS).fetchall()


@pytest.mark.parametrize("options", ["", MERGED], ids=["replace", "merge"])
def test_a_load_that_finds_what_the_last_one_wrote_writes_nothing(bank: Bank, options: str) -> None:
    bank.has(PAYMENT)
    source = bank.discovered(options)
    bank.lands(source)
    bank.lands(source)
    loads = "select count(*) from bank_core._dlt_loads"
    before = bank.landed(loads), bank.ledger("payment")

    assert not bank.lands(source)["payment"].changed

    after = bank.landed(loads), bank.ledger("payment")
    assert after[0] == before[0]
    assert after[1]["polled_at"] > before[1]["polled_at"]
    assert after[1]["changed_at"] == before[1]["changed_at"]
    assert after[1]["row_count"] == 100


def test_a_change_that_is_taken_back_is_taken_back_in_marts(bank: Bank) -> None:
    bank.has(PAYMENT)
    source = bank.discovered()
    for state in ("a", "b", "a"):
        bank.has(f"update core.payment set state = '{state}' where id = 1")
        bank.lands(source)
        assert bank.landed(PAYMENTS) == bank.source.execute(SOURCE_PAYMENTS).fetchall()


def test_a_table_that_was_truncated_in_marts_is_written_again(bank: Bank) -> None:
    bank.has(PAYMENT)
    source = bank.discovered()
    bank.lands(source)
    bank.marts.execute("truncate bank_core.payment")

    assert bank.lands(source)["payment"].row_count == 100


def test_values_that_are_equal_and_read_differently_are_written(bank: Bank) -> None:
    bank.has(
        "create table core.rate (id numeric primary key, eur numeric, span interval, doc json, "
        "at timestamptz);"
        "insert into core.rate values (7.0, 1.0, '1 month', '[1]', '2026-01-01')"
    )
    source = bank.discovered("tables:\n  core.rate: {cursor: at}\n")
    bank.lands(source)
    bank.has("update core.rate set id = 7.00, eur = 1.00, span = '30 days', doc = '[ 1 ]'")

    bank.lands(source)

    assert bank.landed("select id::text, eur::text, span::text, doc::text from bank_core.rate") == [
        ("7.00", "1.00", "30 days", "[ 1 ]")
    ]


def test_a_column_that_is_gone_is_marked_until_it_comes_back(bank: Bank) -> None:
    comment = (
        "select col_description(attrelid, attnum) from pg_attribute "
        "where attrelid = 'bank_core.payment'::regclass and attname = 'state'"
    )
    bank.has(PAYMENT)
    source = bank.discovered(MERGED)
    bank.lands(source)
    bank.has("alter table core.payment drop column state")
    bank.lands(source)
    ((marked,),) = bank.landed(comment)
    assert marked.startswith("Not in the source any more; found so on 20")
    assert bank.landed("select state from bank_core.payment where id = 1") == [("new",)]

    bank.has("alter table core.payment add column state text default 'back'")
    bank.lands(source)

    assert bank.landed(comment) == [(None,)]
    assert bank.landed("select distinct state from bank_core.payment") == [("back",)]


def test_an_incompatible_type_lands_into_a_fresh_copy(bank: Bank) -> None:
    bank.has(PAYMENT)
    source = bank.discovered(MERGED)
    bank.lands(source)
    bank.has("alter table core.payment alter state type int using id * 2")

    assert bank.lands(source)["payment"].error is None

    assert bank.landed(PAYMENTS) == bank.source.execute(SOURCE_PAYMENTS).fetchall()
    assert bank.landed("select pg_typeof(state)::text from bank_core.payment limit 1") == [
        ("integer",)
    ]


def test_a_new_column_is_filled_also_when_the_load_that_brought_it_was_killed(bank: Bank) -> None:
    bank.has(PAYMENT)
    source = bank.discovered(MERGED)
    bank.lands(source)
    bank.has("alter table core.payment add column eur int default 5")
    # the moment between the new column in marts and the rows that fill it
    bank.marts.execute("alter table bank_core.payment add column eur int")

    bank.lands(source)

    assert bank.landed(PAYMENTS) == bank.source.execute(SOURCE_PAYMENTS).fetchall()


IN_RANGES = "first_load_rows: 100\n"
LARGE = """
create table core.payment (
    bank text, id int, state text, update_time timestamptz, primary key (bank, id)
);
insert into core.payment
    select (array['Ä', 'a', 'B', 'ż', '-'])[1 + i % 5], i, 'new',
        '2026-01-01'::timestamptz + i * interval '1 minute'
    from generate_series(1, 450) i;
create table core.note (id bigint primary key, t text);
insert into core.note select i, 'text' from generate_series(1, 350) i;
create table core.log (at timestamptz, t text);
insert into core.log select '2026-01-01'::timestamptz + (i / 3) * interval '1 minute', 't' || i
    from generate_series(1, 350) i;
insert into core.log values (null, 'never'), (null, 'never');
analyze core.payment; analyze core.note; analyze core.log;
"""
RANGED = (
    IN_RANGES
    + "tables:\n  core.payment: {cursor: update_time, lag: 15 minutes}\n"
    + "  core.note: {write: reconcile}\n  core.log: {cursor: at, write: append}\n"
)
ALL_ROWS = {
    "payment": 'select t::text from {}.payment t order by bank collate "C", id',
    "note": "select t::text from {}.note t order by id",
    "log": "select t::text from {}.log t order by at, t::text",
}


def rows_on_both_sides(bank: Bank, table: str) -> tuple[list[str], list[str]]:
    query = ALL_ROWS[table]
    source = bank.source.execute(query.format("core").encode()).fetchall()
    return [r for (r,) in source], [r for (r,) in bank.landed(query.format("bank_core"))]


def test_a_large_first_load_goes_in_ranges_that_are_each_committed(bank: Bank) -> None:
    bank.has(LARGE)
    source = bank.discovered(RANGED)

    loads = bank.lands(source)

    assert {name: load.error for name, load in loads.items()} == dict.fromkeys(loads)
    for table in loads:
        theirs, ours = rows_on_both_sides(bank, table)
        assert ours == theirs
        assert bank.ledger(table)["resume_after"] is None
    # five ranges of payments, four of notes, four of the log
    assert bank.landed("select count(*) from bank_core._dlt_loads")[0][0] >= 13


@pytest.mark.parametrize(
    ("table", "obstacle", "position", "change"),
    [
        pytest.param(
            "payment",
            "check (id <> 250)",
            "bank = ",
            "update core.payment set state = 'done', update_time = '2026-03-01' where id % 7 = 0;"
            "insert into core.payment values ('', 1, 'before all', '2026-03-01');"
            "insert into core.payment values ('', 2, 'before all', null)",
            id="a merge, by its key",
        ),
        pytest.param(
            "note",
            "check (id <> 250)",
            "id = 200",
            "update core.note set t = 'done' where id = 3; delete from core.note where id = 4;"
            "insert into core.note values (-1, 'before all')",
            id="a reconcile, by its key",
        ),
        pytest.param(
            "log",
            "check (t <> 't250')",
            "at = 2026-01-01 0",
            "insert into core.log values ('2026-03-01', 'after all'), (null, 'never')",
            id="an append, by its cursor",
        ),
    ],
)
def test_a_first_load_that_stopped_goes_on_and_takes_over_what_changed_meanwhile(
    bank: Bank, table: str, obstacle: str, position: str, change: str
) -> None:
    bank.has(LARGE)
    source = bank.discovered(RANGED)
    bank.lands(source)
    bank.marts.execute(f"truncate bank_core.{table}".encode())
    bank.marts.execute(f"alter table bank_core.{table} add constraint obstacle {obstacle}".encode())
    bank.marts.execute("delete from heartbeat.table_load where table_name = %s", [table])

    loads = bank.lands(source)

    assert "obstacle" in str(loads[table].error)
    assert [name for name, load in loads.items() if load.error] == [table]
    landed = len(rows_on_both_sides(bank, table)[1])
    assert landed >= 100
    assert bank.ledger(table)["polled_at"] is None
    bank.marts.execute(f"alter table bank_core.{table} drop constraint obstacle".encode())
    bank.has(change)

    assert bank.lands(source)[table].error is None

    assert f"bank_core.{table}: the first load goes on after {position}" in "".join(
        bank.observer.messages
    )
    theirs, ours = rows_on_both_sides(bank, table)
    assert ours == theirs


def test_a_first_load_starts_again_when_the_table_has_changed_its_shape(bank: Bank) -> None:
    bank.has(LARGE)
    source = bank.discovered(RANGED)
    bank.lands(source)
    bank.marts.execute(
        "update heartbeat.table_load set polled_at = null, resume_after = '{200}' "
        "where table_name = 'note'"
    )
    bank.has("alter table core.note add column eur int default 3")

    assert bank.lands(source)["note"].error is None

    assert "goes on" not in "".join(bank.observer.messages)
    theirs, ours = rows_on_both_sides(bank, "note")
    assert ours == theirs


def test_a_table_without_a_key_lands_at_once_whatever_its_size(bank: Bank) -> None:
    bank.has(LARGE)
    source = bank.discovered(IN_RANGES)
    assert bank.lands(source)["log"].write_mode == "replace"
    theirs, ours = rows_on_both_sides(bank, "log")
    assert ours == theirs


def test_types_that_marts_may_lack_land_as_text(bank: Bank) -> None:
    bank.has(
        "create table core.odd (id int primary key, page xml, rights aclitem, owner regrole);"
        "insert into core.odd values (1, null, 'postgres=r/postgres', 'postgres')"
    )
    source = bank.discovered()

    assert bank.lands(source)["odd"].error is None

    assert bank.landed("select page, rights, owner, pg_typeof(page)::text from bank_core.odd") == [
        (None, "postgres=r/postgres", "postgres", "text")
    ]


def test_a_table_without_columns_fails_alone(bank: Bank) -> None:
    bank.has("create table core.nothing (); create table core.fee (id int primary key)")
    loads = bank.lands(bank.discovered())
    assert loads["fee"].error is None


def test_readers_see_the_last_good_rows_while_a_replace_fails(bank: Bank) -> None:
    bank.has(PAYMENT)
    source = bank.discovered()
    bank.lands(source)
    bank.marts.execute("alter table bank_core.payment add constraint few check (id < 101)")
    bank.has("insert into core.payment values (101, 'refused', now())")
    with psycopg.connect(bank.settings.database_url) as reader:
        reader.execute("set transaction isolation level repeatable read")
        before = reader.execute("select count(*) from heartbeat.table_load").fetchone()
        assert before is not None
        assert "few" in str(bank.lands(source)["payment"].error)
        assert reader.execute("select count(*) from bank_core.payment").fetchone() == (100,)


def test_the_planner_knows_a_table_once_enough_of_it_is_new(bank: Bank) -> None:
    known = "select count(*) from pg_stats where schemaname = 'bank_core' and tablename = 'payment'"
    analyzed = "select analyze_count from pg_stat_user_tables where relname = 'payment'"
    bank.has(PAYMENT)
    source = bank.discovered(MERGED)
    bank.lands(source)
    assert bank.landed(known) == [(3,)]
    ((count,),) = bank.landed(analyzed)

    bank.has("update core.payment set state = 'x', update_time = '2026-02-01' where id = 1")
    bank.lands(source)
    assert bank.landed(analyzed) == [(count,)]

    bank.has("update core.payment set state = 'x', update_time = '2026-02-02' where id < 20")
    bank.lands(source)
    assert bank.landed(analyzed) == [(count + 1,)]
