"""Whether files have changed since code was loaded from them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Signature(NamedTuple):
    """What differs when a file was written again."""

    inode: int
    size: int
    modified_ns: int


Signatures = Mapping[str, Signature | None]
"""By path; None: there is no such file."""


@dataclass(frozen=True)
class WatchedFolder:
    """Files that the code reads while it is loaded, beside its modules."""

    folder: Path
    patterns: tuple[str, ...]

    def files(self) -> Iterable[str]:
        """The files that are there now."""
        for pattern in self.patterns:
            yield from map(str, self.folder.glob(pattern))


def signatures(files: Iterable[str]) -> Signatures:
    """The signatures of those files now."""
    return {each: _signature(each) for each in files}


def _signature(file: str) -> Signature | None:
    try:
        found = Path(file).stat()
    except OSError:
        return None
    return Signature(found.st_ino, found.st_size, found.st_mtime_ns)


def written_between(known: Signatures, begin_ns: int, end_ns: int) -> bool:
    """Whether one of the files was written in that time; one of the future says nothing."""
    return any(
        each is not None and begin_ns <= each.modified_ns <= end_ns for each in known.values()
    )
