"""Text that a client sends and a person or a database reads later: one rule for all of it."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator

_JOINERS = "\u200c\u200d"
"""Persian and emoji are written with them; every other format character only hides something."""

_REFUSED_KINDS = {
    "Cc": "a control character",
    "Cf": "an invisible character",
    "Cs": "half a character",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}
_WHITE_SPACE = str.maketrans("\t\r\n", "   ")


def one_line(text: str) -> str:
    """The text on one line, in Unicode's normal form NFC; raises ValueError for what hides in it.

    Refused are NUL and other control characters, halves of surrogate pairs, and invisible
    characters, with which a name can look like another or turn the direction of a line.
    """
    line = unicodedata.normalize("NFC", text.translate(_WHITE_SPACE))
    for character in line:
        kind = _REFUSED_KINDS.get(unicodedata.category(character))
        if kind and character not in _JOINERS:
            raise ValueError(f"must not hold {kind} (U+{ord(character):04X})")
    return line.strip()


OneLine = Annotated[str, AfterValidator(one_line)]
"""A text of a client as a field of a model."""
