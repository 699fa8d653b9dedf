"""Landing a source schema: what a load takes over, what it refuses, and what it leaves alone."""

import socket

import psycopg
import pytest

from heartbeat.landing.cursor import UnusableCursorError
from heartbeat.landing.landing_run import LandingInProgressError
from heartbeat.landing.reflected_table import NameCollisionError, UnusableOptionError
from tests.integration.landed_bank import VARIABLE, Bank

PAYMENT = """
create table core.payment (id int primary key, state text, update_time timestamptz);
insert into core.payment values
    (1, 'new', '2026-01-01 10:00+00'), (2, 'new', '2026-01-01 11:00+00');
"""
FEE = "create table core.fee (id int primary key, eur numeric); insert into core.fee values (1, 5);"
BY_CURSOR = "tables:\n  core.payment: {cursor: update_time, lag: 15 minutes}\n"
PAYMENTS = "select id, state from bank_core.payment order by id"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            "update core.payment set state = 'done', update_time = '2026-01-01 12:00+00'"
            " where id = 1",
            [(1, "done"), (2, "new")],
            id="an update",
        ),
        pytest.param(
            "insert into core.payment values (3, 'new', '2026-01-01 12:00+00')",
            [(1, "new"), (2, "new"), (3, "new")],
            id="an insert",
        ),
        pytest.param(
            "update core.payment set state = 'done' where id = 2",
            [(1, "new"), (2, "done")],
            id="an update that leaves the cursor as it was",
        ),
        pytest.param(
            "insert into core.payment values (3, 'unknown', null)",
            [(1, "new"), (2, "new"), (3, "unknown")],
            id="a row without a cursor",
        ),
        pytest.param(
            "insert into core.payment values (3, 'late', '2026-01-01 10:46+00')",
            [(1, "new"), (2, "new"), (3, "late")],
            id="a commit that is late by less than the lag",
        ),
        pytest.param(
            "delete from core.payment where id = 1",
            [(1, "new"), (2, "new")],
            id="a delete, which a merge never sees",
        ),
    ],
)
def test_a_merge_takes_over(bank: Bank, change: str, expected: list[tuple[int, str]]) -> None:
    bank.has(PAYMENT)
    source = bank.discovered(BY_CURSOR)
    bank.lands(source)
    bank.has(change)

    loads = bank.lands(source)

    assert bank.landed(PAYMENTS) == expected
    assert (loads["payment"].write_mode, loads["payment"].row_count) == ("merge", len(expected))


def test_a_merge_reads_only_rows_past_the_lag_and_a_row_without_a_cursor_each_time(
    bank: Bank,
) -> None:
    bank.has(PAYMENT + "insert into core.payment values (3, 'unknown', null)")
    source = bank.discovered(BY_CURSOR)
    assert bank.lands(source)["payment"].rows_sent == 3
    bank.has("update core.payment set state = 'unseen' where id = 1")

    assert bank.lands(source)["payment"].rows_sent == 2
    assert bank.landed(PAYMENTS) == [(1, "new"), (2, "new"), (3, "unknown")]


def test_a_number_can_be_the_cursor(bank: Bank) -> None:
    bank.has("create table core.log (id bigint primary key, t text)")
    bank.has("insert into core.log values (1, 'a'), (2, 'b')")
    source = bank.discovered("tables:\n  core.log: {cursor: id}\n")
    bank.lands(source)
    bank.has("insert into core.log values (3, 'c')")

    assert bank.lands(source)["log"].rows_sent == 2
    assert bank.landed("select t from bank_core.log order by id") == [("a",), ("b",), ("c",)]


def test_a_replace_takes_over_updates_inserts_and_deletes(bank: Bank) -> None:
    bank.has(PAYMENT)
    source = bank.discovered()
    bank.lands(source)
    bank.has("delete from core.payment where id = 1; update core.payment set state = 'done'")
    bank.has("insert into core.payment values (3, '', null)")

    loads = bank.lands(source)

    assert bank.landed(PAYMENTS) == [(2, "done"), (3, "")]
    assert loads["payment"].write_mode == "replace"


def test_a_replace_by_no_rows_empties_the_table(bank: Bank) -> None:
    bank.has(FEE)
    source = bank.discovered()
    bank.lands(source)
    bank.has("delete from core.fee")

    assert bank.lands(source)["fee"].row_count == 0
    assert bank.landed("select * from bank_core.fee") == []


