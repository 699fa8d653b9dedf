"""A project as Dagster definitions."""

import logging

from dagster import Definitions

from heartbeat.project import Project
from heartbeat.settings import Settings
from heartbeat_assets.audit_cuts import audit_cut_assets
from heartbeat_assets.benchmarks import benchmarks_asset
from heartbeat_assets.executor import EXECUTOR
from heartbeat_assets.hygiene import hygiene_asset
from heartbeat_assets.ingest import ingest_assets
from heartbeat_assets.landing import landing_resource
from heartbeat_assets.metrics import metric_assets
from heartbeat_assets.registry import registry_asset
from heartbeat_assets.schedules import (
    AUDIT,
    BENCHMARK,
    CHECK_SOURCES,
    HYGIENE,
    RECONCILE,
    REFRESH,
    SEGMENT,
)
from heartbeat_assets.segments import segments_asset
from heartbeat_assets.sources import sources_asset

_logger = logging.getLogger(__name__)


def code_location(settings: Settings) -> Definitions:
    """Everything that the project's files define; makes no connection.

    A file that cannot be used is logged, fails the registry's check, and is left out.
    """
    project = Project.of(settings)
    for problem in project.problems:
        _logger.error("%s", problem)
    cuts = audit_cut_assets(project, settings)
    checks = sources_asset(project)
    benchmarks = benchmarks_asset(project, settings)
    segments = segments_asset(project, settings)
    jobs = [
        REFRESH,
        *([RECONCILE, CHECK_SOURCES] if checks else []),
        *([BENCHMARK] if benchmarks else []),
        *([SEGMENT] if segments else []),
        *([AUDIT] if cuts else []),
        HYGIENE,
    ]
    return Definitions(
        assets=[
            registry_asset(project, settings),
            *checks,
            *ingest_assets(project, settings),
            *metric_assets(project, settings),
            *benchmarks,
            *segments,
            *cuts,
            hygiene_asset(project, settings),
        ],
        jobs=[each.job for each in jobs],
        schedules=[each.schedule(settings.timezone) for each in jobs],
        resources={"landing": landing_resource(project.sources.sources, settings)},
        executor=EXECUTOR,
    )
