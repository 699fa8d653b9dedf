"""What a refresh brings up to date, as keys of Dagster assets."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from heartbeat.errors import HeartbeatError

AssetPath = tuple[str, ...]
"""The parts of an asset's key."""

_METRIC = "metric"
_OWN = "heartbeat"


class UnknownScopeError(HeartbeatError):
    """There is no such metric, or Dagster has not loaded it yet."""


@dataclass(frozen=True)
class Scope:
    """The assets that a run is to make: tables to land, metrics to compute."""

    assets: frozenset[AssetPath]

    @property
    def metrics(self) -> frozenset[str]:
        """The ids of the metrics."""
        return frozenset(path[1] for path in self.assets if path[0] == _METRIC)

    def tables(self, all_tables: Collection[AssetPath]) -> frozenset[AssetPath]:
        """The tables to land, of all that can be landed."""
        return self.assets & frozenset(all_tables)

    def covers(self, other: "Scope") -> bool:
        """Whether who waits for this has what the other one makes."""
        return other.assets <= self.assets


@dataclass(frozen=True)
class AssetGraph:
    """The assets of the job that refreshes everything, each with what it reads."""

    reads: Mapping[AssetPath, frozenset[AssetPath]]

    @property
    def everything(self) -> Scope:
        """All tables and all metrics."""
        return Scope(frozenset(path for path in self.reads if path[0] != _OWN))

    @property
    def tables(self) -> frozenset[AssetPath]:
        """The assets that land from a source."""
        return frozenset(path for path in self.reads if path[0] not in (_METRIC, _OWN))

    def of_metrics(self, metric_ids: Collection[str]) -> Scope:
        """Those metrics and the tables that they read; raises UnknownScopeError."""
        wanted = [(_METRIC, metric_id) for metric_id in metric_ids]
        for path in wanted:
            if path not in self.reads:
                raise UnknownScopeError(
                    f"Dagster knows no metric {path[1]!r}; see `heartbeat registry status`, and "
                    "reload the definitions in the Dagster UI when its file is new"
                )
        tables = {table for path in wanted for table in self.reads[path]}
        return Scope(frozenset(wanted) | (tables & self.reads.keys()))
