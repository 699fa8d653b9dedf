"""Audit cuts as assets: one step a cut, all its windows in it."""

from datetime import UTC, datetime

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    Failure,
    MaterializeResult,
    asset,
)

from heartbeat.audit.audit_cut import SEGMENT_TABLES, AuditCut
from heartbeat.audit.audit_snapshot import (
    SnapshotOutcome,
    compute_snapshots,
    store_chart_runtime,
    sync_cuts,
)
from heartbeat.judgement.grouped import grouped
from heartbeat.judgement.wording import counted
from heartbeat.login import Login
from heartbeat.postgres_session import connect
from heartbeat.project import Project
from heartbeat.refresh.job import cut_asset
from heartbeat.settings import Settings
from heartbeat_assets.ingest import INGEST_POOL
from heartbeat_assets.segments import SEGMENTS_KEY
from heartbeat_assets.table_key import table_key

AUDIT_GROUP = "audit_cuts"


def cut_key(cut_id: str) -> AssetKey:
    """The asset of an audit cut."""
    return AssetKey(cut_asset(cut_id))


def audit_cut_assets(project: Project, settings: Settings) -> list[AssetsDefinition]:
    """One definition a cut."""
    return [_cut_asset(cut, project, settings) for cut in project.cuts.cuts]


def _cut_asset(cut: AuditCut, project: Project, settings: Settings) -> AssetsDefinition:
    @asset(
        key=cut_key(cut.cut_id),
        group_name=AUDIT_GROUP,
        pool=INGEST_POOL,
        description=f"{cut.title}\n\n{cut.prose}",
        kinds={"python", "altair"},
        deps=_upstream(cut, project),
    )
    def compute_cut(context: AssetExecutionContext) -> MaterializeResult[None]:
        with connect(settings.login_url(Login.INGEST)) as connection:
            sync_cuts(connection, project.cuts)
        with connect(settings.login_url(Login.COMPUTE)) as connection:
            store_chart_runtime(connection)
        as_of = datetime.now(UTC)
        outcomes = compute_snapshots(cut, settings, as_of=as_of, run_id=context.run.run_id)
        _fail_for(outcomes)
        return MaterializeResult(metadata=_metadata(outcomes))

    return compute_cut


def _upstream(cut: AuditCut, project: Project) -> list[AssetKey]:
    landed = [table_key(table) for table in cut.reads if table in project.tables]
    segmented = SEGMENT_TABLES & set(cut.reads) and project.segments.segments is not None
    return [*landed, SEGMENTS_KEY] if segmented else landed


def _metadata(outcomes: list[SnapshotOutcome]) -> dict[str, str | int]:
    found: dict[str, str | int] = {
        f"finding_{each.window_key}": each.headline for each in outcomes if each.headline
    }
    return found | {f"svg_bytes_{each.window_key}": each.svg_bytes for each in outcomes}


def _fail_for(outcomes: list[SnapshotOutcome]) -> None:
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if failed:
        reasons = "; ".join(grouped((each.window_key, each.error or "") for each in failed))
        raise Failure(
            f"{len(failed)} of {counted(len(outcomes), 'window')} failed; their last good "
            f"snapshots stay. {reasons}",
            allow_retries=False,
        )
