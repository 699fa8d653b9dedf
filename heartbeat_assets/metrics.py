"""Metrics as assets: one step computes any selection of them."""

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    Failure,
    MaterializeResult,
    multi_asset,
)

from heartbeat.compute import Outcome, compute_and_store
from heartbeat.metric import Metric
from heartbeat.project import Project
from heartbeat.registry import sync
from heartbeat.settings import Settings
from heartbeat_assets.ingest import table_key

METRICS_GROUP = "metrics"


def metric_key(metric_id: str) -> AssetKey:
    """The asset of a metric."""
    return AssetKey(["metric", metric_id])


def metric_assets(project: Project, settings: Settings) -> list[AssetsDefinition]:
    """One definition for all metrics; none when the project has no metric."""
    metrics = {metric_key(metric.metric_id): metric for metric in project.metrics.metrics}
    if not metrics:
        return []

    @multi_asset(
        name="compute_metrics",
        specs=[_spec(metric, project) for metric in metrics.values()],
        can_subset=True,
    )
    def compute_metrics(context: AssetExecutionContext) -> Iterator[MaterializeResult[None]]:
        with psycopg.connect(settings.database_url) as connection:
            sync(connection, project.metrics)
        outcomes: list[Outcome] = []
        for outcome in compute_and_store(
            [metrics[key] for key in sorted(context.selected_asset_keys)],
            settings,
            as_of=datetime.now(UTC),
            run_id=context.run.run_id,
        ):
            outcomes.append(outcome)
            if outcome.error is None:
                yield _materialization(outcome)
        _fail_for(outcomes)

    return [compute_metrics]


def _spec(metric: Metric, project: Project) -> AssetSpec:
    return AssetSpec(
        key=metric_key(metric.metric_id),
        group_name=METRICS_GROUP,
        description=f"{metric.code} · {metric.name}\n\n{metric.description}",
        kinds={"sql"},
        deps=[table_key(table) for table in metric.reads if table in project.tables],
        metadata={"code": metric.code, "unit": metric.unit, "file": metric.path.name},
    )


def _materialization(outcome: Outcome) -> MaterializeResult[None]:
    assert outcome.value is not None
    return MaterializeResult(
        asset_key=metric_key(outcome.metric_id),
        metadata={
            "value": float(outcome.value),
            "status": outcome.status.value if outcome.status else None,
            "as_of": outcome.as_of.isoformat(),
            "source_as_of": outcome.source_as_of.isoformat() if outcome.source_as_of else None,
            "seconds": outcome.seconds,
        },
    )


def _fail_for(outcomes: list[Outcome]) -> None:
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if failed:
        reasons = "; ".join(f"{outcome.metric_id}: {outcome.error}" for outcome in failed)
        raise Failure(
            f"{len(failed)} of {len(outcomes)} metrics failed; their last good values stay. "
            f"{reasons}",
            allow_retries=False,
        )