def test_an_empty_table_is_made_and_both_modes_fill_it_later(bank: Bank) -> None:
    bank.has(PAYMENT + FEE + "delete from core.payment; delete from core.fee")
    source = bank.discovered(BY_CURSOR)

    loads = bank.lands(source)

    assert {name: (load.row_count, load.error) for name, load in loads.items()} == {
        "payment": (0, None),
        "fee": (0, None),
    }
    assert bank.landed(PAYMENTS) == []
    bank.has("insert into core.payment values (1, 'a', now()); insert into core.fee values (1, 2)")
    bank.lands(source)
    assert bank.landed(PAYMENTS) == [(1, "a")]
    assert len(bank.landed("select * from bank_core.fee")) == 1


def test_a_composite_key_merges_by_all_its_columns(bank: Bank) -> None:
    bank.has(
        "create table core.rate (quote text, base text, eur numeric, at timestamp, "
        "primary key (base, quote));"
        "insert into core.rate values"
        " ('EUR', 'USD', 1, '2026-01-01'), ('EUR', 'GBP', 2, '2026-01-01')"
    )
    source = bank.discovered("tables:\n  core.rate: {cursor: at}\n")
    bank.lands(source)
    bank.has("update core.rate set eur = 3, at = '2026-01-02' where base = 'GBP'")

    bank.lands(source)

    assert bank.landed("select base, eur from bank_core.rate order by base") == [
        ("GBP", 3),
        ("USD", 1),
    ]
    assert source.catalog.tables[0].primary_key == ("base", "quote")
    assert unique_indexes(bank, "rate") == {"base, quote"}


def unique_indexes(bank: Bank, table: str) -> set[str]:
    return {
        definition.split("(")[1].rstrip(")")
        for (definition,) in bank.landed(
            "select indexdef from pg_indexes"
            f" where schemaname = 'bank_core' and tablename = '{table}'"
        )
        if definition.startswith("CREATE UNIQUE")
    }


def test_mixed_case_and_reserved_names_land_in_snake_case(bank: Bank) -> None:
    bank.has(
        'create table core."InvoiceLine" ("Id" int primary key, "unitPrice" numeric, "order" text, '
        '"Two words" text, "user" text, "updatedAt" timestamptz);'
        "insert into core.\"InvoiceLine\" values (1, 2.50, 'o', 'w', 'u', now());"
        'create table core."select" ("table" int primary key); insert into core."select" values (7)'
    )
    source = bank.discovered("tables:\n  core.InvoiceLine: {cursor: updatedAt}\n")

    for _ in range(2):
        loads = bank.lands(source)

    assert {load.error for load in loads.values()} == {None}
    query = 'select id, unit_price, "order", two_words, "user" from bank_core.invoice_line'
    assert bank.landed(query) == [(1, 2.50, "o", "w", "u")]
    assert bank.landed('select "table" from bank_core."select"') == [(7,)]


def test_a_generated_column_lands_with_its_value(bank: Bank) -> None:
    bank.has(
        "create table core.item (id int generated always as identity primary key, net int, "
        "gross int generated always as (net * 2) stored);"
        "insert into core.item (net) values (4)"
    )

    bank.lands(bank.discovered())

    assert bank.landed("select id, net, gross from bank_core.item") == [(1, 4, 8)]


def test_partitions_views_and_skipped_tables_do_not_land_on_their_own(bank: Bank) -> None:
    bank.has(
        "create table core.entry (id int, day date) partition by range (day);"
        "create table core.entry_2025 partition of core.entry "
        "for values from ('2025-01-01') to ('2026-01-01');"
        "create table core.entry_2026 partition of core.entry "
        "for values from ('2026-01-01') to ('2027-01-01');"
        "insert into core.entry values (1, '2025-05-05'), (2, '2026-05-05');"
        "create view core.entry_view as select * from core.entry;"
        "create materialized view core.entry_copy as select * from core.entry;"
        "create table core.lock_table (id int)"
    )
    source = bank.discovered("skip_tables: [core.lock_table]\n")

    bank.lands(source)

    assert bank.landed("select id from bank_core.entry order by id") == [(1,), (2,)]
    assert bank.landed(
        "select table_name from information_schema.tables "
        "where table_schema = 'bank_core' and table_name not like '\\_dlt%'"
    ) == [("entry",)]


