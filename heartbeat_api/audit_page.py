"""The view model of one audit page: its cuts, each over one window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from heartbeat.audit.audit_view import AuditCutView, AuditRegistry, AuditSnapshotView
from heartbeat.judgement.freshness import source_age
from heartbeat.judgement.wording import age_text
from heartbeat_api.shell import Link

Snapshots = Mapping[tuple[str, str], AuditSnapshotView]


@dataclass(frozen=True)
class CutPanel:
    """One cut ready to be written; `image` is empty until the cut was computed once."""

    cut_id: str
    title: str
    prose: str
    image: str
    alt: str
    windows: tuple[Link, ...]
    ages: tuple[str, ...]
    error: str
    verified: bool
    owner: str
    how_to_read: str
    methodology: str
    reads: Sequence[str]


@dataclass(frozen=True)
class AuditPage:
    """One page of cuts and the links to the others."""

    name: str
    pages: tuple[Link, ...]
    cuts: tuple[CutPanel, ...]


def audit_page(
    registry: AuditRegistry, page: str, window: str | None, snapshots: Snapshots, now: datetime
) -> AuditPage:
    """The page at `now`; a cut without the asked `window` is shown over its default."""
    return AuditPage(
        name=page,
        pages=tuple(Link(name, _page_href(name), name == page) for name in registry.pages),
        cuts=tuple(_panel(cut, window, snapshots, now) for cut in registry.on_page(page)),
    )


def shown_window(cut: AuditCutView, window: str | None) -> str:
    """The asked window where the cut has it, else its default."""
    return window if window in cut.windows and window is not None else cut.window_default


def _panel(cut: AuditCutView, window: str | None, snapshots: Snapshots, now: datetime) -> CutPanel:
    shown = shown_window(cut, window)
    snapshot = snapshots.get((cut.cut_id, shown))
    prose = _finding(snapshot) or cut.prose
    return CutPanel(
        cut_id=cut.cut_id,
        title=cut.title,
        prose=prose,
        image=_image_href(cut.cut_id, shown) if snapshot and snapshot.drawn else "",
        alt=f"{cut.title}, {shown}. {prose}",
        windows=tuple(_window_link(cut, key, key == shown) for key in cut.windows),
        ages=_ages(snapshot, now),
        error=(snapshot.error or "") if snapshot else "",
        verified=cut.verification_state == "verified",
        owner=cut.owner or "no owner",
        how_to_read=cut.how_to_read,
        methodology=cut.methodology,
        reads=cut.reads,
    )


def _finding(snapshot: AuditSnapshotView | None) -> str:
    """The sentence that the compute made from its own numbers, where it made one."""
    prose = (snapshot.payload or {}).get("prose") if snapshot else None
    return prose if isinstance(prose, str) else ""


def _ages(snapshot: AuditSnapshotView | None, now: datetime) -> tuple[str, ...]:
    if snapshot is None:
        return ()
    ages = (("computed", snapshot.computed_at), ("source data", snapshot.source_as_of))
    return tuple(
        f"{what} {age_text(source_age(moment, now))} ago" if moment else f"{what}: age unknown"
        for what, moment in ages
    )


def _page_href(page: str) -> str:
    return f"/audit/{quote(page, safe='')}"


def _window_link(cut: AuditCutView, window: str, current: bool) -> Link:
    anchor = quote(cut.cut_id, safe="")
    href = f"{_page_href(cut.page)}?window={quote(window, safe='')}#{anchor}"
    return Link(window, href, current)


def _image_href(cut_id: str, window: str) -> str:
    return f"/audit/cuts/{quote(cut_id, safe='')}.svg?window={quote(window, safe='')}"
