"""One landing for all ingest steps of a run, so that a source is read in one snapshot."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack

from dagster import AssetExecutionContext, AssetKey, ResourceDefinition, resource

from heartbeat.landing.landing_run import LandingRun
from heartbeat.landing.ledger import TableLoad
from heartbeat.landing.selection import SelectedTables
from heartbeat.settings import Settings
from heartbeat.source import Source
from heartbeat.table_reference import TableRef
from heartbeat_assets.table_key import table_key

RECONCILE_TAG = "heartbeat/reconcile"
"""Tag of a run whose landing compares every row with the source."""


class RunLanding:
    """The landing of one Dagster run; the first step that ingests opens it."""

    def __init__(self, sources: Sequence[Source], settings: Settings, resources: ExitStack) -> None:
        self._sources = sources
        self._settings = settings
        self._resources = resources
        self._landing: LandingRun | None = None
        self._parts: dict[str, SelectedTables] = {}
        self._log = _Log()

    def land(self, context: AssetExecutionContext, landed_schema: str) -> tuple[TableLoad, ...]:
        """Land the tables of one schema that the run materialises.

        Raises LandingInProgressError when another process lands the source now.
        """
        self._log.context = context
        if self._landing is None:
            self._parts = self._selected(context)
            self._landing = self._resources.enter_context(
                LandingRun(
                    self._settings,
                    context.run.run_id,
                    list(self._parts.values()),
                    self._log,
                    reconcile=RECONCILE_TAG in context.run.tags,
                )
            )
        return self._landing.land(self._parts[landed_schema])

    def _selected(self, context: AssetExecutionContext) -> dict[str, SelectedTables]:
        """The tables that this run plans to land, those of later steps among them."""
        planned = set(context.job_def.asset_layer.executable_asset_keys)
        return {
            landed_schema: SelectedTables(source, schema_name, names)
            for source in self._sources
            for schema_name in source.file.schemas
            if (landed_schema := source.landed_schema(schema_name))
            and (names := _planned(source, schema_name, planned))
        }


def _planned(source: Source, schema_name: str, keys: Collection[AssetKey]) -> tuple[str, ...]:
    schema = source.landed_schema(schema_name)
    names = (table.landed_as for table in source.catalog.of_schema(schema_name))
    return tuple(sorted(name for name in names if table_key(TableRef(schema, name)) in keys))


class _Log:
    """Tells it in the log of the step that lands now."""

    context: AssetExecutionContext

    def landed(self, load: TableLoad) -> None:
        if load.error is not None:
            self.context.log.error(f"{load.qualified_name}: {load.error}")

    def noted(self, message: str) -> None:
        self.context.log.info(message)


def landing_resource(sources: Sequence[Source], settings: Settings) -> ResourceDefinition:
    """The landing that the ingest steps of one run share; it ends with the run."""

    @resource
    def run_landing() -> Iterator[RunLanding]:
        with ExitStack() as resources:
            yield RunLanding(sources, settings, resources)

    return run_landing
