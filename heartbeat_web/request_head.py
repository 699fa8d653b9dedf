"""A request before its body: who sends it, to which host, from which page."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any, TypeAlias

from heartbeat_web.refusal import Refusal

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORT_DIGITS = 5
_SAFE_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class RequestHead:
    """The head of one ASGI scope, of HTTP or of a websocket."""

    scope: Mapping[str, Any]

    @cached_property
    def _headers(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, value in self.scope["headers"]:
            found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        return found

    def has(self, name: str) -> bool:
        """Whether the header is there at all."""
        return name.lower() in self._headers

    def values(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        return self._headers.get(name.lower(), [])

    def one(self, name: str) -> str | None:
        """The value of a header, None without it; raises Refusal when it is there twice.

        Two programs that each take another one of two values do not agree on who asks.
        """
        values = self.values(name)
        if len(values) > 1:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"the header {name} is there {len(values)} times")
        return values[0] if values else None

    @property
    def peer(self) -> Address | None:
        """Who has connected; None where that is no IP address, such as a unix socket."""
        client = self.scope.get("client")
        try:
            return ipaddress.ip_address(client[0]) if client else None
        except ValueError:
            return None

    @property
    def method(self) -> str:
        """GET for a websocket, as it begins with one."""
        return str(self.scope.get("method", "GET"))

    @property
    def path(self) -> str:
        """The path, decoded."""
        return str(self.scope["path"])

    @property
    def reads(self) -> bool:
        """Whether its method changes nothing by its meaning."""
        return self.scope["type"] == "http" and self.method in _SAFE_METHODS

    @property
    def peer_text(self) -> str:
        """The peer for a log line."""
        client = self.scope.get("client")
        return str(client[0]) if client else "unknown"


def host_name(host: str) -> str:
    """The name in a Host header or in an authority, in lower case, without port and brackets.

    Empty for one that is no host.
    """
    name, port = host.strip().lower(), ""
    if name.startswith("["):
        name, closed, port = name[1:].partition("]")
        port = port.removeprefix(":")
        if not closed or not is_address(name):
            return ""
    else:
        name, _, port = name.partition(":")
    if port and not (port.isascii() and port.isdigit() and len(port) <= _PORT_DIGITS):
        return ""
    return name.rstrip(".")


def is_address(name: str) -> bool:
    """Whether a host name is an IP literal: nobody's DNS answers for it."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
