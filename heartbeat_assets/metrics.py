"""Metrics as assets: one step computes any selection of them."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    DagsterInvalidDefinitionError,
    Failure,
    MaterializeResult,
    MetadataValue,
    multi_asset,
)

from heartbeat.judgement.freshness import freshness, source_age
from heartbeat.judgement.grouped import grouped
from heartbeat.judgement.status import Status
from heartbeat.judgement.wording import counted
from heartbeat.login import Login
from heartbeat.metrics.compute import Outcome, compute_and_store
from heartbeat.metrics.definition import prepare_definitions
from heartbeat.metrics.metric import Metric
from heartbeat.postgres_session import connect
from heartbeat.project import Project
from heartbeat.registration import register
from heartbeat.settings import Settings
from heartbeat_assets.landing import RECONCILE_TAG
from heartbeat_assets.table_key import table_key

METRICS_GROUP = "metrics"
CHECK = "within_its_lines"

_LEVELS = {Status.GREEN: 0, Status.AMBER: 1, Status.RED: 2}
_SEVERITIES = {Status.AMBER: AssetCheckSeverity.WARN, Status.RED: AssetCheckSeverity.ERROR}


def metric_key(metric_id: str) -> AssetKey:
    """The asset of a metric."""
    return AssetKey(["metric", metric_id])


def metric_assets(project: Project, settings: Settings) -> list[AssetsDefinition]:
    """One definition for all metrics; none when the project has no metric."""
    metrics = {metric_key(metric.metric_id): metric for metric in project.metrics.metrics}
    if not metrics:
        return []
    prepare_definitions(metrics.values())  # here a fork server does it once for all its runs

    @multi_asset(
        name="compute_metrics",
        specs=[_spec(metric, project, settings) for metric in metrics.values()],
        check_specs=[
            AssetCheckSpec(CHECK, asset=key, description="Warns at amber, fails at red.")
            for key in metrics
        ],
        can_subset=True,
    )
    def compute_metrics(
        context: AssetExecutionContext,
    ) -> Iterator[MaterializeResult[None] | AssetCheckResult]:
        with connect(settings.login_url(Login.INGEST)) as connection:
            register(connection, project, settings.zone)
        checked = {key.asset_key for key in context.selected_asset_check_keys}
        outcomes: list[Outcome] = []
        for outcome in compute_and_store(
            [metrics[key] for key in sorted(context.selected_asset_keys | checked)],
            settings,
            as_of=datetime.now(UTC),
            run_id=context.run.run_id,
            all_days=RECONCILE_TAG in context.run.tags,
        ):
            outcomes.append(outcome)
            key = metric_key(outcome.metric_id)
            if outcome.value is not None and key in context.selected_asset_keys:
                yield _materialization(outcome, metrics[key])
            if outcome.value is not None and key in checked:
                yield _check(outcome)
        _fail_for(outcomes)

    return [compute_metrics]


def _spec(metric: Metric, project: Project, settings: Settings) -> AssetSpec:
    return _owned(
        AssetSpec(
            key=metric_key(metric.metric_id),
            group_name=METRICS_GROUP,
            description=_description(metric),
            kinds={"sql"},
            deps=[table_key(table) for table in metric.reads if table in project.tables],
            metadata={
                "code": metric.code,
                "unit": metric.unit,
                "owner": metric.owner,
                "file": metric.path.name,
                "detail_page": MetadataValue.url(f"{settings.cockpit_url}/m/{metric.code}"),
            },
        ),
        metric.owner,
    )


def _owned(spec: AssetSpec, owner: str | None) -> AssetSpec:
    """With the owner as Dagster's own, too, unless Dagster does not know such an address.

    It refuses all letters but ASCII and endings of more than seven, and no address may keep the
    other metrics from loading.
    """
    try:
        return spec.replace_attributes(owners=[owner] if owner else [])
    except DagsterInvalidDefinitionError:
        return spec


def _description(metric: Metric) -> str:
    titled = {
        "What red means": metric.how_to_read,
        "How it is counted": metric.methodology,
        "Notes": metric.notes,
    }
    sections = [f"**{title}.** {text}" for title, text in titled.items() if text]
    return "\n\n".join([f"{metric.code} · {metric.name}", metric.description, *sections])


def _materialization(outcome: Outcome, metric: Metric) -> MaterializeResult[None]:
    return MaterializeResult(
        asset_key=metric_key(outcome.metric_id),
        metadata={
            "value": float(outcome.value or 0),
            **_judged(outcome),
            **_aged(outcome, metric),
            "as_of": MetadataValue.timestamp(outcome.as_of),
            "seconds": outcome.seconds,
        },
    )


def _judged(outcome: Outcome) -> Mapping[str, Any]:
    """As words to read, and as numbers, since only those are plotted."""
    if outcome.judgement is None:
        return {}
    return {
        "status": outcome.judgement.status.value,
        "status_level": _LEVELS[outcome.judgement.status],
        "severity": outcome.judgement.severity,
        "reason": outcome.judgement.reason,
    }


def _aged(outcome: Outcome, metric: Metric) -> Mapping[str, Any]:
    fresh = freshness(metric.period, outcome.source_as_of, outcome.as_of)
    if outcome.source_as_of is None:
        return {"freshness": fresh.value}
    age = source_age(outcome.source_as_of, outcome.as_of)
    return {
        "freshness": fresh.value,
        "source_age_hours": age.total_seconds() / 3600,
        "source_as_of": MetadataValue.timestamp(outcome.source_as_of),
    }


def _check(outcome: Outcome) -> AssetCheckResult:
    status = outcome.status or Status.GREEN
    return AssetCheckResult(
        asset_key=metric_key(outcome.metric_id),
        check_name=CHECK,
        passed=status is Status.GREEN,
        severity=_SEVERITIES.get(status, AssetCheckSeverity.WARN),
        description=outcome.judgement.reason if outcome.judgement else None,
    )


def _fail_for(outcomes: list[Outcome]) -> None:
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if failed:
        reasons = "; ".join(grouped((each.metric_id, each.error or "") for each in failed))
        raise Failure(
            f"{len(failed)} of {counted(len(outcomes), 'metric')} failed; their last good "
            f"values stay. {reasons}",
            allow_retries=False,
        )