def test_dropped_columns_are_never_read(bank: Bank, reader: str) -> None:
    bank.has(
        "create table core.client (id int primary key, name text, passport text, at timestamp);"
        "insert into core.client values (1, 'Ann', 'secret', now());"
        f"grant select (id, name, at) on core.client to {reader}"
    )
    source = bank.discovered("tables:\n  core.client: {cursor: at, drop_columns: [passport]}\n")

    loads = bank.lands(source)

    assert loads["client"].error is None
    assert bank.landed("select c::text from (select id, name from bank_core.client) c") == [
        ("(1,Ann)",)
    ]
    assert ("passport",) not in columns_of(bank, "client")


def columns_of(bank: Bank, table: str) -> list[tuple[str]]:
    return bank.landed(
        "select column_name::text from information_schema.columns "
        f"where table_schema = 'bank_core' and table_name = '{table}' order by ordinal_position"
    )


def test_a_table_whose_key_is_dropped_is_replaced(bank: Bank) -> None:
    bank.has("create table core.client (tax_code text primary key, name text, at timestamp);")
    bank.has("insert into core.client values ('1', 'Ann', now())")
    source = bank.discovered("tables:\n  core.client: {cursor: at, drop_columns: [tax_code]}\n")

    load = bank.lands(source)["client"]

    assert (load.error, load.write_mode) == (None, "replace")
    assert bank.landed("select name from bank_core.client") == [("Ann",)]


def test_a_column_that_is_new_lands_with_the_values_of_the_rows_that_are_there(bank: Bank) -> None:
    bank.has(PAYMENT + FEE)
    source = bank.discovered(BY_CURSOR)
    bank.lands(source)
    bank.has("alter table core.payment add column note text not null default 'none'")
    bank.has("alter table core.fee add column note text not null default 'none'")

    loads = bank.lands(source)

    assert {load.error for load in loads.values()} == {None}
    assert bank.landed("select id, note from bank_core.payment order by id") == [
        (1, "none"),
        (2, "none"),
    ]
    assert bank.landed("select note from bank_core.fee") == [("none",)]


def test_a_column_that_is_gone_keeps_its_landed_values_in_a_merge(bank: Bank) -> None:
    bank.has(PAYMENT)
    source = bank.discovered(BY_CURSOR)
    bank.lands(source)
    bank.has("alter table core.payment drop column state")
    bank.has("insert into core.payment values (3, '2026-01-02')")

    assert bank.lands(source)["payment"].error is None
    assert bank.landed(PAYMENTS)[0] == (1, "new")
    assert bank.landed(PAYMENTS)[2] == (3, None)


@pytest.mark.parametrize("options", [BY_CURSOR, ""], ids=["merge", "replace"])
def test_a_column_that_changes_its_type_changes_it_in_marts(bank: Bank, options: str) -> None:
    bank.has(PAYMENT)
    source = bank.discovered(options)
    bank.lands(source)
    bank.has("alter table core.payment alter id type bigint, alter state type varchar(40)")
    bank.has("insert into core.payment values (5000000000, 'big', now())")

    assert bank.lands(source)["payment"].error is None

    assert bank.landed(PAYMENTS) == [(1, "new"), (2, "new"), (5_000_000_000, "big")]
    assert bank.landed(
        "select format_type(atttypid, atttypmod) from pg_attribute "
        "where attrelid = 'bank_core.payment'::regclass and attname in ('id', 'state')"
        " order by attnum"
    ) == [("bigint",), ("character varying(40)",)]


def test_a_type_that_marts_cannot_follow_fails_its_table_alone(bank: Bank) -> None:
    bank.has(PAYMENT + FEE)
    source = bank.discovered(BY_CURSOR)
    bank.lands(source)
    bank.marts.execute("create view public.states as select state from bank_core.payment")
    bank.has("alter table core.payment alter state type varchar(9); update core.fee set eur = 6")

    loads = bank.lands(source)

    assert loads["fee"].error is None
    assert loads["payment"].error is not None
    assert loads["payment"].error.startswith(
        "column state is character varying(9) in the source now and text in marts"
    )


