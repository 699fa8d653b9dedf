"""The column by which a load finds what changed: which it may be, and what it never hides."""

import pytest

from heartbeat.landing.cursor import UnusableCursorError
from heartbeat.landing.reflected_table import UnusableOptionError
from tests.integration.landed_bank import Bank

REFUSED_TYPES = [
    "uuid",
    "boolean",
    "jsonb",
    "bytea",
    "time",
    "interval",
    "inet",
    "int[]",
    "core.mood",
    "point",
]


@pytest.mark.parametrize("type_", REFUSED_TYPES)
def test_discovery_refuses_a_cursor_of_a_type_that_does_not_grow(bank: Bank, type_: str) -> None:
    bank.has("create type core.mood as enum ('sad', 'glad')")
    bank.has(f"create table core.a (id int primary key, c {type_})")
    with pytest.raises(UnusableCursorError, match=r"core\.a: cursor c is"):
        bank.discovered("tables:\n  core.a: {cursor: c}\n")


@pytest.mark.parametrize(
    ("type_", "options", "message"),
    [
        ("text", "lag: 15 minutes", "nothing can be taken off a text; give no `lag`"),
        ("text", "lag: 10", "nothing can be taken off a text; give no `lag`"),
        ("varchar(9)", "write: append", "`write: append` needs a number, a date or a timestamp"),
        ("bigint", "lag: 15 minutes", "its lag must be a number such as 1000, not `15 minutes`"),
        ("date", "lag: 10", "its lag must be a time such as 15 minutes, not `10`"),
    ],
)
def test_discovery_refuses_a_lag_that_the_cursor_cannot_have(
    bank: Bank, type_: str, options: str, message: str
) -> None:
    bank.has(f"create table core.a (id int primary key, c {type_})")
    with pytest.raises(UnusableCursorError) as refusal:
        bank.discovered(f"tables:\n  core.a: {{cursor: c, {options}}}\n")
    assert message in str(refusal.value)


def test_a_merge_without_a_cursor_is_refused(bank: Bank) -> None:
    bank.has("create table core.a (id int primary key)")
    with pytest.raises(UnusableOptionError, match="`write: merge` needs a `cursor`"):
        bank.discovered("tables:\n  core.a: {write: merge}\n")


def test_a_cursor_that_is_dropped_is_refused(bank: Bank) -> None:
    bank.has("create table core.a (id int primary key, c int)")
    with pytest.raises(UnusableOptionError, match="drops column c, and has it as cursor"):
        bank.discovered("tables:\n  core.a: {cursor: c, drop_columns: [c]}\n")


GROWING = [
    ("smallint", "-32768", "5", "6"),
    ("bigint", "1", "5", "6"),
    ("numeric(12, 2)", "1", "5.50", "5.51"),
    ("real", "1", "5.5", "6"),
    ("double precision", "0.1", "0.3", "0.4"),
    ("date", "2026-01-01", "2026-01-02", "2026-01-03"),
    ("timestamp", "2026-01-01", "2026-01-02", "2026-01-03"),
    ("timestamp(0) with time zone", "2026-01-01", "2026-01-02", "2026-01-03"),
    ("text", "a", "b", "c"),
    ("char(4)", "a", "b", "c"),
    ("core.moment", "2026-01-01", "2026-01-02", "2026-01-03"),
]


def test_a_load_goes_on_from_the_greatest_cursor(bank: Bank) -> None:
    bank.has("create domain core.moment as timestamptz")
    tables = dict(enumerate(GROWING))
    for number, (type_, first, greatest, _) in tables.items():
        bank.has(
            f"create table core.a{number} (id int primary key, c {type_});"
            f"insert into core.a{number} values (1, '{first}'), (2, '{greatest}')"
        )
    source = bank.discovered(by_cursor(len(GROWING)))
    bank.lands(source)
    for number, (_, _, greatest, later) in tables.items():
        bank.has(f"insert into core.a{number} values (3, '{later}'), (4, '{greatest}')")

    loads = bank.lands(source)

    for number, (type_, *_) in tables.items():
        load = loads[f"a{number}"]
        assert (load.error, load.rows_sent, load.row_count) == (None, 3, 4), type_


