"""What the source does not show whole does not land, and every row lands once."""

from dataclasses import replace

import psycopg
import pytest

from heartbeat.landing import source_session
from heartbeat.landing.inheritance import SplitRowsError
from heartbeat.landing.parity import check_parity
from heartbeat.landing.reflected_table import UnreadableTableError
from heartbeat.landing.reflection import UnlandableSourceError
from tests.integration.landed_bank import Bank

PAYMENT = """
create table core.payment (id int primary key, state text);
insert into core.payment select i, 'new' from generate_series(1, 30) i;
create table core.fee (id int primary key, eur numeric);
insert into core.fee values (1, 5);
grant select on all tables in schema core to bank_reader;
"""
HIDDEN = """
alter table core.payment enable row level security;
create policy mine on core.payment using (id < 10);
"""
COUNT = "select count(*) from bank_core.payment"


def test_a_table_of_which_a_policy_hides_rows_fails_alone_and_keeps_its_rows(
    bank: Bank, reader: str
) -> None:
    bank.has(PAYMENT)
    source = bank.discovered()
    bank.lands(source)
    bank.has(HIDDEN)

    loads = bank.lands(source)

    assert loads["payment"].error == (
        "core.payment: row level security shows the role bank_reader only some of its rows; let "
        "the role read all (alter role bank_reader bypassrls), or name the table in skip_tables"
    )
    assert loads["fee"].error is None
    assert bank.landed(COUNT) == [(30,)]
    differences = {each.name: each.difference for each in check_parity(source, bank.settings)}
    assert "row level security" in str(differences["bank_core.payment"])

    bank.has(f"alter role {reader} bypassrls")
    assert bank.lands(source)["payment"].row_count == 30
    bank.has(f"alter role {reader} nobypassrls")


def test_a_policy_that_comes_between_the_look_and_the_read_makes_the_read_fail(
    bank: Bank, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank.has(PAYMENT)
    source = bank.discovered()
    bank.lands(source)
    # the read of the first table is a moment after the look at all of them
    bank.has(
        "create type core.trap as enum ('set');"
        "create function core.spring(core.trap) returns text language plpgsql as $$ begin"
        " perform count(*) from core.payment; return 'sprung'; end $$;"
        "create cast (core.trap as text) with function core.spring(core.trap);"
        "alter table core.fee add t core.trap default 'set';" + HIDDEN
    )

    error = str(bank.lands(source)["fee"].error)

    assert 'query would be affected by row-level security policy for table "payment"' in error


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        pytest.param(HIDDEN, "row level security shows the role", id="a policy"),
        pytest.param(
            "revoke select on core.payment from bank_reader",
            "core.payment: the role bank_reader may not read it",
            id="no grant",
        ),
        pytest.param(
            "revoke select on core.payment from bank_reader;"
            "grant select (id) on core.payment to bank_reader",
            "core.payment: the role bank_reader may not read column state; "
            "grant select on it, or name it in drop_columns",
            id="a grant of some columns",
        ),
    ],
)
def test_discovery_names_the_table_that_the_role_cannot_read_whole(
    bank: Bank, reader: str, statements: str, message: str
) -> None:
    bank.has(PAYMENT + statements)
    with pytest.raises(UnreadableTableError) as refusal:
        bank.discovered()
    assert message in str(refusal.value)


def test_discovery_names_every_table_that_the_role_cannot_read(bank: Bank, reader: str) -> None:
    bank.has(PAYMENT + f"revoke select on all tables in schema core from {reader}")
    with pytest.raises(UnlandableSourceError) as refusal:
        bank.discovered()
    assert str(refusal.value).startswith("core.fee: the role bank_reader may not read it")
    assert "; core.payment: the role bank_reader may not read it" in str(refusal.value)


def test_a_schema_that_is_closed_to_the_role_is_named_once(bank: Bank, reader: str) -> None:
    bank.has(PAYMENT)
    source = bank.discovered()
    bank.has(f"revoke usage on schema core from {reader}")

    closed = "the role bank_reader may not use schema core; grant usage on it"
    assert {load.error for load in bank.lands(source).values()} == {closed}
    with pytest.raises(Exception, match="may not use schema core") as refusal:
        bank.discovered()
    assert str(refusal.value) == closed


@pytest.mark.parametrize(
    ("kind", "create"),
    [
        ("view", "create view core.payment as select * from core.payment_data where id < 10"),
        ("materialized view", "create materialized view core.payment as table core.payment_data"),
    ],
)
def test_a_table_that_became_a_view_fails_and_says_so(bank: Bank, kind: str, create: str) -> None:
    bank.has("create table core.payment (id int primary key); insert into core.payment values (1)")
    source = bank.discovered()
    bank.lands(source)
    bank.has(f"alter table core.payment rename to payment_data; {create}")

    error = bank.lands(source)["payment"].error

    assert error == f"core.payment is a {kind} and does not land"
    assert bank.landed(COUNT) == [(1,)]


