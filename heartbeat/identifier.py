"""Names that Postgres takes unquoted, in the letters of every script, and their like in ASCII."""

import unicodedata
from itertools import groupby

MOST_BYTES = 63
"""Of an identifier in Postgres, in UTF-8."""
_PREFIX = "xn_"


def words_of(name: str) -> str:
    """The name with letters, their marks, digits and `_` kept, and `_` for what is between them."""
    composed = unicodedata.normalize("NFC", name)
    return "".join(
        "".join(group) if kept else "_" for kept, group in groupby(composed, key=_is_kept)
    )


def ascii_name(name: str) -> str:
    """The name for what takes no other letters (Dagster, dlt), written as domain names write it."""
    if name.isascii():
        return name
    return _PREFIX + name.encode("punycode").decode("ascii").replace("-", "_")


def original_name(written: str) -> str:
    """The name that `ascii_name` has written so."""
    if not written.startswith(_PREFIX):
        return written
    kept, _, rest = written.removeprefix(_PREFIX).rpartition("_")
    try:
        name = (f"{kept}-{rest}" if kept else rest).encode("ascii").decode("punycode")
    except UnicodeError:
        return written
    return name if ascii_name(name) == written else written


def _is_kept(character: str) -> bool:
    return character == "_" or unicodedata.category(character)[0] in "LMN"
