"""A run as Dagster has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from heartbeat.refresh.scope import AssetPath

_ENDED = frozenset({"SUCCESS", "FAILURE", "CANCELED"})


@dataclass(frozen=True)
class Run:
    """A run as Dagster has it."""

    run_id: str
    job: str
    status: str
    """Dagster's run status, such as QUEUED, STARTED, SUCCESS, FAILURE."""
    selection: frozenset[AssetPath] | None
    """The assets that were selected of the job; None: all."""
    pools: frozenset[str]
    tags: Mapping[str, str]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in _ENDED


@dataclass(frozen=True)
class RunProgress:
    """How far a run is."""

    status: str
    materialized: int

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in _ENDED
