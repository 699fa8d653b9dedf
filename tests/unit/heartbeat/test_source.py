"""Source files: what they may say, and how an error in one is told."""

import json
from pathlib import Path

import pytest

from heartbeat.errors import ContentError, SourceUnreachableError
from heartbeat.qualified_name import qualified_name, split_name
from heartbeat.source import (
    LoadedSources,
    connection_url,
    landed_schema,
    load_sources,
    parse_source_file,
)

GOOD = """\
kind: postgres
connection_env: SOURCE_BANK_URL
schemas: [core, dict]
skip_tables: [core.lock_table]
tables:
  core.payment: {cursor: update_time, lag: 15 minutes}
  core.client_document: {drop_columns: [content]}
  dict.country: {write: replace}
indexes:
  core.entry: [[entry_state_id, create_time]]
"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder: Path, **files: str) -> LoadedSources:
    for name, text in files.items():
        written(folder, f"{name}.yaml", text)
        written(folder, f"{name}.catalog.json", json.dumps({"tables": []}))
    return load_sources(folder)


def test_a_source_file_says_what_it_lands_and_how(tmp_path: Path) -> None:
    file = parse_source_file(written(tmp_path, "bank.yaml", GOOD))
    assert file.schemas == ("core", "dict")
    assert file.tables["core.payment"].cursor == "update_time"
    assert file.tables["core.payment"].lag == "15 minutes"
    assert file.tables["core.client_document"].drop_columns == ("content",)
    assert file.indexes["core.entry"] == (("entry_state_id", "create_time"),)


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (("kind: postgres", "kind: oracle"), 1, "kind"),
        (("kind: postgres", "kin: postgres"), 1, "kin"),
        (("SOURCE_BANK_URL", "postgresql://u:p@h/d"), 2, "connection_env"),
        (("schemas: [core, dict]", "schemas: []"), 3, "schemas"),
        (("core.lock_table", "lock_table"), 4, "skip_tables"),
        (("15 minutes", "a while"), 6, "lag"),
        (("{cursor: update_time", "{curser: update_time"), 6, "curser"),
        (("dict.country", "scb.country"), 5, "scb.country is in none of the landed schemas"),
        (("[core.lock_table]", "{core: lock_table}"), 4, "skip_tables"),
        (("schemas: [core, dict]", "schemas: [core, dict"), 4, "not YAML"),
        (("core.client_document", "core.payment"), 7, "given twice"),
    ],
    ids=[
        "unknown kind",
        "unknown key",
        "secret in the file",
        "no schema",
        "table without schema",
        "no interval",
        "unknown option",
        "schema that is not landed",
        "mapping for a list",
        "not YAML",
        "a table twice",
    ],
)
def test_an_error_names_the_file_and_the_line(
    tmp_path: Path, change: tuple[str, str], line: int, words: str
) -> None:
    path = written(tmp_path, "bank.yaml", GOOD.replace(*change))
    with pytest.raises(ContentError) as refusal:
        parse_source_file(path)
    assert (refusal.value.path, refusal.value.line) == (path, line)
    assert words in refusal.value.problem


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("15 minutes", "a while"), "tables.core.payment.lag: a while is neither a time such as"),
        (("15 minutes", "-5"), "tables.core.payment.lag: -5 is neither a time such as"),
        (("skip", "statement_timeout: 5\nskip"), "statement_timeout: 5 is no time such as"),
        (("[core.lock_table]", "core.rls"), "skip_tables: must be a list, such as [core.rls]"),
        (("[core.lock_table]", "'u:hunter2@h'"), "skip_tables: must be a list, such as [one, two]"),
        (("kind: postgres", "kind: fax"), "kind: must be 'postgres'"),
        (("schemas: [core, dict]", "schemas: []"), "schemas: must have 1 or more entries"),
        (("skip", "first_load_rows: 0\nskip"), "first_load_rows: must be more than 0"),
        (("SOURCE_BANK_URL", "hunter2"), "connection_env: give the name of an environment"),
        (("core.lock_table", "a.b.c"), "skip_tables: item 1: a.b.c is not schema.table; a name"),
        (("core.lock_table", 'core."lock"'), 'core."lock" needs no quotes: write core.lock'),
    ],
)
def test_a_wrong_value_is_told_in_words_with_an_example(
    tmp_path: Path, change: tuple[str, str], problem: str
) -> None:
    path = written(tmp_path, "bank.yaml", GOOD.replace(*change))
    with pytest.raises(ContentError) as refusal:
        parse_source_file(path)
    assert problem in refusal.value.problem
    assert "^" not in refusal.value.problem
    assert "hunter2" not in refusal.value.problem


def test_a_name_with_a_dot_is_quoted(tmp_path: Path) -> None:
    text = GOOD.replace("[core.lock_table]", """['core."rates.eur"', 'core."5""-pipe"']""")
    file = parse_source_file(written(tmp_path, "bank.yaml", text))
    assert [split_name(name) for name in file.skip_tables] == [
        ("core", "rates.eur"),
        ("core", '5"-pipe'),
    ]
    assert all(qualified_name(*split_name(name)) == name for name in file.skip_tables)


def test_a_broken_source_leaves_the_others_loaded(tmp_path: Path) -> None:
    found = loaded(tmp_path, bank=GOOD, cards="kind: fax\n")
    assert [source.name for source in found.sources] == ["bank"]
    assert [problem.path.name for problem in found.problems] == ["cards.yaml"]


def test_a_source_without_a_catalog_says_how_to_make_one(tmp_path: Path) -> None:
    written(tmp_path, "bank.yaml", GOOD)
    found = load_sources(tmp_path)
    assert found.sources == ()
    assert "run `heartbeat source discover bank`" in found.problems[0].problem


@pytest.mark.parametrize(
    "catalog", ["", "[]", '{"tables": [{"name": 1}]}'], ids=["empty", "a list", "wrong"]
)
def test_a_broken_catalog_says_how_to_make_it_anew(tmp_path: Path, catalog: str) -> None:
    written(tmp_path, "bank.yaml", GOOD)
    written(tmp_path, "bank.catalog.json", catalog)
    found = load_sources(tmp_path)
    assert found.sources == ()
    assert "run `heartbeat source discover bank`" in found.problems[0].problem


COLUMN = {
    "name": "id",
    "landed_as": "id",
    "source_type": "integer",
    "landed_type": "integer",
    "nullable": False,
}
TABLE = {
    "schema_name": "core",
    "name": "fee",
    "landed_as": "fee",
    "columns": [COLUMN],
    "primary_key": ["id"],
    "write": "replace",
    "reason": "",
}


@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        ([TABLE, TABLE], "core.fee is there twice"),
        ([TABLE | {"columns": [COLUMN, COLUMN]}], "id is there twice"),
        ([TABLE | {"primary_key": ["nr"]}], "the key has nr, which is no column"),
        ([TABLE | {"landed_as": "a fee"}], "'a fee' is no name that a table or a column lands as"),
    ],
    ids=["a table twice", "a column twice", "a key that is no column", "no name"],
)
def test_a_catalog_that_does_not_hold_together_is_the_trouble_of_its_source_alone(
    tmp_path: Path, tables: list[dict[str, object]], problem: str
) -> None:
    loaded(tmp_path, bank=GOOD, cards=GOOD)
    written(tmp_path, "bank.catalog.json", json.dumps({"tables": tables}))
    found = load_sources(tmp_path)
    assert [source.name for source in found.sources] == ["cards"]
    assert problem in found.problems[0].problem
    assert "run `heartbeat source discover bank`" in found.problems[0].problem


def test_two_sources_that_land_in_one_schema_are_both_refused(tmp_path: Path) -> None:
    one, other = (
        f"kind: postgres\nconnection_env: SOURCE_URL\nschemas: [{schema}]\n"
        for schema in ("b_c", "c")
    )
    found = loaded(tmp_path, a=one, a_b=other, bank=GOOD)
    assert [source.name for source in found.sources] == ["bank"]
    assert {problem.path.name for problem in found.problems} == {"a.yaml", "a_b.yaml"}


def test_a_project_without_sources_has_none(tmp_path: Path) -> None:
    assert load_sources(tmp_path / "missing") == LoadedSources((), ())


@pytest.mark.parametrize(
    ("source", "schema", "expected"),
    [
        ("webbank", "core", "webbank_core"),
        ("card-management", "card", "card_management_card"),
        ("currency-rate", "Rate", "currency_rate_rate"),
    ],
)
def test_the_landed_schema_is_source_and_schema_in_snake_case(
    source: str, schema: str, expected: str
) -> None:
    assert landed_schema(source, schema) == expected


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "hunter2",
        "postgresql://u:hunter2/x@h/d",
        "postgresql://u:p@hunter2@h/d",
        "postgresql://u:%zhunter2@h/d",
        "postgresql://u:hunter2@h:port/d",
        "postgresql://u:hunter2@h/d?passwort=hunter2",
    ],
    ids=[
        "not set",
        "empty",
        "no URL",
        "slash",
        "second at sign",
        "percent sign",
        "port that is no number",
        "unknown option",
    ],
)
def test_a_missing_or_broken_url_names_its_variable_and_not_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    file = parse_source_file(written(tmp_path, "bank.yaml", GOOD))
    if value is None:
        monkeypatch.delenv("SOURCE_BANK_URL", raising=False)
    else:
        monkeypatch.setenv("SOURCE_BANK_URL", value)
    with pytest.raises(SourceUnreachableError) as refusal:
        connection_url("bank", file)
    assert "SOURCE_BANK_URL" in str(refusal.value)
    assert "hunter2" not in str(refusal.value)
