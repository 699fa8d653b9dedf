"""A column of a landed table, as a question."""

from collections.abc import Sequence

import typer

from heartbeat.landing.catalog import Column


def asked_column(question: str, columns: Sequence[Column]) -> str:
    """Ask for one of the columns."""
    names = ", ".join(each.landed_as for each in columns)
    return str(typer.prompt(f"{question} ({names})"))
