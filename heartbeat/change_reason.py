"""Why an operator changes something, in words for the change log."""

from typing import Annotated

from pydantic import StringConstraints

from heartbeat.client_text import OneLine

ChangeReason = Annotated[OneLine, StringConstraints(max_length=2000)]
"""At most 2,000 characters, on one line."""
