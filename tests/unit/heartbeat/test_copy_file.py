"""The file in which rows travel."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from heartbeat.landing.copy_file import (
    CopyFile,
    CursorRange,
    Section,
    WriteOrder,
    read_order,
    write_copy_file,
)

ORDER = WriteOrder(
    "merge",
    (("id", "bigint"), ("ünï", "numeric(5,2)")),
    ("id",),
    reshaping=('alter table "a" drop column "b"',),
)


@dataclass
class Rows:
    chunks: tuple[bytes, ...]
    rows: int = 2

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks


class Broken(Rows):
    def __iter__(self) -> Iterator[bytes]:
        yield b"first"
        raise OSError(28, "No space left on device")


def written(path: Path, order: WriteOrder = ORDER, rows: bytes = b"rows") -> CopyFile:
    return write_copy_file(path, order, [b"del", b"eted"], Rows((rows[:2], rows[2:])))


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(ORDER, id="merge"),
        pytest.param(
            WriteOrder(
                "range",
                ORDER.columns,
                replaced=CursorRange("at", "timestamptz", "2026-01-01", None),
            ),
            id="range",
        ),
    ],
)
def test_a_file_gives_back_its_order_its_deleted_keys_and_its_rows(
    tmp_path: Path, order: WriteOrder
) -> None:
    file = written(tmp_path / "file", order)
    assert (file.rows, file.bytes) == (2, len(b"rows"))
    with file.path.open("rb") as content:
        assert read_order(content) == replace(order, deleted_bytes=len(b"deleted"))
        deleted = Section(content, len(b"deleted"))
        assert deleted.read(4) + deleted.read(100) == b"deleted"
        assert deleted.read(100) == b""
        assert content.read() == b"rows"


@pytest.mark.parametrize(
    ("order", "rows", "is_equal"),
    [
        pytest.param(ORDER, b"rows", True, id="the same"),
        pytest.param(ORDER, b"raws", False, id="other rows"),
        pytest.param(replace(ORDER, how="replace"), b"rows", False, id="another order"),
    ],
)
def test_files_of_one_digest_write_the_same(
    tmp_path: Path, order: WriteOrder, rows: bytes, is_equal: bool
) -> None:
    first, second = written(tmp_path / "a"), written(tmp_path / "b", order, rows)
    assert (first.digest == second.digest) == is_equal


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        write_copy_file(tmp_path / "file", ORDER, (), Broken(()))
    assert list(tmp_path.iterdir()) == []
