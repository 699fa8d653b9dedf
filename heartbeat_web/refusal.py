"""Why a request is not answered, and who hears of it."""

import html
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from heartbeat.errors import HeartbeatError

_LINES_A_MINUTE = 60.0
_LONGEST_TOLD = 120
PROTECTION = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


class Refusal(HeartbeatError):  # noqa: N818 - a refusal is the field's own word
    """A request that is not served; the message says why and how to mend it."""

    def __init__(
        self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


@dataclass
class RefusalLog:
    """Writes one line a refusal, and at most 60 a minute, so that nobody fills the log."""

    logger: logging.Logger
    _room: float = field(default=_LINES_A_MINUTE, init=False)
    _untold: int = field(default=0, init=False)
    _at: float = field(default_factory=time.monotonic, init=False)

    def tell(self, refusal: Refusal, *, peer: str, method: str, path: str, who: str = "") -> None:
        """Say who was refused what and why. `who` is the name that the caller gave, if any."""
        now = time.monotonic()
        self._room = min(_LINES_A_MINUTE, self._room + (now - self._at) * _LINES_A_MINUTE / 60)
        self._at = now
        if self._room < 1:
            self._untold += 1
            return
        self._room -= 1
        facts = {
            "peer": peer,
            "identity": who,
            "method": method[:_LONGEST_TOLD],
            "path": path[:_LONGEST_TOLD],
            "status": int(refusal.status),
            "reason": refusal.detail,
            "untold": self._untold,
        }
        self._untold = 0
        self.logger.warning(
            "refused %(status)s %(method)s %(path)r from %(peer)s%(named)s: %(reason)s%(more)s",
            {
                **facts,
                "named": f" as {who!r}" if who else "",
                "more": f" ({facts['untold']} refusals before it are not told)"
                if facts["untold"]
                else "",
            },
            extra=facts,
        )


def problem_document(refusal: Refusal, path: str) -> bytes:
    """The refusal as an RFC 9457 problem document."""
    document = {
        "type": "about:blank",
        "title": refusal.status.phrase,
        "status": int(refusal.status),
        "detail": refusal.detail,
        "instance": path,
    }
    return json.dumps(document, ensure_ascii=False).encode(errors="replace")


def problem_page(refusal: Refusal) -> bytes:
    """The refusal as a page for a person; it needs no other file."""
    title = html.escape(f"{int(refusal.status)} {refusal.status.phrase}")
    text = html.escape(refusal.detail)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<h1>{title}</h1><p>{text}</p></html>"
    ).encode(errors="replace")
