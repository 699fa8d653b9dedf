"""Operators as the routes ask for them: a refusal is logged and becomes an HTTP error."""

from dataclasses import dataclass
from http import HTTPStatus

from fastapi import HTTPException, Request

from heartbeat_web.operators import OperatorPolicy
from heartbeat_web.refusal import Refusal, RefusalLog
from heartbeat_web.request_head import RequestHead

_FOREIGN_SITES = ("cross-site", "same-site")


@dataclass(frozen=True)
class Operators:
    """Who may write through the API."""

    policy: OperatorPolicy
    log: RefusalLog

    def actor(self, request: Request) -> str:
        """The name of the operator who asks; raises HTTPException with the way to become one."""
        head = RequestHead(request.scope)
        try:
            return self.policy.actor(head)
        except Refusal as refusal:
            raise self._refused(head, refusal) from refusal

    def address(self, request: Request) -> str:
        """The address of a screen; raises HTTPException for a page of another site.

        A browser tells the site with every request, through whichever proxy it comes.
        """
        head = RequestHead(request.scope)
        if any(site in _FOREIGN_SITES for site in head.values("sec-fetch-site")):
            detail = "a page of another site reports no screen"
            raise self._refused(head, Refusal(HTTPStatus.FORBIDDEN, detail))
        return self.policy.client(head)

    @property
    def closed(self) -> str:
        """Why no browser at all may write, for the place where a form would be; else empty."""
        return self.policy.closed

    def _refused(self, head: RequestHead, refusal: Refusal) -> HTTPException:
        who = ", ".join(head.values(self.policy.settings.identity_header))
        peer = self.policy.client(head)
        self.log.tell(refusal, peer=peer, method=head.method, path=head.path, who=who[:254])
        return HTTPException(refusal.status, refusal.detail, refusal.headers)
