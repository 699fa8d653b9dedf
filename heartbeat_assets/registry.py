"""The registry as an asset: the project's files, as the database knows them."""

from collections.abc import Iterator

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

from heartbeat.audit.audit_snapshot import sync_cuts
from heartbeat.login import Login
from heartbeat.postgres_session import connect
from heartbeat.project import Project
from heartbeat.registration import register
from heartbeat.settings import Settings

REGISTRY_KEY = AssetKey(["heartbeat", "registry"])
_CHECK = "every_file_can_be_used"


def registry_asset(project: Project, settings: Settings) -> AssetsDefinition:
    """Syncs metrics, cuts and what lands; its check fails with the files that cannot be used."""

    @asset(
        key=REGISTRY_KEY,
        group_name="heartbeat",
        description="The files in metrics/ and audit_cuts/, as the registry tables hold them.",
        check_specs=[AssetCheckSpec(_CHECK, asset=REGISTRY_KEY)],
    )
    def registry() -> Iterator[MaterializeResult[None]]:
        with connect(settings.login_url(Login.INGEST)) as connection:
            changes = register(connection, project, settings.zone).changes
            cut_changes = sync_cuts(connection, project.cuts)
        yield MaterializeResult(
            metadata={
                "metrics": len(project.metrics.metrics),
                "cuts": len(project.cuts.cuts),
                "changed": len(changes)
                + len(cut_changes.added + cut_changes.changed + cut_changes.removed),
            },
            check_results=[_content_check(project)],
        )

    return registry


def _content_check(project: Project) -> AssetCheckResult:
    problems = project.problems
    return AssetCheckResult(
        check_name=_CHECK,
        passed=not problems,
        severity=AssetCheckSeverity.ERROR,
        metadata={"problems": MetadataValue.md("\n".join(f"- {each}" for each in problems))},
    )
