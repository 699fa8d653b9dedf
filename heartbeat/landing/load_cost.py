"""What tables cost that every load reads as a whole."""

from dataclasses import dataclass

from psycopg.rows import class_row

from heartbeat.landing.catalog import WriteMode
from heartbeat.login import Login
from heartbeat.postgres_session import connect
from heartbeat.settings import Settings
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("table_load")


@dataclass(frozen=True)
class LoadCost:
    """The last good load of one table."""

    table: str
    """`schema.table` in marts."""
    write: WriteMode
    rows: int
    bytes: int
    """Read from the source; of a reconcile only what differed travels."""
    seconds: float


def read_costs(settings: Settings) -> list[LoadCost]:
    """The tables that are replaced or reconciled, by the seconds of their last load."""
    with connect(settings.login_url(Login.INGEST)) as connection:
        cursor = connection.cursor(row_factory=class_row(LoadCost))
        return cursor.execute(_STATEMENTS["costs"]).fetchall()
