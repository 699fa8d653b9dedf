"""Moments as a page writes them, so that a screen can keep them up to date by itself."""

from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from heartbeat.judgement.freshness import source_age
from heartbeat.judgement.wording import age_text

NO_MOMENT = "—"


@dataclass(frozen=True)
class Age:
    """How long ago a moment was; `text` is as of the drawing, and no part of a comparison."""

    at: datetime
    text: str = field(compare=False, repr=False)

    @property
    def epoch(self) -> int:
        """The moment in whole seconds since 1970."""
        return int(self.at.timestamp())


def age_of(at: datetime, now: datetime) -> Age:
    """The age of a moment; zero for one to come."""
    return Age(at, age_text(source_age(at, now)))


def moment_text(moment: datetime | None, zone: ZoneInfo) -> str:
    """A moment as people write it: "20 Nov 2026 13:51 UTC"; a dash for none."""
    return f"{moment.astimezone(zone):%-d %b %Y %H:%M %Z}" if moment else NO_MOMENT


def short_moment_text(moment: datetime | None, now: datetime, zone: ZoneInfo) -> str:
    """The time of a moment today, else with its day: "13:51", "18 Nov 13:51"."""
    if moment is None:
        return NO_MOMENT
    local = moment.astimezone(zone)
    today = now.astimezone(zone).date()
    return f"{local:%H:%M}" if local.date() == today else f"{local:%-d %b %H:%M}"
