"""The view model of one audit page: its cuts, each over one window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from markupsafe import Markup

from heartbeat.audit.audit_view import AuditCutView, AuditRegistry, AuditSnapshotView
from heartbeat.judgement.freshness import Freshness, freshness, source_age
from heartbeat.judgement.wording import age_text
from heartbeat.metrics.metric import Period
from heartbeat.metrics.metric_view import MetricView
from heartbeat_api.face import metric_href, tier_of
from heartbeat_api.job_line import JobLine
from heartbeat_api.moment import short_moment_text
from heartbeat_api.shell import Link

Snapshots = Mapping[str, AuditSnapshotView]

_STALE = (Freshness.AMBER, Freshness.RED)
# computed once a day, as old as the source of a metric over 24 hours may be
_RHYTHM = Period.DAY


@dataclass(frozen=True)
class MetricChip:
    """A metric that a cut explains: its code, its value and the tier that colours it."""

    code: str
    value: str
    tier: str
    href: str


@dataclass(frozen=True)
class CutAction:
    """What somebody has just done to one cut of the page.

    `owner` is what was typed, `refusal` why it was not taken; `job` is how a refresh goes.
    """

    cut_id: str
    owner: str | None = None
    refusal: str = ""
    job: JobLine | None = None


@dataclass(frozen=True)
class CutPanel:
    """One cut ready to be written; `picture` is empty until the cut was computed once.

    `trouble` says why there is no newer picture, `stale` how old its data are where that is too
    old. `spec` is the address of what an interactive picture is drawn from, `forms` where the forms
    of the cut post to.
    """

    cut_id: str
    title: str
    prose: str
    window: str
    picture: Markup
    alt: str
    computed: str
    trouble: str
    stale: str
    verified: bool
    lapsed: bool
    owner: str
    metrics: tuple[MetricChip, ...]
    how_to_read: str
    methodology: str
    reads: Sequence[str]
    spec: str
    forms: str
    downloads: tuple[Link, ...]
    refusal: str
    job: JobLine | None


@dataclass(frozen=True)
class AuditPage:
    """One page of cuts, the links to the others, and to the same over other windows.

    `window` is the one that was asked for, empty for the cuts' own.
    """

    name: str
    window: str
    pages: tuple[Link, ...]
    windows: tuple[Link, ...]
    cuts: tuple[CutPanel, ...]

    @property
    def running(self) -> bool:
        """Whether a refresh is followed on it."""
        return any(cut.job is not None and cut.job.running for cut in self.cuts)


def audit_page(
    registry: AuditRegistry,
    page: str,
    window: str | None,
    snapshots: Snapshots,
    metrics: Sequence[MetricView],
    now: datetime,
    zone: ZoneInfo,
    action: CutAction | None = None,
) -> AuditPage:
    """The page at `now`; a cut without the asked `window` is shown over its own.

    `snapshots` are those over the windows that are shown, by cut_id; moments are written in `zone`.
    """
    cuts = registry.on_page(page)
    return AuditPage(
        name=page,
        window=window or "",
        pages=tuple(
            Link(name.capitalize(), _page_href(name, window), name == page)
            for name in registry.pages
        ),
        windows=_windows(cuts, page, window),
        cuts=tuple(
            _panel(
                cut,
                shown_window(cut, window),
                snapshots.get(cut.cut_id),
                tuple(_chips(cut, metrics)),
                now,
                zone,
                action if action and action.cut_id == cut.cut_id else CutAction(cut.cut_id),
            )
            for cut in cuts
        ),
    )


def shown_window(cut: AuditCutView, window: str | None) -> str:
    """The asked window where the cut has it, else its default."""
    return window if window in cut.windows and window is not None else cut.window_default


def cut_href(cut: AuditCutView, window: str | None = None) -> str:
    """The place of a cut on its page."""
    return f"{_page_href(cut.page, window)}#{quote(cut.cut_id, safe='')}"


def _panel(
    cut: AuditCutView,
    window: str,
    snapshot: AuditSnapshotView | None,
    metrics: tuple[MetricChip, ...],
    now: datetime,
    zone: ZoneInfo,
    action: CutAction,
) -> CutPanel:
    prose = _finding(snapshot) or cut.prose
    return CutPanel(
        cut_id=cut.cut_id,
        title=cut.title,
        prose=prose,
        window=window,
        picture=_picture(cut, snapshot),
        alt=f"{cut.title}, {window}. {prose}",
        computed=_computed(snapshot, now, zone),
        trouble=_trouble(snapshot, now),
        stale=_stale(snapshot, now),
        verified=cut.verification_state == "verified",
        lapsed=cut.lapsed,
        owner=(cut.owner or "") if action.owner is None else action.owner,
        metrics=metrics,
        how_to_read=cut.how_to_read,
        methodology=cut.methodology,
        reads=cut.reads,
        spec=_href("/api/audit/cuts", cut.cut_id, window),
        forms=f"/audit/cuts/{quote(cut.cut_id, safe='')}",
        downloads=_downloads(cut, window, snapshot),
        refusal=action.refusal,
        job=action.job,
    )


def _chips(cut: AuditCutView, metrics: Sequence[MetricView]) -> Sequence[MetricChip]:
    return [
        MetricChip(each.code, each.value_text or "", tier_of(each), metric_href(each))
        for each in metrics
        if each.metric_id in cut.metrics
    ]


def _finding(snapshot: AuditSnapshotView | None) -> str:
    """The sentences that the compute made from its own numbers, where it made any."""
    prose = (snapshot.payload or {}).get("prose") if snapshot else None
    return prose if isinstance(prose, str) else ""


def _picture(cut: AuditCutView, snapshot: AuditSnapshotView | None) -> Markup:
    """The stored drawing; its ids are made those of the cut, since a page holds several."""
    if snapshot is None or snapshot.svg is None:
        return Markup()
    own = snapshot.svg.replace(' id="id', f' id="{cut.cut_id}-id')
    # drawn by the worker, which writes all text of the data as text
    return Markup(own.replace("url(#id", f"url(#{cut.cut_id}-id"))  # noqa: S704


def _computed(snapshot: AuditSnapshotView | None, now: datetime, zone: ZoneInfo) -> str:
    if snapshot is None or snapshot.computed_at is None:
        return ""
    computed = short_moment_text(snapshot.computed_at, now, zone)
    if snapshot.source_as_of is None:
        return f"computed {computed}, age of the data unknown"
    return f"computed {computed}, data as of {short_moment_text(snapshot.source_as_of, now, zone)}"


def _trouble(snapshot: AuditSnapshotView | None, now: datetime) -> str:
    if snapshot is None or snapshot.error is None:
        return ""
    last = ""
    if snapshot.computed_at is not None:
        last = f" · the picture is {age_text(source_age(snapshot.computed_at, now))} old"
    return f"The last compute failed: {snapshot.error}{last}"


def _stale(snapshot: AuditSnapshotView | None, now: datetime) -> str:
    if snapshot is None or snapshot.source_as_of is None:
        return ""
    fresh = freshness(_RHYTHM, snapshot.source_as_of, now)
    if fresh is Freshness.UNKNOWN:
        return "age of the data unknown"
    if fresh not in _STALE:
        return ""
    return f"data {age_text(source_age(snapshot.source_as_of, now))} old"


def _downloads(
    cut: AuditCutView, window: str, snapshot: AuditSnapshotView | None
) -> tuple[Link, ...]:
    if snapshot is None or snapshot.svg is None:
        return ()
    kinds = {"PNG": ".png", "SVG": ".svg"}
    if table_of(snapshot.payload):
        kinds["CSV"] = ".csv"
    return tuple(
        Link(text, _href("/audit/cuts", cut.cut_id, window, kind)) for text, kind in kinds.items()
    )


def table_of(payload: Mapping[str, object] | None) -> Sequence[Mapping[str, object]]:
    """The `rows` of a payload: the table behind its picture; empty without one."""
    rows = (payload or {}).get("rows")
    flat = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    return rows if flat and isinstance(rows, list) else ()


def _windows(cuts: Sequence[AuditCutView], page: str, window: str | None) -> tuple[Link, ...]:
    shown = {shown_window(cut, window) for cut in cuts}
    # days without leading zeros: what is longer is more
    every = sorted({key for cut in cuts for key in cut.windows}, key=lambda key: (len(key), key))
    return tuple(Link(key, _page_href(page, key), {key} == shown) for key in every)


def _page_href(page: str, window: str | None = None) -> str:
    asked = f"?{urlencode({'window': window})}" if window else ""
    return f"/audit/{quote(page, safe='')}{asked}"


def _href(folder: str, cut_id: str, window: str, kind: str = "") -> str:
    return f"{folder}/{quote(cut_id, safe='')}{kind}?{urlencode({'window': window})}"
