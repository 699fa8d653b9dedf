"""Who may write, and under what name it is logged."""

import hmac
import ipaddress
import re
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import HTTPException, Request

from heartbeat.settings import Settings

LOOPBACK_ACTOR = "loopback"
"""The name of whoever writes on the machine itself while no operator is set up."""

_FORWARDING_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
_OWN_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?", re.IGNORECASE | re.ASCII)
_LONGEST_NAME = 254


@dataclass(frozen=True)
class OperatorPolicy:
    """How an operator is known: a token, a trusted proxy, or, without either, this machine."""

    settings: Settings

    def actor(self, request: Request) -> str:
        """The name of the operator who asks; raises HTTPException with the way to become one."""
        authorization = request.headers.get("authorization")
        if authorization is not None:
            return self._holder(authorization)
        if self._from_trusted_proxy(request):
            self._refuse_other_pages(request)
            return self._identity(request)
        if not self._set_up and _on_this_machine(request):
            return LOOPBACK_ACTOR
        if self.settings.operator_tokens:
            raise _unauthorized("only an operator may write: send a bearer token")
        raise HTTPException(
            HTTPStatus.FORBIDDEN,
            "only an operator may write: set HEARTBEAT_OPERATOR_TOKENS or HEARTBEAT_TRUSTED_PROXIES"
            ", or write from the machine that Heartbeat runs on while neither is set",
        )

    @property
    def _set_up(self) -> bool:
        return bool(self.settings.operator_tokens or self.settings.trusted_proxies)

    def _holder(self, authorization: str) -> str:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer":
            given = token.strip().encode()
            for name, known in self.settings.operator_tokens.items():
                if hmac.compare_digest(given, known.encode()):
                    return name
        raise _unauthorized("the token belongs to no operator")

    def _from_trusted_proxy(self, request: Request) -> bool:
        address = _peer(request)
        return address is not None and any(
            address in network for network in self.settings.trusted_proxies
        )

    def _refuse_other_pages(self, request: Request) -> None:
        """A browser shows the proxy who its user is, whichever page posts a form."""
        page = request.headers.get("origin", "").partition("://")[2]
        own = (
            request.headers.get("host"),
            request.headers.get("x-forwarded-host"),
            urlsplit(self.settings.public_url or "").netloc,
        )
        if "origin" in request.headers and page not in own:
            raise HTTPException(
                HTTPStatus.FORBIDDEN,
                "only a page of Heartbeat itself may write: set HEARTBEAT_PUBLIC_URL to the address"
                " at which people reach it",
            )

    def _identity(self, request: Request) -> str:
        name = request.headers.get(self.settings.identity_header, "").strip()
        if not name or len(name) > _LONGEST_NAME:
            raise _unauthorized(
                f"the proxy does not say who asks in the header {self.settings.identity_header}"
            )
        return name


def _unauthorized(detail: str) -> HTTPException:
    return HTTPException(HTTPStatus.UNAUTHORIZED, detail, {"WWW-Authenticate": "Bearer"})


def _peer(request: Request) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(request.client.host) if request.client else None
    except ValueError:
        return None


def _on_this_machine(request: Request) -> bool:
    """From loopback, not through a proxy, and not by a page of another origin or name."""
    address = _peer(request)
    host = request.headers.get("host", "")
    origin = request.headers.get("origin")
    return (
        address is not None
        and address.is_loopback
        and not any(name in request.headers for name in _FORWARDING_HEADERS)
        and _OWN_HOST.fullmatch(host) is not None
        and (origin is None or origin.partition("://")[2] == host)
    )
