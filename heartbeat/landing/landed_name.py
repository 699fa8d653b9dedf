"""What a name of the source becomes in marts: snake_case, with the letters of every script."""

import hashlib
import unicodedata
from itertools import pairwise

from dlt.common.normalizers.naming.snake_case import NamingConvention

from heartbeat.identifier import MOST_BYTES, ascii_name, words_of

_TAG_BYTES = 4
# what dlt makes of the name of a pipeline has to be an identifier too
_MOST_OF_DLT = 48
_ascii = NamingConvention(max_length=MOST_BYTES)
_REPLACED = str.maketrans("+-*@|", "x_xal")


def landed_name(name: str) -> str:
    """The landed name of a table or a column.

    A name in ASCII becomes what dlt makes of it; the others follow the same rules, with their
    letters kept.
    """
    stripped = name.strip() or "_"
    if stripped.isascii():
        return str(_ascii.normalize_identifier(stripped))
    words = words_of(stripped.translate(_REPLACED))
    lowered = unicodedata.normalize("NFC", _with_breaks(words).lower())
    return _shortened(_without_edges(lowered), name)


def is_dlts_own(name: str) -> bool:
    """Whether a table of that name would be taken for one that dlt keeps in each landed schema."""
    return landed_name(name).startswith("_dlt")


def dlt_name(landed_schema: str) -> str:
    """What dlt calls a landed schema, and the pipeline that loads it."""
    name = ascii_name(landed_schema)
    if len(name) <= _MOST_OF_DLT and name == _ascii.normalize_identifier(name):
        return name
    return f"landed_{hashlib.blake2b(landed_schema.encode(), digest_size=16).hexdigest()}"


def _with_breaks(words: str) -> str:
    """`userId` as `user_Id`, `HTMLPage` as `HTML_Page`."""
    broken = words[:1]
    for position, (before, character) in enumerate(pairwise(words), start=1):
        starts_word = words[position + 1 : position + 2].islower() or before.islower()
        if character.isupper() and before != "_" and (starts_word or before.isdecimal()):
            broken += "_"
        broken += character
    return broken


def _without_edges(name: str) -> str:
    if name[0].isdecimal():
        name = f"_{name}"
    stripped = name.rstrip("_")
    ended = stripped + "x" * (len(name) - len(stripped))
    return "_".join(part for at, part in enumerate(ended.split("_")) if part or at == 0)


def _shortened(name: str, whole: str) -> str:
    """The name, with its end replaced by a tag of the whole where Postgres would cut it."""
    encoded = name.encode()
    if len(encoded) <= MOST_BYTES:
        return name
    tag = hashlib.blake2b(whole.encode(), digest_size=_TAG_BYTES).hexdigest()
    return f"{encoded[: MOST_BYTES - len(tag) - 1].decode(errors='ignore')}_{tag}"
