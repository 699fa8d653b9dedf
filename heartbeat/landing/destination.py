"""The marts database as a dlt destination that keeps every value exactly as the source wrote it.

dlt's own CSV job turns '' into NULL, and its type mapper knows fewer types than Postgres. This one
loads what `COPY ... TO` wrote, in the same text format, into columns of the source's own types.
"""

from pathlib import Path
from typing import Any

from dlt.common.destination import DestinationCapabilitiesContext, PreparedTableSchema
from dlt.common.destination.client import HasFollowupJobs, LoadJob, RunnableLoadJob
from dlt.common.schema.typing import TColumnSchema, TSchemaTables
from dlt.common.storages.load_package import ParsedLoadJobFileName
from dlt.destinations import postgres
from dlt.destinations.impl.postgres.factory import PostgresTypeMapper
from dlt.destinations.impl.postgres.postgres import PostgresClient

NATIVE_TYPE_HINT = "x-native-type"
"""Column hint: the Postgres type of the landed column."""

COPY_OPTIONS = "(format text, encoding 'UTF8')"
"""How rows are written to and read from a COPY file, on both sides."""

SESSION_SETTINGS = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
}
"""What both sides of a COPY must agree on for text to mean the same value."""

_COPY_BUFFER = 1 << 20


class NativeTypeMapper(PostgresTypeMapper):
    """Uses the column's native type wherever the landing gives one."""

    def to_destination_type(self, column: TColumnSchema, table: PreparedTableSchema) -> str:
        """The type in the CREATE TABLE or ALTER TABLE statement."""
        native = column.get(NATIVE_TYPE_HINT)
        return str(native) if native else super().to_destination_type(column, table)


class CopyTextJob(RunnableLoadJob, HasFollowupJobs):
    """Streams one COPY file into its table; the file's first line names the columns."""

    _job_client: PostgresClient

    def run(self) -> None:
        """Load the whole file in one transaction."""
        sql_client = self._job_client.sql_client
        with Path(self._file_path).open("rb") as file:
            names = file.readline().decode().rstrip("\n").split("\t")
            columns = ", ".join(sql_client.escape_column_name(name) for name in names)
            table = sql_client.make_qualified_table_name(self.load_table_name)
            with sql_client.begin_transaction(), sql_client.native_connection.cursor() as cursor:
                for name, value in SESSION_SETTINGS.items():
                    cursor.execute("select set_config(%s, %s, true)", (name, value))
                cursor.copy_expert(
                    f"copy {table} ({columns}) from stdin {COPY_OPTIONS}", file, size=_COPY_BUFFER
                )


class MartsClient(PostgresClient):
    """dlt's Postgres client with COPY files in place of CSV."""

    def update_stored_schema(
        self,
        only_tables: Any = None,
        expected_update: Any = None,
        force: bool = True,
    ) -> TSchemaTables | None:
        """Compare with the tables that are there, not with the last load's record of them.

        A table that someone dropped in marts is so made again.
        """
        return super().update_stored_schema(only_tables, expected_update, force=True)

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        """A CopyTextJob for a COPY file, else what dlt would do (its own state tables, its SQL)."""
        if ParsedLoadJobFileName.parse(file_path).file_format == "csv":
            return CopyTextJob(file_path)
        return super().create_load_job(table, file_path, load_id, restore)


class marts(postgres):  # noqa: N801 - dlt names destinations in lower case
    """The destination factory."""

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        capabilities = super()._raw_capabilities()
        capabilities.type_mapper = NativeTypeMapper
        return capabilities

    @property
    def client_class(self) -> type[PostgresClient]:
        """The client that dlt loads with."""
        return MartsClient

    def __init__(self, credentials: str, **options: Any) -> None:
        super().__init__(credentials=credentials, **options)


marts.register()
