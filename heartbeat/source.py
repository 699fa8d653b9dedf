"""A source: the file `sources/<name>.yaml` and the catalog beside it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from heartbeat.errors import ContentError, SourceUnreachableError
from heartbeat.landing.catalog import Catalog, read_catalog
from heartbeat.yaml_document import parse_yaml, read_text

_QualifiedName = Annotated[str, StringConstraints(pattern=r"^[^.]+\.[^.]+$")]
_Interval = Annotated[str, StringConstraints(pattern=r"^\d+ (second|minute|hour|day)s?$")]


class TableOptions(BaseModel):
    """What the source file says about one table; everything else follows from its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cursor: str | None = None
    """Column that grows with every change of a row; only rows past the landed maximum are read."""
    lag: _Interval = "0 seconds"
    """How far before the landed maximum a load reads; must exceed the longest transaction."""
    write: Literal["merge", "replace"] | None = None
    drop_columns: tuple[str, ...] = ()
    """Columns that are never read, for example personal data."""


class SourceFile(BaseModel):
    """The content of `sources/<name>.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["postgres"]
    connection_env: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
    schemas: Annotated[tuple[str, ...], Field(min_length=1)]
    skip_tables: tuple[_QualifiedName, ...] = ()
    tables: dict[_QualifiedName, TableOptions] = {}
    indexes: dict[_QualifiedName, tuple[Annotated[tuple[str, ...], Field(min_length=1)], ...]] = {}

    @model_validator(mode="after")
    def _names_only_landed_schemas(self) -> Self:
        for name in (*self.skip_tables, *self.tables, *self.indexes):
            if name.split(".")[0] not in self.schemas:
                raise ValueError(
                    f"{name} is in none of the landed schemas ({', '.join(self.schemas)})"
                )
        return self


@dataclass(frozen=True)
class Source:
    """One source system that Heartbeat lands."""

    name: str
    path: Path
    file: SourceFile
    catalog: Catalog

    def landed_schema(self, schema_name: str) -> str:
        """The schema in marts that holds the tables of one source schema."""
        return landed_schema(self.name, schema_name)

    def connection_url(self) -> str:
        """The libpq URL; raises SourceUnreachableError that names the variable."""
        return connection_url(self.name, self.file)


@dataclass(frozen=True)
class LoadedSources:
    """The sources that can be used, and what is wrong with the others."""

    sources: tuple[Source, ...]
    problems: tuple[ContentError, ...]


def landed_schema(source_name: str, schema_name: str) -> str:
    """`<source>_<schema>` in snake_case: `card-management`, `card` -> `card_management_card`."""
    return re.sub(r"\W+", "_", f"{source_name}_{schema_name}").lower()


def connection_url(source_name: str, file: SourceFile) -> str:
    """The source's URL; raises SourceUnreachableError that names the variable to set."""
    url = os.environ.get(file.connection_env)
    if not url:
        raise SourceUnreachableError(
            f"source {source_name}: set {file.connection_env} to its postgresql:// URL"
        )
    return url


def parse_source_file(path: Path) -> SourceFile:
    """Parse `sources/<name>.yaml`; raises ContentError with file and line."""
    return parse_yaml(read_text(path), SourceFile, path)


def load_sources(folder: Path) -> LoadedSources:
    """All sources of a project; a broken one is a problem and the others still load."""
    sources: list[Source] = []
    problems: list[ContentError] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            file = parse_source_file(path)
            catalog = read_catalog(path.with_name(f"{path.stem}.catalog.json"))
        except ContentError as error:
            problems.append(error)
        else:
            sources.append(Source(path.stem, path, file, catalog))
    return LoadedSources(tuple(sources), tuple(problems))