PARENT = """
create table core.parent (id int primary key, v text);
create table core.child (extra int, primary key (id)) inherits (core.parent);
insert into core.parent values (1, 'parent');
insert into core.child values (1, 'child', 7), (2, 'child', 8);
"""
PARENTS = "select id, v from bank_core.parent order by 1, 2"


@pytest.mark.parametrize(
    "options", ["", "tables:\n  core.parent: {write: reconcile}\n"], ids=["replace", "reconcile"]
)
def test_a_row_of_a_child_table_lands_in_the_child_alone(bank: Bank, options: str) -> None:
    bank.has(PARENT)
    source = bank.discovered(options)

    for _ in range(2):
        assert {load.error for load in bank.lands(source).values()} == {None}

    assert bank.landed(PARENTS) == [(1, "parent")]
    assert bank.landed("select id, v, extra from bank_core.child order by id") == [
        (1, "child", 7),
        (2, "child", 8),
    ]
    assert {each.difference for each in check_parity(source, bank.settings)} == {None}


def test_a_first_load_in_ranges_reads_a_parent_without_its_children(bank: Bank) -> None:
    bank.has(PARENT)
    bank.has("insert into core.parent select i, 'parent' from generate_series(2, 50) i")
    bank.has("insert into core.child select i, 'child', i from generate_series(51, 80) i; analyze")
    source = bank.discovered("first_load_rows: 10\ntables:\n  core.parent: {write: reconcile}\n")
    assert bank.lands(source)["parent"].row_count == 50


# as a hypertable is, whose parts are in a schema of their own
PARTS_ELSEWHERE = """
create schema parts;
create table core.parent (id int primary key, v text);
create table parts.one (primary key (id)) inherits (core.parent);
insert into parts.one values (1, 'one'), (2, 'one');
"""


def test_the_rows_of_children_that_do_not_land_land_with_their_parent(bank: Bank) -> None:
    bank.has(PARTS_ELSEWHERE)
    try:
        bank.lands(bank.discovered())
        assert bank.landed(PARENTS) == [(1, "one"), (2, "one")]
    finally:
        bank.has("drop schema parts cascade")


def test_children_that_are_skipped_land_with_their_parent(bank: Bank) -> None:
    bank.has(PARENT + "delete from only core.parent")
    bank.lands(bank.discovered("skip_tables: [core.child]\n"))
    assert bank.landed(PARENTS) == [(1, "child"), (2, "child")]


def test_a_key_that_does_not_hold_over_the_children_is_named(bank: Bank) -> None:
    bank.has(PARENT)
    error = bank.lands(bank.discovered("skip_tables: [core.child]\n"))["parent"].error
    assert "Key (id)=(1) is duplicated" in str(error)


def test_a_child_that_is_new_makes_its_parent_fail_until_it_lands_too(bank: Bank) -> None:
    bank.has(PARENT)
    source = bank.discovered("tables:\n  core.parent: {cursor: id}\n")
    bank.lands(source)
    # as a trigger makes that keeps a month in a table
    bank.has(
        "create table core.next (primary key (id)) inherits (core.parent);"
        "insert into core.next values (5, 'next')"
    )

    error = str(bank.lands(source)["parent"].error)

    assert "core.child lands on its own and core.next does not" in error
    bank.lands(bank.discovered("tables:\n  core.parent: {cursor: id}\n"))
    assert bank.landed(PARENTS) == [(1, "parent")]
    assert bank.landed("select id, v from bank_core.next") == [(5, "next")]


def test_the_first_child_of_a_table_lands_once_before_and_after_it_is_discovered(
    bank: Bank,
) -> None:
    bank.has("create table core.parent (id int primary key, v text)")
    options = "tables:\n  core.parent: {cursor: id}\n"
    source = bank.discovered(options)
    bank.has(
        "create table core.child (primary key (id)) inherits (core.parent);"
        "insert into core.child values (5, 'child')"
    )
    bank.lands(source)
    assert bank.landed(PARENTS) == [(5, "child")]

    bank.lands(bank.discovered(options))

    assert bank.landed(PARENTS) == []
    assert bank.landed("select id, v from bank_core.child") == [(5, "child")]


def test_a_partition_may_be_named_in_skip_tables(bank: Bank) -> None:
    bank.has(
        "create table core.entry (id int) partition by list (id);"
        "create table core.entry_1 partition of core.entry for values in (1)"
    )
    source = bank.discovered("skip_tables: [core.entry_1]\n")
    assert [table.name for table in source.catalog.tables] == ["entry"]


def test_children_of_which_some_land_and_others_do_not_are_refused(bank: Bank) -> None:
    bank.has(PARENT + "create table core.other () inherits (core.parent)")
    with pytest.raises(SplitRowsError) as refusal:
        bank.discovered("skip_tables: [core.other]\n")
    assert str(refusal.value).startswith(
        "core.parent: of the tables that inherit from it, core.child lands on its own and "
        "core.other does not"
    )


