"""The Dagster asset of a landed table."""

from dagster import AssetKey

from heartbeat.identifier import ascii_name
from heartbeat.table_reference import TableRef


def table_key(table: TableRef) -> AssetKey:
    """Schema and table; in ASCII, since Dagster makes names of outputs and inputs of them."""
    return AssetKey([ascii_name(table.schema), ascii_name(table.table)])
