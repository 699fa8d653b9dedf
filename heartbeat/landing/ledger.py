"""The freshness ledger: what every load of every table did."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from heartbeat.landing.catalog import WriteMode
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
    row_count: int | None = None
    """Rows in the landed table afterwards."""
    error: str | None = None

    @property
    def changed(self) -> bool:
        """Whether rows came from the source."""
        return self.rows_sent > 0


def record(connection: Connection[Any], load: TableLoad, run_id: str) -> None:
    """Write one attempt into `table_load` and its log; a failure keeps the last success."""
    values = {
        "schema_name": load.landed_schema,
        "table_name": load.landed_table,
        "write_mode": load.write_mode,
        "started_at": load.started_at,
        "polled_at": load.polled_at,
        "rows_sent": load.rows_sent,
        "bytes_sent": load.bytes_sent,
        "row_count": load.row_count,
        "changed": load.changed or load.write_mode == "replace",
        "error": load.error,
        "run_id": run_id,
    }
    with connection.transaction():
        connection.execute(_STATEMENTS["failed" if load.error else "landed"], values)
        connection.execute(_STATEMENTS["log"], values)
