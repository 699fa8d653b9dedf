"""The words of a statement. What stands here is signed: a change ends verifications."""

import pytest

from heartbeat.metrics.sql_words import sql_words


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT  Count( * )\nfrom A.B", "select count ( * ) from a . b"),
        ("select *, x.* from t", "select * of columns , x . * of columns from t"),
        ("a -- b ' c\n/* d /* e */ f */ b;", "a b"),
        (
            "'it''s' 'A' $$x;$$ $t$y$$z$t$",
            "string \"it's\" string 'A' heredoc_string 'x;' heredoc_string 'y$$z'",
        ),
        (r"E'a\'b''c\n' e'\\'", r"""byte_string "a'b'c\n" byte_string '\\'"""),
        ("b'01' X'ff' n'a'", "bit_string '01' hex_string 'ff' national_string 'a'"),
        ('"A" "a""b" a$b ä', '"A" "a"b" a$b ä'),
        ("1.5 1e5 1E+5 .5 0x1F", "1.5 1e5 1e+5 . 5 hex_string '1F'"),
        ("a->>'b'->0 <>!= <= :: || @> !~* <->", "a ->> string 'b' -> 0 <> != <= :: || @> ! ~* <->"),
        ("a is not null group  by b", "a is not null group by b"),
        ("'never closed", "' never closed"),
        ("/* never closed", ""),
    ],
    ids=[
        *("case and spaces", "columns", "comments", "texts", "escapes", "prefixes", "names"),
        *("numbers", "operators", "keywords", "open text", "open comment"),
    ],
)
def test_the_words_of_a_statement(sql: str, words: str) -> None:
    assert " ".join(sql_words(sql)) == words
