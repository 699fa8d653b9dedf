"""The style sheets, scripts and pictures of the API's own origin."""

import hashlib
import os
from functools import cache
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

_DIGEST_BYTES = 9


class StaticFolder(StaticFiles):
    """Files that a browser asks for each time, and mostly hears 304: modules import each other by
    names without a version, and all of one page must be of one build.
    """

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """The file, or 304 for who has it; its tag is of what it says, on whichever machine."""
        response = FileResponse(full_path, status_code, stat_result=stat_result)
        # no time: an installation may give the files of two builds the same one
        del response.headers["last-modified"]
        response.headers["etag"] = _tag(str(full_path), stat_result.st_mtime_ns)
        response.headers["cache-control"] = "no-cache"
        if self.is_not_modified(response.headers, Headers(scope=scope)):
            return NotModifiedResponse(response.headers)
        return response


@cache
def _tag(path: str, _changed: int) -> str:
    digest = hashlib.blake2b(Path(path).read_bytes(), digest_size=_DIGEST_BYTES)
    return f'"{digest.hexdigest()}"'
