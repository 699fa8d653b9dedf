"""What the JSON routes answer, where it is more than one object of the domain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from heartbeat.audit.audit_view import AuditCutView
from heartbeat.displays import Display
from heartbeat.metrics.metric_view import MetricView
from heartbeat.refresh.job import RefreshJob


@dataclass(frozen=True)
class Health:
    """The database answers, and this is the build that says so."""

    status: Literal["ok"]
    build: str


@dataclass(frozen=True)
class Part:
    """Whether a part of the stack works, and why it does not."""

    ok: bool
    reason: str | None


@dataclass(frozen=True)
class Readiness:
    """Whether every part of the stack works."""

    ready: bool
    build: str
    parts: Mapping[str, Part]


@dataclass(frozen=True)
class LandingDocument:
    """How old the sources are behind the values, and what the last refreshes did not land.

    `failed_at` is null while every table landed when it was last attempted; `restored` are those
    that have not been attempted since the database was restored from a backup.
    """

    source_as_of: datetime | None
    failed_at: datetime | None
    tables: int
    refused: Sequence[str]
    broken_off: Sequence[str]
    restored: Sequence[str]


@dataclass(frozen=True)
class MetricsDocument:
    """All metrics in the order of the wall, of one read of the database.

    `job` is null while nothing runs or waits, and while Dagster does not say. When it is null
    because a job has ended, the metrics have what the job made.
    """

    as_of: datetime
    build: str
    job: RefreshJob | None
    landing: LandingDocument
    metrics: Sequence[MetricView]


@dataclass(frozen=True)
class DisplaysDocument:
    """Every screen that reports, or once did for an hour and longer."""

    displays: Sequence[Display]


@dataclass(frozen=True)
class CutSnapshotDocument:
    """What was computed of a cut over one window, and when."""

    payload: Mapping[str, Any] | None
    computed_at: datetime | None
    source_as_of: datetime | None
    error: str | None


@dataclass(frozen=True)
class CutDocument(AuditCutView):
    """A cut over one `window`; `snapshot` is null until it was computed over it."""

    window: str
    snapshot: CutSnapshotDocument | None


@dataclass(frozen=True)
class DrawnCutDocument(CutDocument):
    """The same with the Vega-Lite spec that draws it; null until it was drawn."""

    spec: Mapping[str, Any] | None


@dataclass(frozen=True)
class AuditPageDocument:
    """The cuts of one page in their order."""

    page: str
    cuts: Sequence[CutDocument]


@dataclass(frozen=True)
class AuditRegistryDocument:
    """Every cut, and the pages in order."""

    pages: Sequence[str]
    cuts: Sequence[AuditCutView]
