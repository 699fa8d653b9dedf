"""The catalog of a source: its tables, columns and keys, written by `heartbeat source discover`.

The file lets the code location load without a connection; every load resolves the columns anew.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from heartbeat.errors import ContentError
from heartbeat.qualified_name import qualified_name

WriteMode = Literal["merge", "replace", "reconcile", "append"]
"""How a load joins the rows that are there.

`merge` writes rows past the cursor by key; `reconcile` compares every row by key and hash, and
writes what differs; `replace` writes all rows anew; `append` writes the rows past the cursor of a
table that has no key.
"""

_NUMBERS = frozenset(("smallint", "integer", "bigint", "numeric", "real", "double precision"))


class Column(BaseModel):
    """One column of a source table and the type that it has once landed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    landed_as: str
    source_type: str
    landed_type: str
    nullable: bool

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
    landed_as: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    write: WriteMode
    reason: str
    with_children: bool = True
    """Whether its rows include those of the tables below it, such as its partitions."""

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
        raise ContentError(path, 1, f"{where}: {problem['msg']}; {mend}") from error


def write_catalog(path: Path, catalog: Catalog) -> None:
    """Write the catalog so that a difference between two of them reads well."""
    path.write_text(catalog.model_dump_json(indent=1) + "\n", encoding="utf-8")
