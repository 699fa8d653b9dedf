"""By which names a server may be asked, and from whose pages.

A page whose own host name is made to point here (DNS rebinding) is of the same origin as this
server for the browser, but its requests name that host.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from heartbeat.settings import Settings
from heartbeat_web.refusal import Refusal
from heartbeat_web.request_head import RequestHead, host_name, is_address

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

_OWN_PAGE = frozenset({"same-origin", "none"})


@dataclass(frozen=True)
class HostPolicy:
    """Names that are allowed beside loopback and IP addresses, and public origins of pages."""

    names: frozenset[str]
    public_urls: tuple[str, ...] = ()

    def check_host(self, head: RequestHead) -> None:
        """Raise Refusal for a host name that is not ours."""
        host = head.one("host")
        if host is None:  # only HTTP/1.0 allows it, which no browser speaks
            return
        name = host_name(host)
        if name in LOOPBACK_NAMES or name in self.names or (name and is_address(name)):
            return
        raise Refusal(
            HTTPStatus.MISDIRECTED_REQUEST,
            f"this server does not serve host {name or host[:60]!r}: if it is yours, add it"
            " to HEARTBEAT_ALLOWED_HOSTS, or use the IP address",
        )

    def check_page(self, head: RequestHead, forwarded_host: str | None = None) -> None:
        """Raise Refusal when a page of another origin has sent the request.

        A program sends neither header and passes. Every browser sends Origin with what is not a
        plain read; Sec-Fetch-Site tells also where the origin is the same by name only.
        `forwarded_host` is the one that a trusted proxy was asked for.
        """
        origin, site = head.one("origin"), head.one("sec-fetch-site")
        own = {
            head.one("host"),
            forwarded_host,
            *(urlsplit(url).netloc for url in self.public_urls),
        }
        if origin is not None and origin.partition("://")[2] not in own - {None, ""}:
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                "only a page of this server itself may write: behind a proxy set"
                " HEARTBEAT_PUBLIC_URL (of Dagster: HEARTBEAT_PUBLIC_DAGSTER_URL) to the address"
                " at which people reach it",
            )
        if site is not None and site not in _OWN_PAGE and origin is None:
            raise Refusal(HTTPStatus.FORBIDDEN, "a page of another site may not ask for this")


def named_hosts(
    settings: Settings, public_url: str | None, *, also: Iterable[str] = ()
) -> HostPolicy:
    """The policy of a server that people reach at `public_url`, and programs at names beside it."""
    public = (public_url,) if public_url else ()
    names = {urlsplit(url).hostname or "" for url in public} | set(also) | {settings.bind_host}
    return HostPolicy(
        frozenset(name.lower() for name in names if name) | settings.allowed_hosts, public
    )