def by_cursor(tables: int, more: str = "") -> str:
    lines = (f"  core.a{number}: {{cursor: c{more}}}\n" for number in range(tables))
    return "tables:\n" + "".join(lines)


LAGGING: list[tuple[str, int, int]] = [
    ("smallint", -32768, -32767),
    ("integer", 1, 900),
    ("bigint", 2**62, 2**62 + 900),
    ("numeric", 1, 900),
    ("double precision", 1, 900),
]


def test_a_number_lags_by_a_number(bank: Bank) -> None:
    tables = dict(enumerate(LAGGING))
    for number, (type_, low, high) in tables.items():
        bank.has(
            f"create table core.a{number} (id int primary key, c {type_});"
            f"insert into core.a{number} values (1, {low}), (2, {high})"
        )
    source = bank.discovered(by_cursor(len(LAGGING), ", lag: 1000"))
    bank.lands(source)
    for number, (_, low, _) in tables.items():
        bank.has(f"insert into core.a{number} values (3, {low})")

    loads = bank.lands(source)

    assert [(load.error, load.row_count) for load in loads.values()] == [(None, 3)] * len(LAGGING)


ENDLESS = [
    ("numeric", "NaN", "2"),
    ("numeric", "Infinity", "2"),
    ("numeric", "-Infinity", "2"),
    ("numeric(9, 2)", "NaN", "2"),
    ("real", "NaN", "2"),
    ("real", "Infinity", "2"),
    ("double precision", "NaN", "2"),
    ("double precision", "Infinity", "2"),
    ("double precision", "-Infinity", "2"),
    ("date", "infinity", "2026-02-02"),
    ("date", "-infinity", "2026-02-02"),
    ("timestamp", "infinity", "2026-02-02"),
    ("timestamp", "-infinity", "2026-02-02"),
    ("timestamptz", "infinity", "2026-02-02"),
    ("timestamptz(0)", "-infinity", "2026-02-02"),
]


@pytest.mark.parametrize("append", [False, True], ids=["merge", "append"])
def test_a_cursor_without_an_end_hides_no_row(bank: Bank, append: bool) -> None:
    key, write = ("", ", write: append") if append else (" primary key", "")
    tables = dict(enumerate(ENDLESS))
    for number, (type_, endless, later) in tables.items():
        bank.has(
            f"create table core.a{number} (id int{key}, c {type_});"
            f"insert into core.a{number} values (1, '{endless}'),"
            f" (2, '{'2026-01-01' if '-' in later else 1}')"
        )
    source = bank.discovered(by_cursor(len(ENDLESS), write))
    bank.lands(source)
    for number, (_, endless, later) in tables.items():
        bank.has(f"insert into core.a{number} values (3, '{later}'), (4, '{endless}')")

    loads = bank.lands(source)

    for number, (type_, endless, _) in tables.items():
        load = loads[f"a{number}"]
        assert (load.error, load.row_count) == (None, 4), f"{endless} of {type_}"


def test_a_first_load_in_ranges_ends_where_cursors_have_no_end(bank: Bank) -> None:
    bank.has(
        "create table core.a (id int, c numeric);"
        "insert into core.a select i, i from generate_series(1, 40) i;"
        "insert into core.a values (41, 'NaN'), (42, 'Infinity'), (43, '-Infinity'), (44, null);"
        "analyze core.a"
    )
    source = bank.discovered("first_load_rows: 15\ntables:\n  core.a: {cursor: c, write: append}\n")
    bank.lands(source)
    bank.has("insert into core.a values (45, 39.5), (46, 41), (47, 'NaN'), (48, '-Infinity')")

    assert bank.lands(source)["a"].error is None

    landed = [number for (number,) in bank.landed("select id from bank_core.a order by id")]
    # 39.5 came below the landed maximum, which `append` is told not to happen
    assert landed == [*range(1, 45), 46, 47, 48]
