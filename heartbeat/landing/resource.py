"""A source schema as a dlt source: one resource a table, each a file that COPY wrote."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import dlt
from dlt.extract import DltResource, DltSource

from heartbeat.landing.catalog import Column, Table
from heartbeat.landing.destination import NATIVE_TYPE_HINT, NativeTypeMapper
from heartbeat.landing.source_session import CopiedRows

_FILE_FORMAT: Final = "csv"
_type_mapper = NativeTypeMapper(None)  # type: ignore[arg-type]


def schema_source(
    landed_schema: str, tables: Sequence[Table], copied: Mapping[str, CopiedRows]
) -> DltSource:
    """The dlt source of one landed schema.

    `copied` holds the file of each table by its landed name. It is empty at import of the code
    location, which wants only names and keys.
    """
    resources = [_resource(table, copied.get(table.landed_as)) for table in tables]

    @dlt.source(name=landed_schema, max_table_nesting=0)
    def schema() -> Sequence[DltResource]:
        return resources

    return schema()


def _resource(table: Table, copied: CopiedRows | None) -> DltResource:
    files = (
        [dlt.mark.with_file_import(str(copied.path), _FILE_FORMAT, copied.rows)] if copied else []
    )
    hints: dict[str, Any] = {"primary_key": table.landed_key} if table.write == "merge" else {}
    resource: DltResource = dlt.resource(
        files,
        name=table.landed_as,
        table_name=table.landed_as,
        write_disposition=_write_disposition(table),
        columns={column.landed_as: _column_hints(column, table) for column in table.columns},
        file_format=_FILE_FORMAT,
        **hints,
    )
    return resource


def _write_disposition(table: Table) -> Any:
    if table.write == "merge":
        return {"disposition": "merge", "strategy": "upsert"}
    return "replace"


def _column_hints(column: Column, table: Table) -> Any:
    # outside of the key NULL is allowed: a column that is new would else be refused by older rows
    return {
        "name": column.landed_as,
        "nullable": column.name not in table.primary_key,
        NATIVE_TYPE_HINT: column.landed_type,
        "data_type": _type_mapper.dbt_to_sct.get(column.landed_type.split("(")[0], "text"),
    }
