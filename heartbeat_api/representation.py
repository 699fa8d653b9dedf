"""A document as it goes out: compressed once, and not at all to who has it already."""

import gzip
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from http import HTTPStatus

from fastapi import Request
from starlette.responses import Response

from heartbeat_api.negotiation import accepts_gzip

_COMPRESSION = 5
_DIGEST_BYTES = 9


@dataclass(frozen=True)
class Representation:
    """The bytes of a document, and its version: equal for documents that say the same."""

    body: bytes
    media_type: str
    version: str

    @cached_property
    def _compressed(self) -> bytes:
        return gzip.compress(self.body, _COMPRESSION, mtime=0)

    def compress(self) -> None:
        """Compress it now, so that no request does."""
        _ = self._compressed

    @property
    def etag(self) -> str:
        """The version as an entity tag: weak, since ages may differ between equal versions."""
        return f'W/"{self.version}"'

    def answers(self, request: Request, *, caching: str = "no-store") -> Response:
        """The answer to a conditional request: 304 without a body for who has this version.

        `caching` is the Cache-Control of the answer.
        """
        headers = {"ETag": self.etag, "Vary": "Accept-Encoding", "Cache-Control": caching}
        if self.version in _versions(request.headers.get("if-none-match", "")):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        if not accepts_gzip(request.headers.get("accept-encoding", "")):
            return Response(self.body, media_type=self.media_type, headers=headers)
        headers["Content-Encoding"] = "gzip"
        return Response(self._compressed, media_type=self.media_type, headers=headers)


def version_of(*parts: object) -> str:
    """A digest of what parts say; objects say their `repr`."""
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        digest.update(part if isinstance(part, bytes) else repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()


def _versions(header: str) -> set[str]:
    """The versions of an If-None-Match header, compared weakly (RFC 9110, 13.1.2)."""
    return {tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")}
