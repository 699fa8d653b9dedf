"""`schema.table` of a source, as source files and messages write it.

A part that holds a dot or a double quote stands in double quotes: `core."rates.eur"`. No part is
folded to lower case.
"""

import re

_PART = r'(?:[^."]+|"(?:[^"]|"")+")'
_QUALIFIED = re.compile(rf"({_PART})\.({_PART})")


def qualified_name(schema_name: str, name: str) -> str:
    """The one way to write the name of a table."""
    return f"{_quoted(schema_name)}.{_quoted(name)}"


def split_name(text: str) -> tuple[str, str]:
    """Schema and table; raises ValueError where the text is not the way to write them."""
    parts = _QUALIFIED.fullmatch(text)
    if parts is None:
        raise ValueError(
            f"{text} is not schema.table; a name that holds a dot or a double quote stands in "
            'double quotes, such as core."rates.eur"'
        )
    schema_name, name = (_unquoted(part) for part in parts.groups())
    if text != qualified_name(schema_name, name):
        raise ValueError(f"{text} needs no quotes: write {qualified_name(schema_name, name)}")
    return schema_name, name


def _quoted(part: str) -> str:
    doubled = part.replace('"', '""')
    return f'"{doubled}"' if set(part) & {".", '"'} else part


def _unquoted(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part
