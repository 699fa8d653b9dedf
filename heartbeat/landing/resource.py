"""A source schema as a dlt source: one resource a table, each a COPY file."""

from collections.abc import Mapping, Sequence
from typing import Any

import dlt
from dlt.extract import DltResource, DltSource

from heartbeat.landing.catalog import Column, Table
from heartbeat.landing.copy_file import CopyFile
from heartbeat.landing.destination import COPY_FILE_FORMAT, NATIVE_TYPE_HINT, NativeTypeMapper
from heartbeat.landing.landed_name import dlt_name

_type_mapper = NativeTypeMapper(None)  # type: ignore[arg-type]
_DISPOSITIONS: Mapping[str, Any] = {
    "merge": {"disposition": "merge", "strategy": "upsert"},
    "reconcile": {"disposition": "merge", "strategy": "upsert"},
    "replace": "replace",
    "append": "append",
}


def schema_source(
    landed_schema: str, tables: Sequence[Table], files: Mapping[str, CopyFile]
) -> DltSource:
    """The dlt source of one landed schema.

    `files` holds the file of each table by its landed name. It is empty at import of the code
    location, which wants only names and keys.
    """
    resources = [_resource(table, files.get(table.landed_as)) for table in tables]

    @dlt.source(name=dlt_name(landed_schema), max_table_nesting=0)
    def schema() -> Sequence[DltResource]:
        return resources

    return schema()


def _resource(table: Table, file: CopyFile | None) -> DltResource:
    items = [dlt.mark.with_file_import(str(file.path), COPY_FILE_FORMAT, file.rows)] if file else []
    hints: dict[str, Any] = {"primary_key": table.landed_key} if table.landed_key else {}
    resource: DltResource = dlt.resource(
        items,
        name=table.landed_as,
        table_name=table.landed_as,
        write_disposition=_DISPOSITIONS[table.write],
        columns={column.landed_as: _column_hints(column) for column in table.columns},
        file_format=COPY_FILE_FORMAT,
        **hints,
    )
    return resource


def _column_hints(column: Column) -> Any:
    # NULL is allowed everywhere: a column that is new would else be refused by older rows
    return {
        "name": column.landed_as,
        "nullable": True,
        NATIVE_TYPE_HINT: column.landed_type,
        "data_type": _type_mapper.dbt_to_sct.get(column.landed_type.split("(")[0], "text"),
    }
