"""YAML with lines: what a value is, and where an error is."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict

from heartbeat.errors import ContentError
from heartbeat.yaml_document import (
    NO_ENTRIES_WHEN_EMPTY,
    NO_ITEMS_WHEN_EMPTY,
    NONE_WHEN_EMPTY,
    parse_yaml,
    read_text,
)

PATH = Path("recipe.yaml")


class Step(BaseModel):
    model_config = ConfigDict(extra="forbid")

    minutes: int = 0
    tools: tuple[str, ...] = ()


class Recipe(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    grams: Annotated[Decimal | None, NONE_WHEN_EMPTY] = None
    tags: Annotated[tuple[str, ...], NO_ITEMS_WHEN_EMPTY] = ()
    steps: Annotated[dict[str, Step], NO_ENTRIES_WHEN_EMPTY] = {}
    makers: tuple[dict[str, str], ...] = ()


def recipe(text: str) -> Recipe:
    return parse_yaml(text, Recipe, PATH).content


def refusal_of(text: str, *, subject: str = "the file", first_line: int = 1) -> ContentError:
    with pytest.raises(ContentError) as refusal:
        parse_yaml(text, Recipe, PATH, subject=subject, first_line=first_line)
    return refusal.value


@pytest.mark.parametrize(
    "written", ["0123", "NULL", "1E10", "true", "no", "2026-01-01", "null", "~", "0x1F", "12:30"]
)
def test_text_stays_as_it_was_written(written: str) -> None:
    assert recipe(f"name: {written}").name == written


@pytest.mark.parametrize(
    ("written", "text"),
    [
        pytest.param("'%'", "%", id="quoted sign"),
        pytest.param('"a: b"', "a: b", id="quoted colon"),
        pytest.param("ž 漢 €", "ž 漢 €", id="any letters"),
        pytest.param("a # why", "a", id="comment"),
        pytest.param(">-\n  two\n  lines", "two lines", id="folded"),
        pytest.param("|\n  two\n  lines", "two\nlines", id="kept lines"),
    ],
)
def test_text_is_written_as_yaml_has_it(written: str, text: str) -> None:
    assert recipe(f"name: {written}").name == text


def test_a_number_keeps_its_digits() -> None:
    assert recipe("name: a\ngrams: 0.10000000000000000001").grams == Decimal(
        "0.10000000000000000001"
    )


@pytest.mark.parametrize("nothing", ["", "~", "null", "''"])
def test_a_key_that_is_left_empty_is_as_if_it_were_not_there(nothing: str) -> None:
    text = f"name: a\ngrams: {nothing}\ntags: {nothing}\nsteps: {nothing}\n"
    assert recipe(text) == recipe("name: a")


def test_every_key_knows_its_line_in_the_file() -> None:
    document = parse_yaml("# why\nname: a\n\nsteps:\n  mix: {}\n", Recipe, PATH, first_line=5)
    assert document.lines == {"name": 6, "steps": 8}


def test_an_anchor_is_read_where_it_is_named() -> None:
    text = "name: a\nsteps:\n  mix: &quick {minutes: 2}\n  bake: *quick\n"
    assert recipe(text).steps["bake"].minutes == 2


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        pytest.param("", 1, "the file must be lines of 'key: value'", id="empty"),
        pytest.param("# only a comment", 1, "the file must be lines of", id="comment only"),
        pytest.param("- a\n- b", 1, "the file must be lines of", id="list"),
        pytest.param("word", 1, "the file must be lines of", id="word"),
        pytest.param("grams: 1", 1, "the file needs the key 'name'", id="missing key"),
        pytest.param("name: a\ncolour: red", 2, "the file has no key 'colour'", id="unknown key"),
        pytest.param("name: a\n\nname: b", 3, "key 'name' is given twice", id="key twice"),
        pytest.param("name: a\n? [b]\n: c", 2, "a key must be one word", id="list as key"),
        pytest.param("name: a\ngrams: much", 2, "grams: must be a number", id="wrong value"),
        pytest.param("name: [a]", 1, "name: must be text", id="list as text"),
        pytest.param("name: a\ntags: b", 2, "tags: must be a list, such as [b]", id="text as list"),
        pytest.param(
            "name: a\ntags:\n  - b\n  - [c]", 4, "tags: item 2: ", id="wrong item of a list"
        ),
        pytest.param(
            "name: a\nsteps:\n  mix: {}\n  bake:\n    hours: 1",
            5,
            "steps.bake has no key 'hours'",
            id="unknown key inside",
        ),
        pytest.param(
            "name: a\nsteps:\n  mix:\n    minutes: long",
            4,
            "steps.mix.minutes: ",
            id="wrong value inside",
        ),
        pytest.param(
            "name: a\nsteps:\n  mix: {}\n  mix: {}",
            4,
            "key 'mix' is given twice",
            id="twice inside",
        ),
        pytest.param(
            "name: a\nmakers:\n  - a: 1\n    a: 2",
            4,
            "key 'a' is given twice",
            id="twice inside a list",
        ),
        pytest.param("name: a\ntags: [b", 2, "the file is not YAML: ", id="open bracket"),
        pytest.param("name: a: b", 1, "the file is not YAML: mapping values", id="second colon"),
        pytest.param("name: a\n\tgrams: 1", 2, "the file is not YAML: ", id="tab"),
        pytest.param("name: a\ngrams: \x07", 2, "that YAML does not allow", id="control character"),
        pytest.param("[" * 3000, 1, "the file is nested too deeply", id="deep"),
        pytest.param("name: &a [*a]", 1, "the file is nested too deeply", id="endless"),
    ],
)
def test_a_document_that_cannot_be_used_is_refused_at_its_line(
    text: str, line: int, problem: str
) -> None:
    refusal = refusal_of(text)
    assert refusal.line == line
    assert problem in refusal.problem


@pytest.mark.parametrize("sign", ["%", "@", "`"])
def test_a_sign_that_yaml_keeps_for_itself_must_be_quoted(sign: str) -> None:
    refusal = refusal_of(f"name: a\ngrams: {sign} of all")
    assert (refusal.line, refusal.problem) == (
        2,
        f"the file is not YAML: text that begins with {sign} needs quotes, such as '{sign}'",
    )


def test_the_first_problem_of_the_file_is_told() -> None:
    text = "name: a\ncolour: red\ngrams: much\nname: b"
    told = []
    for repair in [("colour: red\n", ""), ("much", "1"), ("\nname: b", "")]:
        told.append(refusal_of(text).problem.split(":")[0])
        text = text.replace(*repair)
    assert told == ["the file has no key 'colour'", "grams", "key 'name' is given twice"]
    assert recipe(text).grams == 1


def test_a_part_of_a_file_is_called_by_its_name_and_keeps_the_lines_of_the_file() -> None:
    refusal = refusal_of("name: a\ncolour: red", subject="the header", first_line=10)
    assert (refusal.line, refusal.problem) == (11, "the header has no key 'colour'")
    assert refusal_of("grams: 1", subject="the header", first_line=10).line == 1


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"a: 1\nb: 2\n", id="LF"),
        pytest.param(b"a: 1\r\nb: 2\r\n", id="CRLF"),
        pytest.param(b"a: 1\rb: 2\r", id="CR"),
        pytest.param(b"\xef\xbb\xbfa: 1\nb: 2\n", id="byte order mark"),
    ],
)
def test_a_file_of_any_editor_reads_the_same(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    assert read_text(path) == "a: 1\nb: 2\n"


def test_text_that_is_not_utf_8_is_refused_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("a: 1\nb: ¤".encode("latin-1"))
    with pytest.raises(ContentError, match=r"a\.yaml:2: the text is not UTF-8"):
        read_text(path)


def test_a_file_that_cannot_be_read_is_a_content_error(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="the file cannot be read: No such file"):
        read_text(tmp_path / "a.yaml")