VANISHED = "drop table core.payment"
COLUMN_GONE = "alter table core.payment drop column update_time"
TWO_OF_A_NAME = 'create table core."Payment" (id int)'
NOT_READABLE = "revoke select on core.payment from bank_reader"


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        pytest.param(VANISHED, "names table core.payment, which the source lacks", id="vanished"),
        pytest.param(
            COLUMN_GONE, "names column update_time, which the table lacks", id="no cursor"
        ),
        pytest.param(TWO_OF_A_NAME, "both land as payment", id="two tables of one name"),
        pytest.param(NOT_READABLE, "the role bank_reader may not read it", id="not readable"),
    ],
)
def test_a_table_that_cannot_be_read_fails_alone_and_keeps_its_rows(
    bank: Bank, reader: str, harm: str, reason: str
) -> None:
    bank.has(PAYMENT + FEE + "create table core.zone (id int); insert into core.zone values (9)")
    bank.has(f"grant select on all tables in schema core to {reader}")
    source = bank.discovered(BY_CURSOR)
    bank.lands(source)
    before = bank.ledger("payment")
    bank.has(harm + "; update core.fee set eur = 6; update core.zone set id = 10")

    loads = bank.lands(source, run_id="run-2")

    assert {name for name, load in loads.items() if load.error} == {"payment"}
    assert bank.landed(PAYMENTS) == [(1, "new"), (2, "new")]
    assert bank.landed("select eur from bank_core.fee") == [(6,)]
    assert bank.landed("select id from bank_core.zone") == [(10,)]
    after = bank.ledger("payment")
    assert reason in after["error"]
    attempted = {name: after[name] for name in ("error", "began_at", "ended_at")}
    assert after == before | attempted | {"run_id": "run-2"}


def test_a_table_without_options_that_vanished_says_how_to_mend_the_catalog(bank: Bank) -> None:
    bank.has(PAYMENT + FEE)
    source = bank.discovered(BY_CURSOR)
    bank.has("drop table core.fee")

    loads = bank.lands(source)

    assert loads["payment"].error is None
    assert loads["fee"].error == (
        "the source no longer has the table that lands as fee; run `heartbeat source discover`"
    )


def test_a_table_that_marts_refuses_fails_alone_and_keeps_its_rows(bank: Bank) -> None:
    bank.has(PAYMENT + FEE)
    source = bank.discovered(BY_CURSOR)
    bank.lands(source)
    bank.marts.execute("alter table bank_core.fee add check (eur < 10)")
    bank.has("update core.fee set eur = 11; insert into core.payment values (3, 'x', now())")

    loads = bank.lands(source)

    assert loads["payment"].error is None
    assert "violates check constraint" in (loads["fee"].error or "")
    assert bank.landed("select eur from bank_core.fee") == [(5,)]
    assert len(bank.landed(PAYMENTS)) == 3


def test_the_next_good_load_clears_the_error(bank: Bank) -> None:
    bank.has(FEE)
    source = bank.discovered()
    bank.has("alter table core.fee rename to away")
    bank.lands(source, run_id="run-1")
    assert bank.ledger("fee")["polled_at"] is None
    bank.has("alter table core.away rename to fee")

    load = bank.lands(source, run_id="run-2")["fee"]

    ledger = bank.ledger("fee")
    assert (ledger["error"], ledger["polled_at"]) == (None, load.polled_at)
    assert (ledger["row_count"], ledger["run_id"]) == (1, "run-2")
    assert bank.landed(
        "select run_id, error is null, rows_sent from heartbeat.table_load_log order by id"
    ) == [("run-1", False, 0), ("run-2", True, 1)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param(
            "postgresql://u:hunter2@127.0.0.1:{port}/core", "cannot connect with", id="no server"
        ),
        pytest.param(
            "postgresql://u:hunter2/7@127.0.0.1:{port}/core", "percent-encode", id="broken URL"
        ),
        pytest.param("hunter2", "percent-encode", id="no URL at all"),
        pytest.param(
            "", "set SOURCE_BANK_URL to its address, a URL or key=value pairs", id="not set"
        ),
    ],
)
def test_an_unreachable_source_fails_every_table_without_telling_its_password(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, url: str, reason: str
) -> None:
    bank.has(PAYMENT + FEE)
    source = bank.discovered(BY_CURSOR)
    bank.lands(source)
    polled_at = bank.ledger("fee")["polled_at"]
    monkeypatch.setenv(VARIABLE, url.format(port=free_port()))

    loads = bank.lands(source)

    errors = [load.error or "" for load in loads.values()]
    assert len(errors) == 2
    assert all(reason in error and VARIABLE in error for error in errors)
    assert not any("hunter2" in error for error in errors)
    assert bank.ledger("fee")["error"] == errors[0]
    assert bank.ledger("fee")["polled_at"] == polled_at


