"""What an author should know of a project's files beyond that they can be used."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import psycopg
from psycopg.rows import dict_row

from heartbeat.errors import ContentError
from heartbeat.metric import Metric
from heartbeat.project import Project
from heartbeat.searched_columns import searched_columns
from heartbeat.settings import Settings
from heartbeat.sql import platform_statements
from heartbeat.table_reference import TableRef

_STATEMENTS = platform_statements("lint")
LARGE_BYTES = 200_000_000
"""Above this size of a landed table a search without an index is worth a word."""


@dataclass(frozen=True)
class LargeTable:
    """A landed table that is too large to be read as a whole for one number."""

    table: TableRef
    bytes: int
    indexed: frozenset[str]
    """The first columns of its indexes."""


@dataclass(frozen=True)
class MissingIndex:
    """The rule: what a metric searches a large table by, begins one of its indexes."""

    project: Project
    large_tables: Mapping[TableRef, LargeTable]

    def findings(self) -> Iterator[ContentError]:
        """One for each statement and table that it searches in vain."""
        for metric in self.project.metrics.metrics:
            yield from self._of_statement(metric, metric.value_sql, metric.value_line)
            if metric.history_sql and metric.history_line:
                yield from self._of_statement(metric, metric.history_sql, metric.history_line)

    def _of_statement(self, metric: Metric, sql: str, line: int) -> Iterator[ContentError]:
        columns = {
            table: [column.landed_as for column in self.project.tables[table].table.columns]
            for table in metric.reads
            if table in self.project.tables
        }
        for table, searched in sorted(searched_columns(sql, columns).items()):
            large = self.large_tables.get(table)
            if large and not searched & large.indexed:
                landed = self.project.tables[table]
                yield ContentError(
                    metric.path,
                    line,
                    f"searches {table} ({large.bytes / 1_000_000:,.0f} MB) by "
                    f"{', '.join(sorted(searched))}, and none of its indexes begins with one of "
                    f"them; add one for {landed.table.qualified_name} under `indexes` in "
                    f"{landed.source.path.name}",
                )


def lint(project: Project, settings: Settings) -> Iterator[ContentError]:
    """The files that cannot be used, then what the rules find; asks marts for sizes and indexes."""
    yield from project.problems
    large_tables = read_large_tables(project, settings, LARGE_BYTES)
    yield from MissingIndex(project, large_tables).findings()


def read_large_tables(
    project: Project, settings: Settings, limit: int
) -> Mapping[TableRef, LargeTable]:
    """The landed tables above a size in bytes."""
    schemas = sorted({table.schema for table in project.tables})
    with psycopg.connect(settings.database_url) as connection:
        rows = (
            connection.cursor(row_factory=dict_row)
            .execute(_STATEMENTS["large_tables"], {"schemas": schemas, "limit": limit})
            .fetchall()
        )
    found = [
        LargeTable(
            TableRef(row["schema_name"], row["table_name"]),
            row["bytes"],
            frozenset(row["indexed"]),
        )
        for row in rows
    ]
    return {each.table: each for each in found}
