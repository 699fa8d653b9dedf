"""Whatever the source does between ticks, landed rows are the source's rows after each of them."""

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg import sql

from tests.integration.landed_bank import Bank

SOAK = "HEARTBEAT_SOAK" in os.environ
SCHEMA = """
create table core.merged (id int primary key, v varchar(40), n int, at timestamptz);
create table core.composite (
    part text, "Number" int, v varchar(40), n int, at timestamptz, primary key (part, "Number")
);
create table core.replaced (id int primary key, v varchar(40), n int);
create table core.keyless (v varchar(40), n int);
create table core.appended (v varchar(40), n int, at timestamptz);
create table core.reconciled (id int primary key, v varchar(40), n int);
"""
OPTIONS = """\
first_load_rows: 3
tables:
  core.merged: {cursor: at, lag: 1 hour}
  core.composite: {cursor: at, lag: 1 hour}
  core.appended: {cursor: at, lag: 1 hour, write: append}
  core.reconciled: {write: reconcile}
"""
BY_CURSOR = ("merged", "composite", "appended")
WITH_KEY = {"merged": "id", "replaced": "id", "reconciled": "id", "composite": '"Number"'}
TABLES = (*BY_CURSOR, "replaced", "keyless", "reconciled")

tables = st.sampled_from(TABLES)
keys = st.integers(1, 8)
values = st.sampled_from(
    ["", "plain", "\\N", "\\.", "tab\there", "line\nbreak", "'quoted' \"twice\"", "żółć 🙂", None]
)
numbers = st.one_of(st.none(), st.integers(-3, 3), st.just(2**31 - 1))


