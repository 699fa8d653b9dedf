"""The file in which the rows of one table travel: an order how to write them, and COPY data."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol

Chunk = bytes | bytearray | memoryview

_BLOCK_BYTES = 1 << 20
_DIGEST_BYTES = 16
_MOST_BYTES = 10**15


class Rows(Protocol):
    """COPY data that knows how many rows it had, once it was read."""

    rows: int

    def __iter__(self) -> Iterator[Chunk]:
        """The data in chunks."""


@dataclass(frozen=True)
class CursorRange:
    """The rows from `after` up to and with `until`, and those without a cursor.

    None is an open end. Values are literals of the cursor's type, as text.
    """

    cursor: str
    type: str
    after: str | None
    until: str | None


@dataclass(frozen=True)
class WriteOrder:
    """What one transaction does with the rows of a file.

    `replace` writes them in the place of all rows, `merge` by key beside the others, `range` in the
    place of the rows in `replaced`. `reshaping` is SQL for the moment when a replaced table is
    empty: it gives the table the shape that the rows have.
    """

    how: Literal["replace", "merge", "range"]
    columns: tuple[tuple[str, str], ...]
    """Landed name and type of each column, as the data has them."""
    key: tuple[str, ...] = ()
    replaced: CursorRange | None = None
    reshaping: tuple[str, ...] = ()
    deleted_bytes: int = 0
    """Length of the COPY data with the keys of deleted rows, which goes before the rows."""

    @property
    def names(self) -> tuple[str, ...]:
        """The landed names."""
        return tuple(name for name, _ in self.columns)


@dataclass(frozen=True)
class CopyFile:
    """A file that was written."""

    path: Path
    rows: int
    bytes: int
    """Of its rows."""
    digest: str
    """Of all that it writes: equal digests write equal rows."""


def write_copy_file(
    path: Path, order: WriteOrder, deleted: Iterable[Chunk], rows: Rows
) -> CopyFile:
    """Write the order, the keys of deleted rows and the rows; leaves no file where it fails."""
    header = _header(replace(order, deleted_bytes=_MOST_BYTES))
    digest = hashlib.blake2b(header, digest_size=_DIGEST_BYTES)
    try:
        with path.open("wb") as file:
            file.write(header)
            deleted_bytes = _write(file, deleted, digest)
            rows_bytes = _write(file, rows, digest)
            file.seek(0)
            # the line was written with the longest number, spaces take up the rest
            known = json.dumps(asdict(replace(order, deleted_bytes=deleted_bytes))).encode()
            file.write(known.ljust(len(header) - 1))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return CopyFile(path, rows.rows, rows_bytes, digest.hexdigest())


def read_order(file: BinaryIO) -> WriteOrder:
    """The order at the head of a file; leaves the file at the first byte of the data."""
    order: dict[str, Any] = json.loads(file.readline())
    replaced = order.pop("replaced")
    return WriteOrder(
        how=order["how"],
        columns=tuple((name, type_) for name, type_ in order["columns"]),
        key=tuple(order["key"]),
        replaced=CursorRange(**replaced) if replaced else None,
        reshaping=tuple(order["reshaping"]),
        deleted_bytes=order["deleted_bytes"],
    )


class Section:
    """The next bytes of a file as a file of their own."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file = file
        self._left = length

    def read(self, size: int) -> bytes:
        """At most `size` bytes; nothing at the end of the section."""
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data


def _header(order: WriteOrder) -> bytes:
    return json.dumps(asdict(order)).encode() + b"\n"


def _write(file: BinaryIO, chunks: Iterable[Chunk], digest: "hashlib.blake2b") -> int:
    written = 0
    block = bytearray()
    for chunk in chunks:
        block += chunk
        if len(block) >= _BLOCK_BYTES:
            digest.update(block)
            written += file.write(block)
            block.clear()
    digest.update(block)
    return written + file.write(block)
