"""Who may write, and under what name it is logged."""

import hmac
import ipaddress
from dataclasses import dataclass, field
from http import HTTPStatus

from heartbeat.client_text import one_line
from heartbeat.settings import Settings
from heartbeat_web.hosts import LOOPBACK_NAMES, HostPolicy
from heartbeat_web.refusal import Refusal
from heartbeat_web.request_head import RequestHead, host_name
from heartbeat_web.wrong_tokens import WrongTokens

LOOPBACK_ACTOR = "loopback"
"""The name of whoever writes on the machine itself while no operator is set up."""

NOBODY_MAY_WRITE = (
    "Nobody may write here yet: set HEARTBEAT_OPERATOR_TOKENS or HEARTBEAT_TRUSTED_PROXIES, or"
    " HEARTBEAT_LOOPBACK_WRITES=yes where only you use this machine"
)

NO_BROWSER_MAY_WRITE = (
    "A browser cannot send an operator's token: to write here, come through a proxy with a login"
    " (HEARTBEAT_TRUSTED_PROXIES); with a token the API takes what these pages would send"
)

_FORWARDING_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
_LONGEST_NAME = 254


@dataclass(frozen=True)
class OperatorPolicy:
    """How an operator is known: a token, a trusted proxy, or, with the switch, this machine."""

    settings: Settings
    hosts: HostPolicy
    wrong_tokens: WrongTokens = field(default_factory=WrongTokens)

    def actor(self, head: RequestHead) -> str:
        """The name of the operator who asks; raises Refusal with the way to become one."""
        authorization = head.one("authorization")
        if authorization is not None:
            return self._holder(authorization, self.client(head))
        if self._from_trusted_proxy(head):
            self.hosts.check_page(head, self.forwarded_host(head))
            return self._identity(head)
        self.hosts.check_page(head)
        if self.loopback_writes and _on_this_machine(head):
            return LOOPBACK_ACTOR
        if self.settings.operator_tokens:
            raise _unauthorized("only an operator may write: send a bearer token")
        if not self.is_set_up and not self.loopback_writes:
            raise Refusal(HTTPStatus.FORBIDDEN, NOBODY_MAY_WRITE)
        raise Refusal(
            HTTPStatus.FORBIDDEN,
            "only an operator may write: set HEARTBEAT_OPERATOR_TOKENS or HEARTBEAT_TRUSTED_PROXIES"
            ", or write from the machine that Heartbeat runs on, with HEARTBEAT_LOOPBACK_WRITES=yes"
            ", while neither is set",
        )

    @property
    def is_set_up(self) -> bool:
        """Whether any operator can be known."""
        return bool(self.settings.operator_tokens or self.settings.trusted_proxies)

    @property
    def loopback_writes(self) -> bool:
        """Whether this machine itself may write: with the switch, while no operator is set up."""
        return self.settings.loopback_writes and not self.is_set_up

    @property
    def closed(self) -> str:
        """Why no browser at all may write, for the place where a form would be; else empty."""
        if self.settings.trusted_proxies or self.loopback_writes:
            return ""
        return NO_BROWSER_MAY_WRITE if self.settings.operator_tokens else NOBODY_MAY_WRITE

    def forwarded_host(self, head: RequestHead) -> str | None:
        """The host that a trusted proxy was asked for, where it says so."""
        return head.one("x-forwarded-host") if self._from_trusted_proxy(head) else None

    def client(self, head: RequestHead) -> str:
        """The address of who asks, as the peer or as the trusted proxy before it says."""
        if self._from_trusted_proxy(head):
            # the last entry is the proxy's own, what stands before it any client can write
            named = ",".join(head.values("x-forwarded-for")).rpartition(",")[2].strip()
            try:
                return str(ipaddress.ip_address(named))
            except ValueError:
                pass
        return head.peer_text

    def _holder(self, authorization: str, client: str) -> str:
        wait = self.wrong_tokens.wait(client)
        if wait:
            raise Refusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"too many wrong tokens from {client}: try again in {wait} s",
                {"Retry-After": str(wait)},
            )
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer":
            given = token.strip().encode()
            # all are compared: how long it takes must not tell which one was near
            holders = [
                name
                for name, known in self.settings.operator_tokens.items()
                if hmac.compare_digest(given, known.encode())
            ]
            if holders:
                return holders[0]
        self.wrong_tokens.count(client)
        raise _unauthorized("the token belongs to no operator")

    def _from_trusted_proxy(self, head: RequestHead) -> bool:
        address = head.peer
        return address is not None and any(
            address in network for network in self.settings.trusted_proxies
        )

    def _identity(self, head: RequestHead) -> str:
        header = self.settings.identity_header
        name = (head.one(header) or "").encode("latin-1").decode(errors="replace").strip()
        if not name or len(name) > _LONGEST_NAME:
            raise _unauthorized(f"the proxy does not say who asks in the header {header}")
        try:
            return one_line(name)
        except ValueError as error:
            raise _unauthorized(f"the name in the header {header} {error}") from error


def _unauthorized(detail: str) -> Refusal:
    return Refusal(HTTPStatus.UNAUTHORIZED, detail, {"WWW-Authenticate": "Bearer"})


def _on_this_machine(head: RequestHead) -> bool:
    """From loopback, not through a proxy that says so, and by a name of this machine."""
    address = head.peer
    # the public address is a page of ours too, but of a proxy that may serve the whole world
    origin = (head.one("origin") or "").partition("://")[2] or None
    return (
        address is not None
        and address.is_loopback
        and not any(head.has(name) for name in _FORWARDING_HEADERS)
        and host_name(head.one("host") or "") in LOOPBACK_NAMES
        and origin in (None, head.one("host"))
    )
