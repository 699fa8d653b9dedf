"""Every value lands as the source has it, in a column of the source's own type."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from heartbeat.landing.catalog import write_catalog
from heartbeat.landing.landing_run import LandingRun
from heartbeat.landing.ledger import TableLoad
from heartbeat.landing.selection import select_tables
from heartbeat.landing.source_session import source_session
from heartbeat.settings import Settings
from heartbeat.source import load_sources, parse_source_file

TYPES = """
create schema core;
create type core.result as enum ('MATCH', 'NO_MATCH', 'with space', 'ünï');
create domain core.share as numeric(5, 2) check (value >= 0);
create domain core.vat_share as core.share check (value < 100);
create type core.pair as (a int, b text);
"""

COLUMNS: dict[str, tuple[str, str, list[str]]] = {
    # name: (source type, landed type, values as SQL)
    "int2_": ("smallint", "smallint", ["-32768", "32767"]),
    "int4_": ("integer", "integer", ["-2147483648", "2147483647"]),
    "int8_": ("bigint", "bigint", ["-9223372036854775808", "9223372036854775807"]),
    "free_numeric": (
        "numeric",
        "numeric",
        [
            "123456789012345678901234567890.123456789012345678901",
            "'NaN'",
            "'Infinity'",
            "1.0",
            "1.00",
        ],
    ),
    "fixed_numeric": (
        "numeric(19,4)",
        "numeric(19,4)",
        ["0.0001", "-999999999999999.9999", "'NaN'"],
    ),
    "real_": ("real", "real", ["1e-37", "'NaN'", "'Infinity'", "0.1"]),
    "double_": (
        "double precision",
        "double precision",
        ["0.1", "'-Infinity'", "1e308", "'NaN'", "-0.0"],
    ),
    "text_": (
        "text",
        "text",
        [
            "''",
            r"'\N'",
            "'\"quoted\" ''single'''",
            r"E'line\nbreak\r\n'",
            r"E'tab\there'",
            r"'back\slash'",
            "'żółć 漢字 🙂'",
            "' leading and trailing '",
            r"'\.'",
            "'null'",
            "','",
        ],
    ),
    "varchar_": ("character varying(7)", "character varying(7)", ["''", "'seven77'"]),
    "char_": ("character(5)", "character(5)", ["'ab'", "''"]),
    "bool_": ("boolean", "boolean", ["true", "false"]),
    "bytea_": ("bytea", "bytea", [r"'\x00ff0a0d5c'", r"'\x'"]),
    "uuid_": ("uuid", "uuid", ["'00000000-0000-0000-0000-00000000000f'"]),
    "json_": ("json", "json", ['\'{"b": 1,  "a": [1, 2]}\'', "'\"text\"'", "'null'", "'1.10'"]),
    "jsonb_": ("jsonb", "jsonb", ['\'{"b": 1, "a": "\\\\n"}\'', "'true'", "'null'", "'1e2'"]),
    "ints": (
        "integer[]",
        "integer[]",
        ["'{}'", "'{1,NULL,3}'", "'{{1,2},{3,4}}'", "'[0:1]={7,8}'"],
    ),
    "texts": ("text[]", "text[]", ['\'{"",NULL,"a,b","\\"q\\""}\'']),
    "numerics": ("numeric(6,3)[]", "numeric(6,3)[]", ["'{1.005,NULL}'"]),
    "enum_": ("core.result", "text", ["'MATCH'", "'with space'", "'ünï'"]),
    "enums": ("core.result[]", "text[]", ["'{MATCH,\"with space\"}'"]),
    "domain_": ("core.share", "numeric(5,2)", ["12.30"]),
    "domain_of_domain": ("core.vat_share", "numeric(5,2)", ["99.99"]),
    "composite_": ("core.pair", "text", ["row(1, 'x,y')"]),
    "chars": ("character(3)[]", "character(3)[]", ["'{ab,NULL}'"]),
    "bit_list": ("bit(3)[]", "bit(3)[]", ["'{101,010}'"]),
    "domains": ("core.share[]", "numeric(5,2)[]", ["'{1.50,NULL}'"]),
    "composites": ("core.pair[]", "text[]", ["array[row(1, 'x,y')::core.pair]"]),
    "single": ('"char"', '"char"', ["'a'"]),
    "interval_day": ("interval day to second(2)", "interval day to second(2)", ["'1 02:03:04.56'"]),
    "inet_": ("inet", "inet", ["'10.0.0.1/24'", "'::1'"]),
    "cidr_": ("cidr", "cidr", ["'10.1.0.0/16'"]),
    "macaddr_": ("macaddr", "macaddr", ["'08:00:2b:01:02:03'"]),
    "interval_": ("interval", "interval", ["'1 year 2 mons -3 days 04:05:06.789'", "'-00:00:01'"]),
    "date_": ("date", "date", ["'infinity'", "'0044-03-15 BC'", "'2026-02-28'"]),
    "time_": ("time without time zone", "time without time zone", ["'24:00'", "'00:00:00.000001'"]),
    "timetz_": ("time with time zone", "time with time zone", ["'12:00+05:30'"]),
    "timestamp_": (
        "timestamp without time zone",
        "timestamp without time zone",
        ["'-infinity'", "'2026-03-29 02:30:00.123456'"],
    ),
    "timestamptz_": (
        "timestamp with time zone",
        "timestamp with time zone",
        ["'infinity'", "'2026-03-29 02:30:00.123456+13'"],
    ),
    "timestamp0": (
        "timestamp(0) without time zone",
        "timestamp(0) without time zone",
        ["'2026-01-01'"],
    ),
    "int_range": ("int4range", "int4range", ["'[1,5)'", "'empty'", "'(,3)'"]),
    "num_range": ("numrange", "numrange", ["'[1.10,2.20]'"]),
    "tstz_range": ("tstzrange", "tstzrange", ["'[2026-01-01 00:00+02,infinity)'"]),
    "bits": ("bit(4)", "bit(4)", ["B'1010'"]),
    "varbits": ("bit varying(8)", "bit varying(8)", ["B'1'"]),
    "tsvector_": ("tsvector", "tsvector", ["'fat:2,4 cat:3A'"]),
    "tsquery_": ("tsquery", "tsquery", ["'fat & !rat'"]),
    "point_": ("point", "point", ["'(1.5,-2)'"]),
    "oid_": ("oid", "oid", ["42"]),
    "reg_": ("regclass", "text", ["'pg_class'"]),
}


class Silent:
    def landed(self, load: TableLoad) -> None:
        """Nobody watches."""

    def noted(self, message: str) -> None:
        raise AssertionError(message)


@pytest.fixture(params=["replace", "reconcile"])
def landed(
    request: pytest.FixtureRequest,
    settings: Settings,
    source_url: str,
    marts: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[psycopg.Connection[Any], psycopg.Connection[Any]]]:
    """One source table per type, each value in a row of its own beside a NULL.

    All land, lose their values in marts, and are mended: replaced, or merged by key and hash.
    """
    monkeypatch.setenv("SOURCE_TYPES_URL", source_url)
    path = settings.project / "sources" / "types.yaml"
    path.write_text(
        "kind: postgres\nconnection_env: SOURCE_TYPES_URL\nschemas: [core]\ntables:\n"
        + "".join(f"  core.{name}: {{write: {request.param}}}\n" for name in COLUMNS)
    )
    with psycopg.connect(source_url, autocommit=True) as source:
        source.execute(TYPES)
        for name, (source_type, _, values) in COLUMNS.items():
            rows = ", ".join(f"({row}, {value})" for row, value in enumerate([*values, "null"]))
            source.execute(
                f"create table core.{name} (id int primary key, v {source_type});"
                f"insert into core.{name} values {rows}".encode()
            )
        with source_session("types", parse_source_file(path)) as session:
            write_catalog(path.with_name("types.catalog.json"), session.catalog())
        (loaded,) = load_sources(path.parent).sources
        (part,) = select_tables([loaded], source=None, schema=None, tables=None)
        for reconcile in (False, True):
            with LandingRun(settings, "run-1", [part], Silent(), reconcile=reconcile) as run:
                errors = {load.landed_table: load.error for load in run.land(part)}
            assert {name: error for name, error in errors.items() if error} == {}
            if not reconcile:
                for name in COLUMNS:
                    marts.execute(f"update types_core.{landed_name(name)} set v = null".encode())
        yield source, marts


def rows(connection: psycopg.Connection[Any], table: str) -> list[tuple[Any, ...]]:
    for setting in ("set timezone = 'UTC'", "set intervalstyle = 'postgres'"):
        connection.execute(setting)
    return connection.execute(
        f"select id, v is null, v::text, md5(r::text) from {table} r order by id".encode()
    ).fetchall()


def test_every_value_of_every_type_lands_as_it_is_in_a_column_of_its_own_type(
    landed: tuple[psycopg.Connection[Any], psycopg.Connection[Any]],
) -> None:
    source, marts = landed
    types = dict(
        marts.execute(
            "select c.relname::text, format_type(a.atttypid, a.atttypmod) from pg_attribute a"
            " join pg_class c on c.oid = a.attrelid"
            " where c.relnamespace = 'types_core'::regnamespace and c.relkind = 'r'"
            " and a.attname = 'v' and c.relname not like '\\_dlt%'"
        ).fetchall()
    )
    assert types == {landed_name(name): type_ for name, (_, type_, _) in COLUMNS.items()}
    for name, (_, _, values) in COLUMNS.items():
        expected = rows(source, f"core.{name}")
        assert len(expected) == len(values) + 1
        assert rows(marts, f"types_core.{landed_name(name)}") == expected, name


def landed_name(name: str) -> str:
    """As dlt's snake_case has it: an underscore at the end becomes an x."""
    return f"{name[:-1]}x" if name.endswith("_") else name
