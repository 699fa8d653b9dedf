"""Rows of one source table, by column, ready for COPY."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import numpy as np

from demo_bank.clock import Flags, Ints, Moments


@dataclass(frozen=True)
class Table:
    """One table of a source database; every column has one value per row, None is NULL."""

    schema: str
    name: str
    columns: Mapping[str, Sequence[object]]

    @property
    def rows(self) -> Iterator[tuple[object, ...]]:
        return zip(*self.columns.values(), strict=True)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def from_rows(
    schema: str, name: str, columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> Table:
    """A small table that reads best row by row."""
    values = zip(*rows, strict=True)
    return Table(
        schema, name, {column: list(cells) for column, cells in zip(columns, values, strict=True)}
    )


def money(cents: Ints) -> list[Decimal]:
    """Amounts with two decimals, from whole cents."""
    return [Decimal(amount).scaleb(-2) for amount in cents.tolist()]


def nullable(values: Ints, present: Flags) -> list[int | None]:
    """The values where present, NULL elsewhere."""
    return [v if p else None for v, p in zip(values.tolist(), present.tolist(), strict=True)]


def latest(owners: Ints, moments: Moments, size: int) -> Moments:
    """Per owner (its index below size) the last of its moments; NaT where it has none."""
    last = np.full(size, np.datetime64("NaT", "ms"), dtype="datetime64[ms]")
    order = np.argsort(moments, kind="stable")
    last[owners[order]] = moments[order]
    return last


def uuids(rng: np.random.Generator, size: int) -> list[UUID]:
    octets = rng.bytes(16 * size)
    return [UUID(bytes=octets[16 * i : 16 * i + 16], version=4) for i in range(size)]