FOREIGN = """
create foreign data wrapper elsewhere;
create server archive foreign data wrapper elsewhere;
"""


@pytest.mark.parametrize(
    "tables",
    [
        pytest.param(
            "create table core.entry (id int, day date) partition by range (day);"
            "create foreign table core.entry_old partition of core.entry"
            " for values from ('2025-01-01') to ('2026-01-01') server archive",
            id="a partition",
        ),
        pytest.param(
            "create table core.entry (id int, day date) partition by range (day);"
            "create table core.entry_2025 partition of core.entry"
            " for values from ('2025-01-01') to ('2026-01-01') partition by list (id);"
            "create foreign table core.entry_old partition of core.entry_2025"
            " for values in (1) server archive",
            id="a part of a partition",
        ),
        pytest.param(
            "create table core.entry (id int, day date);"
            "create foreign table core.entry_old () inherits (core.entry) server archive",
            id="a child table",
        ),
    ],
)
def test_a_table_with_a_part_in_another_server_is_refused(bank: Bank, tables: str) -> None:
    try:
        bank.has(FOREIGN + tables)
        with pytest.raises(SplitRowsError) as refusal:
            bank.discovered()
        assert str(refusal.value).startswith(
            "core.entry: its part core.entry_old is a foreign table"
        )
    finally:
        bank.has("drop foreign data wrapper elsewhere cascade")


def test_a_key_with_included_columns_is_the_key_alone(bank: Bank) -> None:
    bank.has(
        "create table core.payment (id int, state text, at timestamptz, primary key (id) include"
        " (state)); insert into core.payment values (1, 'new', '2026-01-01')"
    )
    source = bank.discovered("tables:\n  core.payment: {cursor: at}\n")
    bank.lands(source)
    bank.has("update core.payment set state = 'done', at = '2026-01-02'")

    bank.lands(source)

    assert bank.landed("select id, state from bank_core.payment") == [(1, "done")]


LOCKED = "create table core.locked (id int primary key, t text); insert into core.locked values (1)"
NEVER_COUNTED = "alter table core.locked set (autovacuum_enabled = off)"


def test_a_locked_table_keeps_no_other_from_being_discovered(bank: Bank) -> None:
    bank.has(LOCKED + ";create table core.fee (id int primary key);" + NEVER_COUNTED)
    with psycopg.connect(bank.source.info.dsn, password="x") as holder:
        holder.execute("lock table core.locked")
        source = bank.discovered()
    assert [table.name for table in source.catalog.tables] == ["fee", "locked"]


def test_a_locked_partition_keeps_no_other_table_from_landing(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(source_session._PATIENCE, "lock_timeout", "200ms")
    bank.has(
        "create table core.entry (id int, day date) partition by range (day);"
        "create table core.entry_2026 partition of core.entry"
        " for values from ('2026-01-01') to ('2027-01-01');"
        "create table core.fee (id int primary key); insert into core.fee values (1)"
    )
    source = bank.discovered()
    with psycopg.connect(bank.source.info.dsn, password="x") as holder:
        holder.execute("lock table core.entry_2026")
        loads = bank.lands(source)
    assert loads["fee"].error is None
    assert "waited too long for a lock on core.entry" in str(loads["entry"].error)


def test_a_table_without_columns_is_left_out(bank: Bank) -> None:
    bank.has("create table core.nothing (); create table core.fee (id int primary key)")
    source = bank.discovered()
    assert [table.name for table in source.catalog.tables] == ["fee"]
    assert {load.error for load in bank.lands(source).values()} == {None}


def test_a_table_that_lost_its_columns_says_so_and_keeps_its_rows(bank: Bank) -> None:
    bank.has("create table core.fee (id int); insert into core.fee values (1)")
    source = bank.discovered()
    bank.lands(source)
    bank.has("alter table core.fee drop column id")

    assert bank.lands(source)["fee"].error == (
        "core.fee is a table without columns and does not land"
    )
    assert bank.landed("select id from bank_core.fee") == [(1,)]


def test_a_table_that_is_skipped_since_it_was_discovered_says_so(bank: Bank) -> None:
    bank.has("create table core.fee (id int); create table core.tax (id int)")
    source = bank.discovered()
    skipping = source.file.model_copy(update={"skip_tables": ("core.fee",)})

    loads = bank.lands(replace(source, file=skipping))

    assert loads["tax"].error is None
    assert loads["fee"].error == "core.fee is in skip_tables and does not land"


def test_a_view_that_would_have_the_name_of_a_table_does_not_stand_in_its_way(bank: Bank) -> None:
    bank.has('create table core.fee (id int); create view core."Fee" as select * from core.fee')
    assert bank.lands(bank.discovered())["fee"].error is None
