"""The daily client segments as an asset."""

from datetime import UTC, datetime

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    Failure,
    MaterializeResult,
    asset,
)

from heartbeat.author_query import QueryError
from heartbeat.project import Project
from heartbeat.segments.segment_days import store_segments
from heartbeat.settings import Settings
from heartbeat_assets.ingest import INGEST_POOL
from heartbeat_assets.table_key import table_key

SEGMENTS_GROUP = "segments"
SEGMENTS_KEY = AssetKey(["heartbeat", "client_segment"])


def segments_asset(project: Project, settings: Settings) -> list[AssetsDefinition]:
    """One definition for all clients; none when the project defines no segments."""
    segments = project.segments.segments
    if segments is None:
        return []

    @asset(
        key=SEGMENTS_KEY,
        group_name=SEGMENTS_GROUP,
        pool=INGEST_POOL,
        description=f"{segments.description}\n\n{segments.methodology}",
        kinds={"postgres"},
        deps=[table_key(table) for table in segments.reads if table in project.tables],
    )
    def client_segments(context: AssetExecutionContext) -> MaterializeResult[None]:
        now = datetime.now(UTC)
        try:
            today, *past = store_segments(segments, settings, now=now, run_id=context.run.run_id)
        except QueryError as error:
            raise Failure(f"{error}; stored days stay", allow_retries=False) from error
        return MaterializeResult(
            metadata={
                "dagster/row_count": sum(today.counts.values()),
                "days_made_up_for": len(past),
                **today.counts,
            }
        )

    return [client_segments]
