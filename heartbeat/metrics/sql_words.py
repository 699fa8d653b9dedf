"""The words of a SQL statement: what is left when it does not matter how it is laid out.

Definitions are made of these words and signed, so they may not change with a library's version.
"""

import re
from collections.abc import Iterator
from functools import cache

ALL_COLUMNS = "* of columns"
"""The word for a star that stands for columns, as in `select *`; that of `count(*)` is `*`."""

_LEXEME = re.compile(
    r"""
    (?P<blank> \s+ | --[^\n]*)
  | (?P<comment> /\*)
  | (?<![\w$]) \$(?P<tag> (?:[^\W\d]\w*)?)\$ (?P<heredoc> .*?) \$(?P=tag)\$
  | (?<![\w$]) (?P<escaped> [eE]) '(?P<escaped_text> (?:\\.|''|[^'\\])*)'
  | (?P<prefix> (?<![\w$]) (?:[bBxXnN]|[uU]&))? '(?P<text> (?:''|[^'])*)'
  | "(?P<quoted> (?:""|[^"])*)"
  | 0 (?P<base> [xXbB]) (?P<digits> [0-9a-fA-F]+)
  | (?P<number> \d+ \.? \d* (?:[eE][+-]?\d+)?)
  | (?P<word> [^\W\d][\w$]*)
  | (?P<operator>
        ->>? | \#>>? | <-> | -\|- | \|\|?/ | \|\| | ~~?\* | ~~ | <> | != | <= | >= | <@ | @> | @@
      | && | &< | &> | :: | := | => | \?\| | \?& | \^@ | .
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_ESCAPE = re.compile(r"\\.|''", re.DOTALL)
_ESCAPES = {
    "''": "'",
    "\\'": "'",
    "\\\\": "\\",
    "\\b": "\b",
    "\\f": "\f",
    "\\n": "\n",
    "\\r": "\r",
    "\\t": "\t",
}
_KINDS = {
    "": "string",
    "b": "bit_string",
    "x": "hex_string",
    "n": "national_string",
    "u&": "unicode_string",
}


@cache
def sql_words(sql: str) -> tuple[str, ...]:
    """The words without comments and semicolons, folded where they are not quoted."""
    words = list(_words(sql))
    return tuple(
        ALL_COLUMNS if word == "*" and following in ("from", ",") else word
        for word, following in zip(words, [*words, ""][1:], strict=True)
        if word != ";"
    )


def _words(sql: str) -> Iterator[str]:
    position = 0
    while lexeme := _LEXEME.match(sql, position):
        position = lexeme.end()
        if lexeme["comment"]:
            position = _comment_end(sql, position)
        elif lexeme["blank"] is None:
            yield _word(lexeme)


def _word(lexeme: re.Match[str]) -> str:
    if lexeme["heredoc"] is not None:
        return f"heredoc_string {lexeme['heredoc']!r}"
    if lexeme["escaped"] is not None:
        text = _ESCAPE.sub(lambda each: _ESCAPES.get(each[0], each[0]), lexeme["escaped_text"])
        return f"byte_string {text!r}"
    if lexeme["text"] is not None:
        text = lexeme["text"].replace("''", "'")
        return f"{_KINDS[(lexeme['prefix'] or '').lower()]} {text!r}"
    if lexeme["quoted"] is not None:
        name = lexeme["quoted"].replace('""', '"')
        return f'"{name}"'
    if lexeme["base"] is not None:
        return f"{_KINDS[lexeme['base'].lower()]} {lexeme['digits']!r}"
    return lexeme.group().lower()


def _comment_end(sql: str, position: int) -> int:
    """The end of a block comment whose opening ends at `position`; block comments nest."""
    depth = 1
    for edge in _COMMENT_EDGE.finditer(sql, position):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(sql)