def test_two_processes_do_not_land_one_source_at_once(bank: Bank) -> None:
    bank.has(FEE)
    source = bank.discovered()
    lock = "select pg_advisory_lock(hashtextextended('land bank', 0))"
    with psycopg.connect(bank.settings.database_url) as other:
        other.execute(lock)
        with pytest.raises(LandingInProgressError, match="source bank is being landed"):
            bank.lands(source)

    assert bank.lands(source)["fee"].error is None


def test_nothing_is_left_in_the_work_folder(bank: Bank) -> None:
    bank.has(PAYMENT + FEE)
    source = bank.discovered(BY_CURSOR)
    bank.has("drop table core.fee")

    bank.lands(source)

    assert list(bank.settings.dlt_home.rglob("*.copy")) == []
    assert list(bank.settings.dlt_home.rglob("*.csv")) == []


def test_declared_indexes_and_the_index_of_the_key_are_made_once(bank: Bank) -> None:
    long = "a_table_with_a_name_that_is_nearly_as_long_as_postgres_allows"
    bank.has(
        PAYMENT + f"create table core.{long} (id int primary key, first int, second int);"
        "create table core.payment_state (update_time timestamptz)"
    )
    source = bank.discovered(
        BY_CURSOR + "indexes:\n"
        "  core.payment: [[state, update_time]]\n"
        "  core.payment_state: [[update_time]]\n"
        f"  core.{long}: [[first], [second], [second, first]]\n"
    )

    for _ in range(2):
        assert {load.error for load in bank.lands(source).values()} == {None}

    assert sorted(
        (table, definition.split(" USING btree ")[1])
        for table, definition in bank.landed(
            "select tablename, indexdef from pg_indexes where schemaname = 'bank_core' "
            "and tablename not like '\\_dlt%'"
        )
    ) == sorted(
        [
            (long, "(id)"),
            (long, "(first)"),
            (long, "(second)"),
            (long, "(second, first)"),
            ("payment", "(id)"),
            ("payment", "(update_time)"),
            ("payment", "(state, update_time)"),
            ("payment_state", "(update_time)"),
        ]
    )


def test_the_same_load_twice_changes_nothing_but_the_moment_of_the_poll(bank: Bank) -> None:
    bank.has(PAYMENT + FEE)
    source = bank.discovered(BY_CURSOR)
    rows = (
        "select 'p', p::text from bank_core.payment p"
        " union all select 'f', f::text from bank_core.fee f order by 1, 2"
    )
    bank.lands(source)
    before, first = bank.landed(rows), bank.ledger("payment")
    bank.lands(source)

    after, second = bank.landed(rows), bank.ledger("payment")

    assert after == before
    assert second["polled_at"] > first["polled_at"]
    assert second["row_count"] == first["row_count"]


KEY_GREW = """
alter table core.payment drop constraint payment_pkey, add column part int default 1;
alter table core.payment add primary key (id, part);
insert into core.payment values (1, 'second', now(), 2);
"""
KEY_MOVED = """
alter table core.payment drop column id, add column number text;
update core.payment set number = 'P' || extract(hour from update_time at time zone 'UTC');
alter table core.payment add primary key (number);
"""
KEY_GONE = """
alter table core.payment drop constraint payment_pkey;
insert into core.payment values (1, 'second', now());
"""


@pytest.mark.parametrize(
    ("options", "change", "key"),
    [
        pytest.param(BY_CURSOR, KEY_GREW, {"id, part"}, id="a merge, the key grew"),
        pytest.param(BY_CURSOR, KEY_GONE, set(), id="a merge, the key is gone"),
        pytest.param("", KEY_GREW, {"id, part"}, id="a replace, the key grew"),
        pytest.param("", KEY_GONE, set(), id="a replace, the key is gone"),
    ],
)
def test_a_table_whose_key_changed_lands_afresh_by_its_new_key(
    bank: Bank, options: str, change: str, key: set[str]
) -> None:
    bank.has(PAYMENT)
    source = bank.discovered(options)
    bank.lands(source)
    bank.has(change)

    for _ in range(2):
        assert bank.lands(source)["payment"].error is None

    assert bank.landed(f"{PAYMENTS}, state") == [(1, "new"), (1, "second"), (2, "new")]
    assert unique_indexes(bank, "payment") == key


