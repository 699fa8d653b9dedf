"""The platform's own SQL, one file a subject, named statements in it."""

from collections.abc import Mapping
from pathlib import Path

from heartbeat.named_statement import load_statements


def platform_statements(subject: str) -> Mapping[str, str]:
    """The statements of `<subject>.sql`, by name."""
    return load_statements(Path(__file__).parent / f"{subject}.sql")
