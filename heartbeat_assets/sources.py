"""The sources as an asset: whether each still is as its catalog says."""

import re
from collections.abc import Iterator

import psycopg
from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    AssetsDefinition,
    MaterializeResult,
    MetadataValue,
    asset,
)

from heartbeat.errors import HeartbeatError
from heartbeat.landing.drift import drift
from heartbeat.landing.source_session import source_session
from heartbeat.project import Project
from heartbeat.source import Source

CHECKS_GROUP = "source_checks"
SOURCES_KEY = AssetKey(["heartbeat", "sources"])


def sources_asset(project: Project) -> list[AssetsDefinition]:
    """One definition with a check for each source; none when the project has no source."""
    sources = project.sources.sources
    if not sources:
        return []

    @asset(
        key=SOURCES_KEY,
        group_name=CHECKS_GROUP,
        description="New, vanished and changed tables of the sources, beside their catalogs.",
        check_specs=[AssetCheckSpec(_check_name(each), asset=SOURCES_KEY) for each in sources],
    )
    def checked_sources() -> Iterator[MaterializeResult[None]]:
        yield MaterializeResult(check_results=[_check(source) for source in sources])

    return [checked_sources]


def _check_name(source: Source) -> str:
    return f"{re.sub(r'[^a-z0-9]', '_', source.name)}_is_as_its_catalog_says"


def _check(source: Source) -> AssetCheckResult:
    try:
        with source_session(source.name, source.file) as session:
            differences = drift(source.catalog, session.reflection(source.catalog))
    except (HeartbeatError, psycopg.Error) as error:
        differences = (" ".join(str(error).split()),)
    return AssetCheckResult(
        check_name=_check_name(source),
        passed=not differences,
        severity=AssetCheckSeverity.WARN,
        description="; ".join(differences) or None,
        metadata={"differences": MetadataValue.md("\n".join(f"- {each}" for each in differences))},
    )