def test_a_table_lands_afresh_by_its_present_key_alone(bank: Bank) -> None:
    bank.has(PAYMENT)
    source = bank.discovered(BY_CURSOR)
    bank.lands(source)
    bank.has(KEY_MOVED)
    bank.marts.execute("drop table bank_core.payment")

    for _ in range(2):
        assert bank.lands(source)["payment"].error is None

    assert bank.landed("select number, state from bank_core.payment order by number") == [
        ("P10", "new"),
        ("P11", "new"),
    ]
    assert ("id",) not in columns_of(bank, "payment")
    assert unique_indexes(bank, "payment") == {"number"}


@pytest.mark.parametrize(
    ("tables", "options", "error", "message"),
    [
        pytest.param(
            'create table core.a (id int); create table core."A" (id int)',
            "",
            NameCollisionError,
            "core: 'A' and 'a' both land as a",
            id="two tables of one landed name",
        ),
        pytest.param(
            'create table core.a ("userId" int, user_id int)',
            "",
            NameCollisionError,
            "core.a: 'userId' and 'user_id' both land as user_id",
            id="two columns of one landed name",
        ),
        pytest.param(
            "create table core.a (id int)",
            "tables:\n  core.b: {write: replace}\n",
            UnusableOptionError,
            "names table core.b, which the source lacks or which is skipped",
            id="options of a table that is not there",
        ),
        pytest.param(
            "create table core.a (id int)",
            "indexes:\n  core.b: [[id]]\n",
            UnusableOptionError,
            "names table core.b",
            id="indexes of a table that is not there",
        ),
        pytest.param(
            "create table core.a (id int)",
            "skip_tables: [core.a]\ntables:\n  core.a: {write: replace}\n",
            UnusableOptionError,
            "names table core.a",
            id="options of a skipped table",
        ),
        pytest.param(
            "create table core.a (id int)",
            "tables:\n  core.a: {cursor: at}\n",
            UnusableOptionError,
            "core.a: the source file names column at, which the table lacks; it has id",
            id="a cursor that is no column",
        ),
        pytest.param(
            "create table core.a (id int)",
            "indexes:\n  core.a: [[at]]\n",
            UnusableOptionError,
            "core.a: the source file names column at, which the table lacks; it has id",
            id="an index on what is no column",
        ),
        pytest.param(
            "create table core.a (id int)",
            "tables:\n  core.a: {write: merge}\n",
            UnusableOptionError,
            "`write: merge` needs a primary key",
            id="a merge without a key",
        ),
        pytest.param(
            "create table core.a (id int primary key)",
            "tables:\n  core.a: {cursor: id, lag: 1 hour}\n",
            UnusableCursorError,
            "core.a: cursor id is integer, so its lag must be a number such as 1000, not `1 hour`",
            id="a lag of a number",
        ),
    ],
)
def test_discovery_refuses(
    bank: Bank, tables: str, options: str, error: type[Exception], message: str
) -> None:
    bank.has(tables)
    with pytest.raises(error) as refusal:
        bank.discovered(options)
    assert message in str(refusal.value)


def test_a_table_that_was_dropped_in_marts_lands_afresh(bank: Bank) -> None:
    bank.has(PAYMENT + FEE)
    source = bank.discovered(BY_CURSOR)
    bank.lands(source)
    bank.marts.execute("drop table bank_core.payment, bank_core.fee")

    loads = bank.lands(source)

    assert {load.error for load in loads.values()} == {None}
    assert bank.landed(PAYMENTS) == [(1, "new"), (2, "new")]


def test_what_has_landed_may_be_read_by_the_role_of_the_metrics_and_no_other_table(
    bank: Bank,
) -> None:
    bank.has(PAYMENT + FEE)
    bank.lands(bank.discovered(BY_CURSOR))
    assert readable(bank) == {"fee", "payment"}
    bank.marts.execute("drop table bank_core.fee")
    bank.marts.execute("create table bank_core.by_hand (id int)")
    bank.has("create table core.rate (id int primary key); update core.fee set eur = 6")
    bank.lands(bank.discovered(BY_CURSOR))
    assert readable(bank) == {"fee", "payment", "rate"}


def readable(bank: Bank) -> set[str]:
    names = bank.marts.execute(
        "select relname from pg_class where relnamespace = 'bank_core'::regnamespace"
        " and relkind = 'r' and has_schema_privilege('heartbeat_reader', 'bank_core', 'usage')"
        " and has_table_privilege('heartbeat_reader', oid, 'select')"
    ).fetchall()
    return {name for (name,) in names}
