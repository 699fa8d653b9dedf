"""A project: the folder with a company's sources, metrics, segments and audit cuts."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from heartbeat.audit.audit_cut import PLATFORM_TABLES, AuditCut, LoadedCuts, load_cuts
from heartbeat.errors import ContentError, HeartbeatError
from heartbeat.landing.catalog import Table
from heartbeat.metrics.metric import Metric
from heartbeat.metrics.metric_file import LoadedMetrics, load_metrics
from heartbeat.metrics.platform_metrics import load_platform_metrics
from heartbeat.segments.segment_file import LoadedSegments, load_segments
from heartbeat.settings import Settings
from heartbeat.source import LoadedSources, Source, load_sources
from heartbeat.table_reference import TableRef


class UnknownTableError(HeartbeatError):
    """No source lands a table of that name."""


@dataclass(frozen=True)
class LandedTable:
    """A table in marts and where it comes from."""

    source: Source
    table: Table

    @property
    def reference(self) -> TableRef:
        """Its name in marts."""
        return TableRef(self.source.landed_schema(self.table.schema_name), self.table.landed_as)


class Project:
    """What a folder's files define, read once; broken files are problems, not failures.

    With `watches_platform` the metrics that Heartbeat brings along, of itself, are among its own.
    """

    def __init__(self, folder: Path, *, watches_platform: bool = False) -> None:
        self.folder = folder
        self._watches_platform = watches_platform

    @classmethod
    def of(cls, settings: Settings) -> "Project":
        """The project that the settings name, as every process sees it."""
        return cls(settings.project, watches_platform=settings.platform_metrics)

    @cached_property
    def sources(self) -> LoadedSources:
        """The files in `sources/`."""
        return load_sources(self.folder / "sources")

    @cached_property
    def metrics(self) -> LoadedMetrics:
        """The files in `metrics/`, and the platform's own unless they are switched off."""
        return LoadedMetrics(
            (*self.own_metrics.metrics, *self._platform_metrics), self.own_metrics.problems
        )

    @cached_property
    def own_metrics(self) -> LoadedMetrics:
        """The files in `metrics/`."""
        return load_metrics(self.folder / "metrics")

    @property
    def _platform_metrics(self) -> tuple[Metric, ...]:
        """Those whose id and code no metric of the project has: a company's own goes first."""
        if not self._watches_platform:
            return ()
        own = self.own_metrics
        ids = {metric.metric_id for metric in own.metrics} | own.broken
        codes = {metric.code for metric in own.metrics}
        return tuple(
            metric
            for metric in load_platform_metrics()
            if metric.metric_id not in ids and metric.code not in codes
        )

    @cached_property
    def segments(self) -> LoadedSegments:
        """The file in `segments/`."""
        return load_segments(self.folder / "segments")

    @cached_property
    def cuts(self) -> LoadedCuts:
        """The modules in `audit_cuts/`; reading them runs them."""
        return load_cuts(self.folder / "audit_cuts")

    @cached_property
    def tables(self) -> Mapping[TableRef, LandedTable]:
        """Every table that a source lands, by its name in marts."""
        landed = [
            LandedTable(source, table)
            for source in self.sources.sources
            for table in source.catalog.tables
        ]
        return {each.reference: each for each in landed}

    def landed_table(self, name: str) -> LandedTable:
        """The table of that name, as schema.table; raises UnknownTableError."""
        schema, _, table = name.partition(".")
        landed = self.tables.get(TableRef(schema, table))
        if landed is None:
            near = sorted(str(each) for each in self.tables if each.schema == schema)
            known = near or sorted({each.schema for each in self.tables})
            raise UnknownTableError(
                f"no source lands {name}; there are {', '.join(known) or 'none'}"
            )
        return landed

    @property
    def problems(self) -> tuple[ContentError, ...]:
        """What is wrong with the files, and with what they say of each other."""
        return (
            *self.sources.problems,
            *self.metrics.problems,
            *self.segments.problems,
            *self.cuts.problems,
            *self._unlanded_reads(),
            *self._unknown_names(),
        )

    @property
    def notes(self) -> tuple[ContentError, ...]:
        """What is probably a slip, though every file can be used: a page with one cut and a name
        that is nearly that of another page, a code or id that the platform has a metric of.
        """
        pages = Counter(cut.page for cut in self.cuts.cuts)
        lonely = (
            ContentError(
                cut.path,
                cut.line,
                f"META.page: no other cut is on page {cut.page}; is it {' or '.join(near)}?",
            )
            for cut in self.cuts.cuts
            if pages[cut.page] == 1
            if (near := get_close_matches(cut.page, pages.keys() - {cut.page}, cutoff=0.8))
        )
        return (*lonely, *self._platform_notes())

    def _platform_notes(self) -> Iterator[ContentError]:
        if not self._watches_platform:
            return
        for own in self.own_metrics.metrics:
            for each in load_platform_metrics():
                if own.metric_id == each.metric_id or own.code == each.code:
                    told = f"the platform's own metric {each.code} ({each.name}) is left out for it"
                    yield ContentError(own.path, 1, told)

    @property
    def metric_problems(self) -> tuple[ContentError, ...]:
        """Why metrics cannot be computed: their files, and what they read that no source lands.

        Runs no audit cut.
        """
        reads = [(each.path, each.value_line, each.reads) for each in self.own_metrics.metrics]
        return (*self.metrics.problems, *self._unlanded(reads))

    def _unlanded_reads(self) -> tuple[ContentError, ...]:
        reads = [
            *(
                (metric.path, metric.value_line, metric.reads)
                for metric in self.own_metrics.metrics
            ),
            *((cut.path, cut.line, self._landed_reads(cut)) for cut in self.cuts.cuts),
        ]
        if segments := self.segments.segments:
            reads.append((segments.path, segments.line, segments.reads))
        return self._unlanded(reads)

    def _unlanded(
        self, reads: Sequence[tuple[Path, int, Sequence[TableRef]]]
    ) -> tuple[ContentError, ...]:
        return tuple(
            ContentError(path, line, f"reads {table}, which no source lands")
            for path, line, tables in reads
            for table in tables
            if table not in self.tables
        )

    @staticmethod
    def _landed_reads(cut: AuditCut) -> tuple[TableRef, ...]:
        return tuple(table for table in cut.reads if table not in PLATFORM_TABLES)

    def _unknown_names(self) -> tuple[ContentError, ...]:
        """What metrics and cuts say of each other that no file is behind."""
        cut_ids = {cut.cut_id for cut in self.cuts.cuts} | self.cuts.broken
        metric_ids = {metric.metric_id for metric in self.metrics.metrics} | self.metrics.broken
        return (
            *(
                ContentError(
                    metric.path, _line_of_cuts(metric), f"cuts: there is no audit cut {name}"
                )
                for metric in self.metrics.metrics
                for name in metric.cuts
                if name not in cut_ids
            ),
            *(
                ContentError(cut.path, cut.line, f"META.metrics: there is no metric {name}")
                for cut in self.cuts.cuts
                for name in cut.metrics
                if name not in metric_ids
            ),
        )


def _line_of_cuts(metric: Metric) -> int:
    """The line of the header that names the audit cuts."""
    lines = metric.path.read_text(encoding="utf-8").splitlines()
    named = (at for at, line in enumerate(lines) if "cuts" in line.partition(":")[0])
    return 1 + next(named, 0)
