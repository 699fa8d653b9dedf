"""A source: the file `sources/<name>.yaml` and the catalog beside it."""

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from heartbeat.connection_string import is_usable
from heartbeat.errors import ContentError, SettingsError, SourceUnreachableError
from heartbeat.identifier import MOST_BYTES, words_of
from heartbeat.landing.catalog import Catalog, Table, WriteMode, read_catalog
from heartbeat.qualified_name import split_name
from heartbeat.secret import read_secret
from heartbeat.yaml_document import (
    NO_ENTRIES_WHEN_EMPTY,
    NO_ITEMS_WHEN_EMPTY,
    NONE_WHEN_EMPTY,
    parse_yaml,
    read_text,
)

# of Postgres, and of the assets of audit cuts
_TAKEN = {"information_schema", "audit_cut"}
_SOURCE_NAME = re.compile(r"[a-z][a-z0-9_-]*")


def _checked_name(text: str) -> str:
    split_name(text)
    return text


_QualifiedName = Annotated[str, AfterValidator(_checked_name)]
_ColumnNames = Annotated[tuple[str, ...], Field(min_length=1)]
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_INTERVAL = re.compile(r"[0-9]+ (second|minute|hour|day)s?")
_NUMBER = re.compile(r"[0-9]+")


def _checked_interval(text: str) -> str:
    if not _INTERVAL.fullmatch(text):
        raise ValueError(f"{text} is no time such as 90 seconds, 15 minutes, 1 hour or 2 days")
    return text


def _checked_lag(text: str) -> str:
    if not (_NUMBER.fullmatch(text) or _INTERVAL.fullmatch(text)):
        raise ValueError(
            f"{text} is neither a time such as 15 minutes (in seconds, minutes, hours or days), "
            "nor, for a cursor that is a number, a number such as 1000"
        )
    return text


def _checked_variable(text: str) -> str:
    if not re.fullmatch("[A-Z][A-Z0-9_]*", text):
        # it may be the URL itself, so it is not repeated
        raise ValueError("give the name of an environment variable, such as SOURCE_WEBBANK_URL")
    return text


_Interval = Annotated[str, AfterValidator(_checked_interval)]
_Lag = Annotated[str, AfterValidator(_checked_lag)]


