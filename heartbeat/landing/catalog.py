"""The catalog of a source: its tables, columns and keys, written by `heartbeat source discover`.

The file lets the code location load without a connection; every load resolves the columns anew.
"""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from heartbeat.errors import ContentError
from heartbeat.identifier import ascii_name
from heartbeat.qualified_name import qualified_name
from heartbeat.wrong_value import wrong_value

WriteMode = Literal["merge", "replace", "reconcile", "append"]
"""How a load joins the rows that are there.

`merge` writes rows past the cursor by key; `reconcile` compares every row by key and hash, and
writes what differs; `replace` writes all rows anew; `append` writes the rows past the cursor of a
table that has no key.
"""

_NUMBERS = frozenset(("smallint", "integer", "bigint", "numeric", "real", "double precision"))


def _checked_name(landed: str) -> str:
    if not re.fullmatch(r"\w+", ascii_name(landed), re.ASCII):
        raise ValueError(f"{landed!r} is no name that a table or a column lands as")
    return landed


_LandedAs = Annotated[str, AfterValidator(_checked_name)]


def _refuse_doubles(names: Iterable[str]) -> None:
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise ValueError(f"{twice[0]} is there twice")


class Column(BaseModel):
    """One column of a source table and the type that it has once landed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    landed_as: _LandedAs
    source_type: str
    landed_type: str
    nullable: bool
    labels: tuple[str, ...] = ()
    """The values of an enum, in their order."""

    @property
    def is_temporal(self) -> bool:
        """Whether an interval can be taken off its values."""
        return self.is_date or self.landed_type.startswith("timestamp")

    @property
    def is_date(self) -> bool:
        """Whether its values are days, which begin at another moment in each time zone."""
        return self.landed_type == "date"

    @property
    def is_number(self) -> bool:
        """Whether its values add up to a number."""
        return self.landed_type.partition("(")[0] in _NUMBERS

    @property
    def is_cast(self) -> bool:
        """Whether it lands in another type than the source's."""
        return self.source_type != self.landed_type


class Table(BaseModel):
    """One source table and how it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_name: str
    name: str
    landed_as: _LandedAs
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    write: WriteMode
    reason: str
    with_children: Annotated[bool, Field(exclude=True)] = True
    """Whether its rows include those of the tables below it, such as its partitions.

    Every load looks anew, and the file does not have it.
    """

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        # one catalog that does not would else keep every source from loading
        _refuse_doubles(column.landed_as for column in self.columns)
        if lacking := set(self.primary_key) - {column.name for column in self.columns}:
            raise ValueError(f"the key has {lacking.pop()}, which is no column")
        return self

    @property
    def qualified_name(self) -> str:
        """`schema.table` as the source file writes it."""
        return qualified_name(self.schema_name, self.name)

    @property
    def landed_key(self) -> tuple[str, ...]:
        """The primary key by the landed names of its columns."""
        return tuple(column.landed_as for column in self.key_columns)

    @property
    def key_columns(self) -> tuple[Column, ...]:
        """The columns of the primary key, in its order."""
        return tuple(self.column(name) for name in self.primary_key)

    def column(self, name: str) -> Column:
        """The column of that name in the source."""
        return next(column for column in self.columns if column.name == name)


class Catalog(BaseModel):
    """All tables of a source that are landed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tables: tuple[Table, ...]

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        _refuse_doubles(f"{table.schema_name}.{table.landed_as}" for table in self.tables)
        return self

    def table(self, schema_name: str, landed_as: str) -> Table | None:
        """The table that lands under that name; None when the catalog does not know it."""
        return next((t for t in self.of_schema(schema_name) if t.landed_as == landed_as), None)

    def of_schema(self, schema_name: str) -> tuple[Table, ...]:
        """The tables of one source schema, by name."""
        return tuple(table for table in self.tables if table.schema_name == schema_name)


def read_catalog(path: Path) -> Catalog:
    """Read a generated catalog; raises ContentError that says how to generate it."""
    mend = f"run `heartbeat source discover {path.name.removesuffix('.catalog.json')}`"
    try:
        return Catalog.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise ContentError(path, 1, f"there is no catalog yet; {mend}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(step) for step in problem["loc"])
        raise ContentError(path, 1, f"{where}: {wrong_value(problem)}; {mend}") from error


def write_catalog(path: Path, catalog: Catalog) -> None:
    """Write the catalog so that a difference between two of them reads well."""
    path.write_text(
        catalog.model_dump_json(indent=1, exclude_defaults=True) + "\n", encoding="utf-8"
    )
