"""The marts database as a dlt destination that keeps every value exactly as the source wrote it.

dlt's own CSV job turns '' into NULL, and its type mapper knows fewer types than Postgres. This one
loads what a binary `COPY ... TO` wrote into columns of the source's own types.
"""

from pathlib import Path
from typing import Any, Final

import psycopg2
from dlt.common.destination import DestinationCapabilitiesContext, PreparedTableSchema
from dlt.common.destination.client import (
    FollowupJobRequest,
    HasFollowupJobs,
    LoadJob,
    RunnableLoadJob,
)
from dlt.common.schema import Schema
from dlt.common.schema.typing import TColumnSchema, TSchemaTables
from dlt.common.storages.load_package import ParsedLoadJobFileName
from dlt.destinations import postgres
from dlt.destinations.exceptions import DatabaseTerminalException
from dlt.destinations.impl.postgres.factory import PostgresTypeMapper
from dlt.destinations.impl.postgres.postgres import PostgresClient

from heartbeat.landing.landed_write import LandedWrite

COPY_FILE_FORMAT: Final = "csv"
"""What dlt is told that a COPY file is: it imports files of known formats only."""

NATIVE_TYPE_HINT = "x-native-type"
"""Column hint: the Postgres type of the landed column."""


class NativeTypeMapper(PostgresTypeMapper):
    """Uses the column's native type wherever the landing gives one."""

    def to_destination_type(self, column: TColumnSchema, table: PreparedTableSchema) -> str:
        """The type in the CREATE TABLE or ALTER TABLE statement."""
        native = column.get(NATIVE_TYPE_HINT)
        return str(native) if native else super().to_destination_type(column, table)


class CopyJob(RunnableLoadJob, HasFollowupJobs):
    """Writes one COPY file into its table, in the way that the file itself orders."""

    _job_client: PostgresClient

    def run(self) -> None:
        """Write the whole file in one transaction; only a lost server is worth another try."""
        sql_client = self._job_client.sql_client
        table = (str(sql_client.dataset_name), self.load_table_name)
        with Path(self._file_path).open("rb") as file, sql_client.begin_transaction():
            try:
                with sql_client.native_connection.cursor() as cursor:
                    LandedWrite(cursor, table, file).run()
            except psycopg2.OperationalError:
                raise
            except psycopg2.Error as error:
                raise DatabaseTerminalException(error) from error


class MartsClient(PostgresClient):
    """dlt's Postgres client with COPY files in place of CSV.

    A COPY file is merged or replaced in the transaction that loads it, so nothing goes through
    dlt's staging dataset and nothing is left to do once a table is loaded.
    """

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
        """A CopyJob for a COPY file, else what dlt would do (its own state tables)."""
        if ParsedLoadJobFileName.parse(file_path).file_format == COPY_FILE_FORMAT:
            return CopyJob(file_path)
        return super().create_load_job(table, file_path, load_id, restore)

    def should_load_data_to_staging_dataset(self, table_name: str) -> bool:
        """Never."""
        return False

    def should_truncate_table_before_load(self, table_name: str) -> bool:
        """Never: the rows that are there stay until the new ones are."""
        return False

    def create_table_chain_completed_followup_jobs(
        self, table_chain: Any, completed_table_chain_jobs: Any = None
    ) -> list[FollowupJobRequest]:
        """None."""
        return []

    def _update_schema_in_storage(self, schema: Schema) -> None:
        # only the last one is of use, and every other set of tables in a package is another one
        self._delete_schema_in_storage(schema)
        super()._update_schema_in_storage(schema)


class marts(postgres):  # noqa: N801 - dlt names destinations in lower case
    """The destination factory."""

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        capabilities = super()._raw_capabilities()
        capabilities.type_mapper = NativeTypeMapper
        # tables and columns come with their landed names, and dlt's own would drop most letters
        capabilities.naming_convention = "direct"
        return capabilities

    @property
    def client_class(self) -> type[PostgresClient]:
        """The client that dlt loads with."""
        return MartsClient

    def __init__(self, credentials: str, **options: Any) -> None:
        super().__init__(credentials=credentials, **options)


marts.register()
