"""Durations and sizes as settings write them: 30s, 5min, 512MB, 1GB."""

import re
from typing import Final

_DURATION = re.compile(r"([1-9]\d*) ?(ms|s|min|h)", re.ASCII)
_SIZE = re.compile(r"([1-9]\d*) ?(MB|GB)", re.ASCII)
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_BYTES: Final = {"MB": 2**20, "GB": 2**30}


def seconds_of(duration: str) -> float:
    """The length of a duration such as "30s"; raises ValueError for another text."""
    match = _DURATION.fullmatch(duration)
    if match is None:
        raise ValueError(f"{duration!r} is not a duration such as 500ms, 30s or 2min")
    return int(match[1]) * _SECONDS[match[2]]


def bytes_of(size: str) -> int:
    """The bytes of a size such as "1GB", which is 1024 MB; raises ValueError for another text."""
    match = _SIZE.fullmatch(size)
    if match is None:
        raise ValueError(f"{size!r} is not a size such as 512MB or 1GB")
    return int(match[1]) * _BYTES[match[2]]
