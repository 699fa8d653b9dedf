"""The file that says which client belongs to which segment: `segments/clients.sql`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from heartbeat.errors import ContentError
from heartbeat.headed_sql import parse_headed_sql
from heartbeat.table_reference import TableRef

FILE_NAME = "clients.sql"

_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


@dataclass(frozen=True)
class ClientSegments:
    """The file, read and checked.

    `rules` says of each segment who is in it, in the order in which a reader should see them. `sql`
    gives one row a client: its id and its segment, as of `heartbeat.as_of()`.
    """

    rules: Mapping[str, str]
    description: str
    methodology: str
    path: Path
    sql: str
    line: int
    reads: tuple[TableRef, ...]


@dataclass(frozen=True)
class LoadedSegments:
    """The segments of a folder, None without a usable file, and what is wrong with its files."""

    segments: ClientSegments | None
    problems: tuple[ContentError, ...]


def load_segments(folder: Path) -> LoadedSegments:
    """Read `clients.sql` of the folder; any other SQL file there is a problem.

    A folder or a file that is not there is no problem: the project then has no segments.
    """
    problems = [
        ContentError(path, 1, f"nothing reads this file; segments are defined in {FILE_NAME}")
        for path in sorted(folder.glob("*.sql"))
        if path.name != FILE_NAME
    ]
    path = folder / FILE_NAME
    if not path.exists():
        return LoadedSegments(None, tuple(problems))
    try:
        return LoadedSegments(parse_segments(path), tuple(problems))
    except ContentError as problem:
        return LoadedSegments(None, (problem, *problems))


def parse_segments(path: Path) -> ClientSegments:
    """Read the file; raises `ContentError` at the line of its first problem."""
    parsed = parse_headed_sql(path, _Header, subject="a segments file", required="segments")
    header, query = parsed.header.content, parsed.queries["segments"]
    return ClientSegments(
        rules=header.segments,
        description=header.description,
        methodology=header.methodology,
        path=path,
        sql=query.sql,
        line=query.line,
        reads=query.reads,
    )


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid")

    segments: Annotated[dict[_Words, _Words], Field(min_length=1)]
    description: _Words
    methodology: _Words