class TableOptions(BaseModel):
    """What the source file says about one table; everything else follows from its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cursor: Annotated[str | None, NONE_WHEN_EMPTY] = None
    """Column that grows with every change of a row; only rows past the landed maximum are read."""
    lag: _Lag = "0"
    """How far before the landed maximum a load reads: a time, or a number where the cursor is one.

    It must exceed the longest transaction of the source, and the time in which rows change without
    moving their cursor.
    """
    write: Annotated[WriteMode | None, NONE_WHEN_EMPTY] = None
    drop_columns: Annotated[tuple[str, ...], NO_ITEMS_WHEN_EMPTY] = ()
    """Columns that are never read, for example personal data."""

    @property
    def lags(self) -> bool:
        """Whether a load reads rows from before the landed maximum."""
        return int(self.lag.split()[0]) > 0

    @property
    def is_lag_a_number(self) -> bool:
        """Whether it is a number, not a time."""
        return bool(_NUMBER.fullmatch(self.lag))


class SourceFile(BaseModel):
    """The content of `sources/<name>.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["postgres"]
    connection_env: Annotated[str, AfterValidator(_checked_variable)]
    schemas: Annotated[tuple[str, ...], Field(min_length=1)]
    skip_tables: Annotated[tuple[_QualifiedName, ...], NO_ITEMS_WHEN_EMPTY] = ()
    tables: Annotated[
        dict[_QualifiedName, Annotated[TableOptions, NO_ENTRIES_WHEN_EMPTY]], NO_ENTRIES_WHEN_EMPTY
    ] = {}
    indexes: Annotated[dict[_QualifiedName, tuple[_ColumnNames, ...]], NO_ENTRIES_WHEN_EMPTY] = {}
    first_load_rows: Annotated[int, Field(gt=0)] = 2_000_000
    """The first load of a table with more rows goes in ranges of so many, each committed."""
    statement_timeout: _Interval = "30 minutes"
    """How long one statement may run in the source."""
    silence_timeout: _Interval | None = None
    """How long the source may send nothing while it is waited for; without, as the settings say."""
    replayed_until: Annotated[str | None, NONE_WHEN_EMPTY] = None
    """A query for the moment (timestamptz) up to which a copy has what its primary has.

    NULL, as `pg_last_xact_replay_timestamp()` gives on a primary, means up to now.
    """

    @property
    def statement_timeout_ms(self) -> str:
        """The same in milliseconds, as the server's setting takes it."""
        return str(_seconds(self.statement_timeout) * 1000)

    @property
    def silence_timeout_seconds(self) -> int | None:
        """The same in seconds."""
        return None if self.silence_timeout is None else _seconds(self.silence_timeout)

    @field_validator("skip_tables", "tables", "indexes")
    @classmethod
    def _names_only_landed_schemas(cls, named: Any, info: ValidationInfo) -> Any:
        schemas = info.data.get("schemas", ())
        for name in named:
            if schemas and split_name(name)[0] not in schemas:
                raise ValueError(f"{name} is in none of the landed schemas ({', '.join(schemas)})")
        return named


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

    def options(self, qualified_name: str) -> TableOptions:
        """What the file says about a table; the defaults where it says nothing."""
        return self.file.tables.get(qualified_name, TableOptions())

    def indexes(self, table: Table) -> list[tuple[str, ...]]:
        """The declared indexes, and the one that finds the greatest landed cursor."""
        declared = self.file.indexes.get(table.qualified_name, ())
        cursor = self.options(table.qualified_name).cursor
        watermark = [(cursor,)] if cursor and table.write in ("merge", "append") else []
        return [*declared, *watermark]


@dataclass(frozen=True)
class LoadedSources:
    """The sources that can be used, and what is wrong with the others."""

    sources: tuple[Source, ...]
    problems: tuple[ContentError, ...]


def _seconds(interval: str) -> int:
    number, unit = interval.split()
    return int(number) * _SECONDS[unit.removesuffix("s")]


def landed_schema(source_name: str, schema_name: str) -> str:
    """`<source>_<schema>` in snake_case: `card-management`, `card` -> `card_management_card`."""
    return words_of(f"{source_name}_{schema_name}").lower()


def connection_url(source_name: str, file: SourceFile) -> str:
    """The source's URL; raises SourceUnreachableError that names the variable, not its value."""
    try:
        url = read_secret(file.connection_env, os.environ)
    except SettingsError as error:
        raise SourceUnreachableError(f"source {source_name}: {error}") from error
    if not url:
        raise SourceUnreachableError(
            f"source {source_name}: set {file.connection_env} to its address, "
            "a URL or key=value pairs"
        )
    if not is_usable(url):
        raise SourceUnreachableError(
            f"source {source_name}: {file.connection_env} is not a usable URL; write it as "
            "postgresql://user:password@host:5432/database and percent-encode signs such as / @ :"
        )
    return url


def parse_source_file(path: Path) -> SourceFile:
    """Parse `sources/<name>.yaml`; raises ContentError with file and line."""
    if not _SOURCE_NAME.fullmatch(path.stem):
        problem = "a source file is named a-z, 0-9, _ and -, and begins with a letter"
        raise ContentError(path, 1, f"{problem}, not '{path.stem}'")
    document = parse_yaml(read_text(path), SourceFile, path)
    for schema_name in document.content.schemas:
        if unusable := _unusable_schema(landed_schema(path.stem, schema_name)):
            raise ContentError(path, document.lines["schemas"], f"{unusable}; rename the file")
    return document.content


def _unusable_schema(landed: str) -> str | None:
    """Why marts, or the asset graph, cannot have a landed schema of that name."""
    size = len(landed.encode())
    if size > MOST_BYTES:
        return f"schema {landed} would be {size} bytes long, and Postgres allows {MOST_BYTES}"
    if landed.startswith("pg_"):
        return f"schema {landed}: names that begin with pg_ are Postgres's own"
    if landed in _TAKEN:
        return f"schema {landed}: the name is taken"
    return None


def load_sources(folder: Path) -> LoadedSources:
    """All sources of a project; a broken one is a problem and the others still load.

    Sources that would land in the same schema, or differ by - and _ alone, are all refused.
    """
    sources: list[Source] = []
    problems: list[ContentError] = []
    for path in sorted(folder.glob("[!.]*.yaml")):
        try:
            file = parse_source_file(path)
            catalog = read_catalog(path.with_name(f"{path.stem}.catalog.json"))
        except ContentError as error:
            problems.append(error)
        else:
            sources.append(Source(path.stem, path, file, catalog))
    clashes = _clashes(sources)
    refused = {clash.path for clash in clashes}
    return LoadedSources(
        tuple(source for source in sources if source.path not in refused),
        (*problems, *clashes),
    )


def _clashes(sources: Sequence[Source]) -> tuple[ContentError, ...]:
    names: defaultdict[str, list[Path]] = defaultdict(list)
    schemas: defaultdict[str, list[Path]] = defaultdict(list)
    for source in sources:
        names[source.name.replace("-", "_")].append(source.path)
        for schema_name in source.file.schemas:
            schemas[source.landed_schema(schema_name)].append(source.path)
    return (
        *_claimed_twice(names, "source {} would be there twice in Dagster"),
        *_claimed_twice(schemas, "schema {} would be landed twice"),
    )


def _claimed_twice(claims: Mapping[str, Sequence[Path]], problem: str) -> tuple[ContentError, ...]:
    return tuple(
        ContentError(path, 1, f"{problem.format(name)}, by {_names(paths)}")
        for name, paths in claims.items()
        for path in sorted(set(paths))
        if len(paths) > 1
    )


def _names(paths: Sequence[Path]) -> str:
    return " and ".join(sorted({path.name for path in paths}))
