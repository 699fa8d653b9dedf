"""A project: the folder with a company's sources, metrics, segments and audit cuts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from heartbeat.audit.audit_cut import LoadedCuts, load_cuts
from heartbeat.errors import ContentError
from heartbeat.landing.catalog import Table
from heartbeat.metrics.metric_file import LoadedMetrics, load_metrics
from heartbeat.segments.segment_file import LoadedSegments, load_segments
from heartbeat.source import LoadedSources, Source, load_sources
from heartbeat.table_reference import TableRef


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
    """What a folder's files define, read once; broken files are problems, not failures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def sources(self) -> LoadedSources:
        """The files in `sources/`."""
        return load_sources(self.folder / "sources")

    @cached_property
    def metrics(self) -> LoadedMetrics:
        """The files in `metrics/`."""
        return load_metrics(self.folder / "metrics")

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

    @property
    def problems(self) -> tuple[ContentError, ...]:
        """What is wrong with the files, and with what they say of each other."""
        return (
            *self.sources.problems,
            *self.metrics.problems,
            *self.segments.problems,
            *self.cuts.problems,
            *self._unlanded_reads(),
        )

    def _unlanded_reads(self) -> tuple[ContentError, ...]:
        reads = [
            *((metric.path, metric.value_line, metric.reads) for metric in self.metrics.metrics),
            *((cut.path, cut.line, cut.reads) for cut in self.cuts.cuts),
        ]
        if segments := self.segments.segments:
            reads.append((segments.path, segments.line, segments.reads))
        return tuple(
            ContentError(path, line, f"reads {table}, which no source lands")
            for path, line, tables in reads
            for table in tables
            if table not in self.tables
        )
