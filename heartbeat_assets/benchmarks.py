"""The daily benchmarks as an asset."""

from datetime import UTC, datetime

from dagster import AssetKey, AssetsDefinition, MaterializeResult, asset

from heartbeat.metrics.benchmarking import store_benchmarks
from heartbeat.metrics.metric import Kind
from heartbeat.project import Project
from heartbeat.settings import Settings
from heartbeat_assets.ingest import INGEST_POOL
from heartbeat_assets.metrics import metric_key

BENCHMARKS_GROUP = "benchmarks"
BENCHMARKS_KEY = AssetKey(["heartbeat", "benchmarks"])


def benchmarks_asset(project: Project, settings: Settings) -> list[AssetsDefinition]:
    """One definition for all typical bands; none when no metric keeps one."""
    keeping = [each for each in project.metrics.metrics if each.kind is Kind.ROLLING_STAT]
    if not keeping:
        return []

    @asset(
        key=BENCHMARKS_KEY,
        group_name=BENCHMARKS_GROUP,
        pool=INGEST_POOL,
        description="Mean and standard deviation of each metric's last complete days.",
        deps=[metric_key(metric.metric_id) for metric in keeping],
    )
    def benchmarks() -> MaterializeResult[None]:
        found = store_benchmarks(settings, now=datetime.now(UTC))
        usable = [each for each in found.values() if each]
        return MaterializeResult(metadata={"metrics": len(found), "with_a_band": len(usable)})

    return [benchmarks]
