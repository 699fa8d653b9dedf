"""Why an operator changes something, in words for the change log."""

from typing import Annotated

from pydantic import StringConstraints

ONE_TEXT = r"^[^\x00]*$"
"""Postgres takes no NUL in a text."""

ChangeReason = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=2000, pattern=ONE_TEXT)
]
"""At most 2,000 characters."""
