"""Source schemas as dlt-backed assets: one definition a schema, one asset a table."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    Failure,
    MaterializeResult,
    MetadataValue,
    Output,
    ResourceParam,
)
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster_dlt import DagsterDltTranslator, dlt_assets
from dagster_dlt.translator import DltResourceTranslatorData

from heartbeat.identifier import ascii_name
from heartbeat.judgement.freshness import source_age
from heartbeat.judgement.grouped import grouped
from heartbeat.judgement.wording import counted
from heartbeat.landing.catalog import Column, Table
from heartbeat.landing.ledger import TableLoad
from heartbeat.landing.load_package import schema_pipeline
from heartbeat.landing.resource import schema_source
from heartbeat.project import Project
from heartbeat.settings import Settings
from heartbeat.source import Source
from heartbeat.table_reference import TableRef
from heartbeat_assets.landing import RunLanding
from heartbeat_assets.table_key import table_key

INGEST_POOL = "ingest"
"""The Dagster pool with one slot: never two runs that ingest, or that read all that is landed."""


def ingest_assets(project: Project, settings: Settings) -> list[AssetsDefinition]:
    """The definitions of all source schemas; makes no connection."""
    return [
        _schema_assets(source, schema_name, settings)
        for source in project.sources.sources
        for schema_name in source.file.schemas
    ]


class _TableTranslator(DagsterDltTranslator):
    def __init__(self, landed_schema: str, source: Source, tables: tuple[Table, ...]) -> None:
        self._landed_schema = landed_schema
        self._source = source
        self._tables = {table.landed_as: table for table in tables}

    def get_asset_spec(self, data: DltResourceTranslatorData) -> AssetSpec:
        """The asset of one landed table."""
        table = self._tables[data.resource.name]
        return AssetSpec(
            key=table_key(TableRef(self._landed_schema, table.landed_as)),
            group_name=ascii_name(self._landed_schema),
            kinds={"dlt", "postgres"},
            description=(
                f"`{table.qualified_name}` of source {self._source.name}, in marts "
                f"`{self._landed_schema}.{table.landed_as}`. "
                f"Write mode {table.write}: {table.reason}."
            ),
            metadata={"columns": MetadataValue.md(_column_list(table.columns))},
        )


def _column_list(columns: tuple[Column, ...]) -> str:
    return "\n".join(f"- `{column.landed_as}` {column.landed_type}" for column in columns)


def _schema_assets(source: Source, schema_name: str, settings: Settings) -> AssetsDefinition:
    landed_schema = source.landed_schema(schema_name)
    tables = source.catalog.of_schema(schema_name)

    @dlt_assets(
        dlt_source=schema_source(landed_schema, tables, {}),
        dlt_pipeline=schema_pipeline(landed_schema, settings, settings.dlt_home / "definitions"),
        name=f"land_{ascii_name(landed_schema)}",
        dagster_dlt_translator=_TableTranslator(landed_schema, source, tables),
        pool=INGEST_POOL,
    )
    def land(
        context: AssetExecutionContext, landing: ResourceParam[RunLanding]
    ) -> Iterator[MaterializeResult[None] | Output[None]]:
        try:
            loads = landing.land(context, landed_schema)
        except Exception:
            yield from _kept(context, landed=())
            raise
        yield from (_materialization(load) for load in loads if load.error is None)
        yield from _kept(context, {_key(load) for load in loads if load.error is None})
        _fail_for(loads)

    return land


def _materialization(load: TableLoad) -> MaterializeResult[None]:
    return MaterializeResult(
        asset_key=_key(load),
        metadata={
            "dagster/row_count": load.row_count,
            "rows_sent": load.rows_sent,
            "bytes_sent": load.bytes_sent,
            "seconds": round(load.seconds, 3),
            "changed": load.changed,
            "write_mode": load.write_mode,
            **_polled(load),
        },
    )


def _key(load: TableLoad) -> AssetKey:
    return table_key(TableRef(load.landed_schema, load.landed_table))


def _polled(load: TableLoad) -> Mapping[str, Any]:
    """The freshness of the table: what its rows are known to equal, and how long ago that was."""
    if load.polled_at is None:
        return {}
    age = source_age(load.polled_at, datetime.now(UTC))
    return {
        "polled_at": MetadataValue.timestamp(load.polled_at),
        "source_age_minutes": age.total_seconds() / 60,
    }


def _kept(context: AssetExecutionContext, landed: Collection[AssetKey]) -> Iterator[Output[None]]:
    """Outputs for the tables that did not land: their last good rows are there to compute on.

    Without an output Dagster would leave out every step below. The metadata is Dagster's own mark
    of an output that is not a materialization.
    """
    for name, key in context.assets_def.keys_by_output_name.items():
        if key in context.selected_asset_keys and key not in landed:
            yield Output(
                None,
                output_name=name,
                metadata={SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True},
            )


def _fail_for(loads: Sequence[TableLoad]) -> None:
    failed = [load for load in loads if load.error is not None]
    if failed:
        reasons = "; ".join(grouped((load.qualified_name, load.error or "") for load in failed))
        raise Failure(
            f"{len(failed)} of {counted(len(loads), 'table')} did not land; their last good "
            f"rows stay. {reasons}",
            allow_retries=False,
        )
