"""The marts database as a dlt destination that keeps every value exactly as the source wrote it.

dlt's own CSV job turns '' into NULL, and its type mapper knows fewer types than Postgres. This one
loads what a binary `COPY ... TO` wrote into columns of the source's own types.
"""

from pathlib import Path
from typing import Any, Final

import psycopg2
from dlt.common.configuration import configspec
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
from dlt.destinations.impl.postgres.configuration import (
    PostgresClientConfiguration,
    PostgresCredentials,
)
from dlt.destinations.impl.postgres.factory import PostgresTypeMapper
from dlt.destinations.impl.postgres.postgres import PostgresClient
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient
from psycopg2 import errors, extensions

from heartbeat.duration import seconds_of
from heartbeat.landing.landed_write import LandedWrite
from heartbeat.landing.marts_watch import (
    MartsSilentError,
    MartsWatch,
    WatchedSession,
    marts_watch,
)
from heartbeat.postgres_session import with_parameters
from heartbeat.psycopg2_session import begin_psycopg2

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


@configspec(init=False)
class MartsCredentials(PostgresCredentials):
    """Where marts are, in a form that dlt, which knows URLs of one host only, just passes on."""

    connection_string: str = ""
    lock_timeout: str = ""
    silence: str = ""

    def __init__(
        self, connection_string: str = "", lock_timeout: str = "", silence: str = ""
    ) -> None:
        super().__init__()
        # without each of these dlt would look for it elsewhere
        self.update(dict.fromkeys(("database", "username", "password", "host"), "marts"))
        self.connection_string = connection_string
        self.lock_timeout = lock_timeout
        self.silence = silence
        self.__is_resolved__ = True


class MartsSqlClient(Psycopg2SqlClient):
    """dlt's connections to marts, opened as all others are."""

    credentials: MartsCredentials
    watched: WatchedSession | None = None
    """What is known of the open session's progress."""

    def open_connection(self) -> extensions.connection:
        """Open the connection; raises psycopg2.OperationalError."""
        opened = psycopg2.connect(with_parameters(self.credentials.connection_string))
        self._conn = opened
        self.watched = self._watch().begin(opened.info.backend_pid, opened.fileno())
        self._reset_connection()
        return opened

    def close_connection(self) -> None:
        """Close the connection, if one is open."""
        if self.watched is not None:
            self._watch().end(self.watched)
        super().close_connection()

    def _watch(self) -> MartsWatch:
        silence = self.credentials.silence
        return marts_watch(self.credentials.connection_string, silence, seconds_of(silence))

    def _reset_connection(self) -> None:
        super()._reset_connection()
        # dlt resets a connection after each error, which undoes all settings
        begin_psycopg2(self._conn, {"lock_timeout": self.credentials.lock_timeout})


class CopyJob(RunnableLoadJob, HasFollowupJobs):
    """Writes one COPY file into its table, in the way that the file itself orders."""

    _job_client: PostgresClient

    def run(self) -> None:
        """Write the whole file in one transaction; only a lost server is worth another try."""
        try:
            self._write()
        except Exception:
            watched = self._job_client.sql_client.watched
            if watched is None or watched.ended is None:
                raise
            told = MartsSilentError(watched.ended)
            raise DatabaseTerminalException(told) from told

    def _write(self) -> None:
        sql_client = self._job_client.sql_client
        table = (str(sql_client.dataset_name), self.load_table_name)
        with Path(self._file_path).open("rb") as file, sql_client.begin_transaction():
            try:
                with sql_client.native_connection.cursor() as cursor:
                    LandedWrite(cursor, table, file).run()
            except errors.LockNotAvailable as error:
                # dlt would wait as long again, three times more, and readers wait behind it
                raise DatabaseTerminalException(error) from error
            except psycopg2.OperationalError:
                raise
            except psycopg2.Error as error:
                raise DatabaseTerminalException(error) from error


class MartsClient(PostgresClient):
    """dlt's Postgres client with COPY files in place of CSV.

    A COPY file is merged or replaced in the transaction that loads it, so nothing goes through
    dlt's staging dataset and nothing is left to do once a table is loaded.
    """

    def __init__(
        self,
        schema: Schema,
        config: PostgresClientConfiguration,
        capabilities: DestinationCapabilitiesContext,
    ) -> None:
        super().__init__(schema, config, capabilities)
        names = self.create_dataset_names(schema, config)
        assert config.credentials is not None
        self.sql_client = MartsSqlClient(*names, config.credentials, capabilities)

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

    def __init__(
        self,
        connection_string: str = "",
        lock_timeout: str = "",
        silence: str = "",
        **options: Any,
    ) -> None:
        credentials = MartsCredentials(connection_string, lock_timeout, silence)
        super().__init__(credentials=credentials, **options)


marts.register()