class Source(RuleBasedStateMachine):
    """Random business in the source, and ticks."""

    bank: Bank
    late: psycopg.Connection[Any]

    def __init__(self) -> None:
        super().__init__()
        self.hidden: set[str] = set()
        self.late_table: str | None = None

    @initialize()
    def source_with_all_kinds_of_tables(self) -> None:
        self.late.rollback()
        self.bank.has("drop schema core cascade; create schema core;" + SCHEMA)
        self.bank.marts.execute("drop schema if exists bank_core cascade")
        self.bank.marts.execute("truncate heartbeat.table_load, heartbeat.table_load_log")
        self.landed_source = self.bank.discovered(OPTIONS)

    @rule(table=tables, key=keys, v=values, n=numbers, knows_when=st.booleans())
    def insert(self, table: str, key: int, v: str | None, n: int | None, knows_when: bool) -> None:
        self._insert(
            self.bank.source, table, key, v, n, "clock_timestamp()" if knows_when else "null"
        )

    @rule(table=st.sampled_from(sorted(WITH_KEY)), key=keys, v=values)
    def update(self, table: str, key: int, v: str | None) -> None:
        moves = ", at = clock_timestamp()" if table in BY_CURSOR else ""
        self._run(f"update core.{table} set v = %s{moves} where {WITH_KEY[table]} = %s", v, key)

    @rule(table=tables, n=numbers)
    def update_without_a_trace(self, table: str, n: int | None) -> None:
        self.hidden.add(table)
        self._run(f"update core.{table} set n = %s where v is not null", n)

    @rule(table=tables, n=st.integers(-3, 3))
    def delete(self, table: str, n: int) -> None:
        self.hidden.add(table)
        self._run(f"delete from core.{table} where n::text = %s", str(n))

    @rule(table=tables)
    def truncate(self, table: str) -> None:
        self.hidden.add(table)
        self._run(f"truncate core.{table}")

    @precondition(lambda self: self.late_table is None)
    @rule(table=st.sampled_from(BY_CURSOR), v=values)
    def begin_what_commits_late(self, table: str, v: str | None) -> None:
        self.late_table = table
        self._insert(self.late, table, 100, v, 0, "clock_timestamp()")

    @precondition(lambda self: self.late_table is not None)
    @rule()
    def commit_late(self) -> None:
        self._commit_late()

    @rule(table=tables, default=st.sampled_from(["default 7", ""]))
    def add_a_column(self, table: str, default: str) -> None:
        self._alter(f"alter table core.{table} add column if not exists extra int {default}")

    @rule(table=tables)
    def drop_a_column(self, table: str) -> None:
        self._alter(f"alter table core.{table} drop column if exists extra")

    @rule(
        table=tables,
        type_=st.sampled_from(["bigint", "numeric(20, 2)", "text", "double precision", "int"]),
    )
    def change_a_type(self, table: str, type_: str) -> None:
        self._alter(
            f"alter table core.{table} alter n type {type_} using round(n::numeric)::{type_}"
        )

    @rule(table=tables, type_=st.sampled_from(["varchar(60)", "text", "varchar(40)"]))
    def change_the_text(self, table: str, type_: str) -> None:
        self._alter(f"alter table core.{table} alter v type {type_}")

    @rule()
    def tick(self) -> None:
        self._lands()
        self._compare(set(TABLES) - self.hidden.intersection(BY_CURSOR))

    @rule()
    def tick_twice(self) -> None:
        self._lands()
        self.tick()

    @rule()
    def reconcile(self) -> None:
        self._lands(reconcile=True)
        self.hidden &= {"appended"}
        self._compare(set(TABLES) - self.hidden)

    @invariant()
    def nothing_but_tables_of_the_source_is_in_marts(self) -> None:
        found = self.bank.landed(
            "select table_schema || '.' || table_name from information_schema.tables"
            " where table_schema like 'bank%' and table_name not like '\\_dlt%'"
        )
        assert {name for (name,) in found} <= {f"bank_core.{table}" for table in TABLES}

    def teardown(self) -> None:
        self.late.rollback()

    def _lands(self, *, reconcile: bool = False) -> None:
        loads = self.bank.lands(self.landed_source, reconcile=reconcile)
        assert {name: load.error for name, load in loads.items()} == dict.fromkeys(TABLES)
        for name, load in loads.items():
            assert load.row_count == len(self._rows("bank_core", name)), name

    def _compare(self, names: set[str]) -> None:
        for name in sorted(names):
            assert self._rows("bank_core", name) == self._rows("core", name), name

    def _rows(self, schema: str, table: str) -> list[str]:
        theirs = self.bank.source.execute(
            "select column_name::text from information_schema.columns"
            " where table_schema = 'core' and table_name = %s order by column_name",
            [table],
        )
        names = [name.lower() if schema == "bank_core" else name for (name,) in theirs.fetchall()]
        query = sql.SQL("select row({})::text from {}").format(
            sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(schema, table)
        )
        connection = self.bank.marts if schema == "bank_core" else self.bank.source
        return sorted(row for (row,) in connection.execute(query))

    def _insert(
        self,
        connection: psycopg.Connection[Any],
        table: str,
        key: int,
        v: str | None,
        n: int | None,
        at: str,
    ) -> None:
        columns = {
            "merged": f"(id, v, n, at) values ({key}, %s, %s, {at})",
            "composite": f"(part, \"Number\", v, n, at) values ('ä', {key}, %s, %s, {at})",
            "appended": f"(v, n, at) values (%s, %s, {at})",
            "keyless": "(v, n) values (%s, %s)",
        }.get(table, f"(id, v, n) values ({key}, %s, %s)")
        query = f"insert into core.{table} {columns} on conflict do nothing"
        connection.execute(query.encode(), [v, n])

    def _alter(self, statement: str) -> None:
        # it waits for whoever has written to the table
        self._commit_late()
        self._run(statement)

    def _commit_late(self) -> None:
        self.late.commit()
        self.late_table = None

    def _run(self, statement: str, *arguments: Any) -> None:
        if statement.startswith("truncate"):
            self._commit_late()
        self.bank.source.execute(statement.encode(), arguments or None)


@pytest.fixture
def machine(bank: Bank) -> Iterator[type[RuleBasedStateMachine]]:
    with psycopg.connect(bank.source.info.dsn, password="x") as late:
        yield type("BankSource", (Source,), {"bank": bank, "late": late})


def test_landed_rows_are_the_rows_of_the_source_after_every_tick(
    machine: type[RuleBasedStateMachine],
) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=400 if SOAK else 12,
            stateful_step_count=40 if SOAK else 20,
            deadline=None,
            derandomize=not SOAK,
            database=None,
            phases=set(Phase) if SOAK else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
