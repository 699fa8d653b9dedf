"""The freshness ledger: what every load of every table did."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from heartbeat.landing.catalog import Table, WriteMode
from heartbeat.landing.landed_table import LandedTable
from heartbeat.landing.table_state import TableState
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("table_load")


@dataclass(frozen=True)
class TableLoad:
    """One attempt to land one table."""

    landed_schema: str
    landed_table: str
    write_mode: WriteMode
    started_at: datetime
    polled_at: datetime | None = None
    """The moment of the source snapshot; None when the attempt failed."""
    rows_sent: int = 0
    bytes_sent: int = 0
    seconds: float = 0.0
    """Reading and writing, without the wait for other tables."""
    row_count: int | None = None
    """Rows in the landed table afterwards."""
    changed: bool = False
    """Whether rows were written."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """The landed columns and their types."""
    digest: str | None = None
    """Of what was read and of the table that it went into."""
    source_state: TableState | None = None
    """What the source table was in that snapshot."""
    error: str | None = None

    @property
    def qualified_name(self) -> str:
        """`schema.table` in marts."""
        return f"{self.landed_schema}.{self.landed_table}"


def record(connection: Connection[Any], loads: Iterable[TableLoad], run_id: str) -> None:
    """Write attempts into `table_load` and its log; a failure keeps the last success."""
    with connection.transaction(), connection.cursor() as cursor:
        attempts = [(load, _values(load, run_id)) for load in loads]
        for name, chosen in (
            ("failed", [values for load, values in attempts if load.error is not None]),
            ("landed", [values for load, values in attempts if load.error is None]),
            ("log", [values for _, values in attempts]),
            ("ended", [values for _, values in attempts]),
        ):
            cursor.executemany(_STATEMENTS[name], chosen)


def record_missing(connection: Connection[Any], tables: Collection[tuple[str, str]]) -> None:
    """Forget what was landed into tables that marts lacks now, before any of them is made anew."""
    names = {
        "schemas": [schema for schema, _ in tables],
        "tables": [table for _, table in tables],
    }
    connection.execute(_STATEMENTS["missing"], names)


def record_range(
    connection: Connection[Any],
    landed: LandedTable,
    table: Table,
    run_id: str,
    *,
    after: Sequence[str],
    since: str | None,
    source_state: TableState | None,
) -> None:
    """Keep how far the first load of a table has come; a table that is there in part has no age."""
    values = {
        "schema_name": landed.schema_name,
        "table_name": landed.name,
        "write_mode": table.write,
        "columns": Jsonb({column.landed_as: column.landed_type for column in table.columns}),
        "run_id": run_id,
        "after": list(after),
        "since": since,
        "source_state": _kept(source_state),
    }
    connection.execute(_STATEMENTS["range"], values)


def _values(load: TableLoad, run_id: str) -> dict[str, Any]:
    return {
        "schema_name": load.landed_schema,
        "table_name": load.landed_table,
        "write_mode": load.write_mode,
        "started_at": load.started_at,
        "polled_at": load.polled_at,
        "rows_sent": load.rows_sent,
        "bytes_sent": load.bytes_sent,
        "seconds": load.seconds,
        "row_count": load.row_count,
        "changed": load.changed,
        "columns": Jsonb(load.columns),
        "digest": load.digest,
        "source_state": _kept(load.source_state),
        "error": load.error,
        "run_id": run_id,
    }


def _kept(state: TableState | None) -> Jsonb | None:
    return Jsonb(state.kept()) if state else None
