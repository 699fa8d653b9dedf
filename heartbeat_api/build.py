"""Which build of the pages a wall shows, so that a wall knows when to load itself anew."""

import hashlib
from functools import cache
from pathlib import Path

_SUFFIXES = {".py", ".html", ".css", ".js", ".svg"}


@cache
def build_id() -> str:
    """A digest of this package's code, templates and static files."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in _SUFFIXES:
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
