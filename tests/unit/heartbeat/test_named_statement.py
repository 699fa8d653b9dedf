from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heartbeat.errors import ContentError
from heartbeat.named_statement import NamedStatement, load_statements, split_statements

FILE = Path("some.sql")


def bodies(text: str) -> dict[str, str]:
    return {statement.name: statement.sql for statement in split_statements(FILE, text)}


def test_each_name_begins_a_statement_that_knows_its_lines() -> None:
    text = "-- about\n\n-- name: one\n\nselect 1\n;\n\n--name:two  \n  select 2\n"
    assert list(split_statements(FILE, text)) == [
        NamedStatement("one", "select 1\n;", line=5, name_line=3),
        NamedStatement("two", "select 2", line=9, name_line=8),
    ]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("select '\n-- name: b\n'", id="string"),
        pytest.param("select 'it''s \n-- name: b\n'", id="string with a doubled quote"),
        pytest.param("select 'x\\', '\n-- name: b\n'", id="a backslash is no escape"),
        pytest.param("select E'x\\'\n-- name: b\n'", id="escape string"),
        pytest.param('select "\n-- name: b\n"', id="quoted name"),
        pytest.param("do $$ begin '\n-- name: b\n end $$", id="dollar quotes"),
        pytest.param("do $fn$ $$ \n-- name: b\n $$ $fn$", id="tagged dollar quotes"),
        pytest.param("/* '\n-- name: b\n*/ select 1", id="block comment"),
        pytest.param("/* /* */ \n-- name: b\n*/ select 1", id="nested block comment"),
        pytest.param("/* -- */ select '\n-- name: b\n'", id="dashes end no block comment"),
        pytest.param("select 1 -- name: b", id="after other text on the line"),
        pytest.param("select 1 -- it's\n, 2", id="quote in a line comment"),
        pytest.param("select 1 -- /*\n, 2", id="block comment in a line comment"),
        pytest.param("select a$b, '\n-- name: b\n', c$b", id="dollar inside a name"),
        pytest.param("select $1, $2", id="parameters"),
        pytest.param("-- names: b\nselect 1", id="another word"),
    ],
)
def test_a_name_line_counts_only_where_it_is_a_comment_of_its_own(body: str) -> None:
    assert bodies(f"-- name: a\n{body}\n-- name: z\nselect 0") == {"a": body, "z": "select 0"}


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        pytest.param("select 1", 1, "SQL before the first", id="no name at all"),
        pytest.param("/* x */ -- y\n select 1\n-- name: a\nselect 1", 2, "SQL before", id="before"),
        pytest.param("\n-- name:\nselect 1", 2, "needs one word", id="no word"),
        pytest.param("-- name: a b\nselect 1", 1, "needs one word", id="two words"),
        pytest.param("-- name: a-b\nselect 1", 1, "needs one word", id="dash"),
        pytest.param("-- name: a\nselect 1\n-- name: a\nselect 2", 3, "in line 1", id="twice"),
        pytest.param("-- name: a\n\n-- name: b\nselect 2", 1, "'a' is empty", id="empty"),
    ],
)
def test_a_file_that_cannot_be_split_is_refused_at_its_line(
    text: str, line: int, problem: str
) -> None:
    with pytest.raises(ContentError, match=problem) as refusal:
        list(split_statements(FILE, text))
    assert refusal.value.line == line


def test_a_file_of_comments_has_no_statements() -> None:
    assert bodies("-- about\n/* name: a */\n") == {}


def test_statements_load_by_name(tmp_path: Path) -> None:
    path = tmp_path / "queries.sql"
    path.write_text("-- name: euro\nselect '€'\n", encoding="utf-8")
    assert load_statements(path) == {"euro": "select '€'"}


# any text without what begins a quote, a comment or a name line
plain_sql = st.text(st.characters(exclude_characters="'\"$-/*\r", exclude_categories=["Cs"]))


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_]\w*", fullmatch=True).filter(str.isascii),
        plain_sql.filter(str.strip),
        max_size=4,
    )
)
def test_named_statements_come_back_as_they_were_written(statements: dict[str, str]) -> None:
    text = "".join(f"-- name: {name}\n{sql}\n" for name, sql in statements.items())
    assert bodies(text) == {name: sql.strip() for name, sql in statements.items()}


def assert_is_a_line(line: int, lines: list[str]) -> None:
    assert 1 <= line <= len(lines)


@given(st.text(st.sampled_from("-- name: a\n/*'\"$E\\;")))
def test_arbitrary_text_is_split_or_refused(text: str) -> None:
    lines = text.split("\n")
    found: list[NamedStatement] = []
    try:
        found.extend(split_statements(FILE, text))
    except ContentError as error:
        assert_is_a_line(error.line, lines)
    assert all(lines[f.line - 1].strip().startswith(f.sql.split("\n")[0]) for f in found)
