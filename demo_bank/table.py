"""Rows of one source table, ready for COPY, and what became of them between two moments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from demo_bank.clock import Flags, Ints, Moments


@dataclass(frozen=True)
class Table:
    """One table of a source database; missing values are NULL, awkward values are literals.

    `key` names the columns of the primary key; rows of a table without one are only ever added.
    """

    schema: str
    name: str
    frame: pd.DataFrame
    key: tuple[str, ...] = ("id",)

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True)
class Changes:
    """What turns one state of a table into another: rows to write, and keys to delete."""

    written: pd.DataFrame
    deleted: pd.DataFrame


def changes(before: Table, after: Table) -> Changes:
    """The difference of two states of one table; tables with a composite key stay as they are."""
    if not after.key:
        return Changes(after.frame.iloc[len(before) :], before.frame.iloc[:0])
    if len(after.key) > 1 or before.frame.equals(after.frame):
        return Changes(after.frame.iloc[:0], before.frame.iloc[:0])
    (key,) = after.key
    old, new = (table.frame[key].to_numpy() for table in (before, after))
    gone = before.frame.loc[~np.isin(old, new), [key]]
    place = pd.Index(old).get_indexer(pd.Index(new))
    known = place >= 0
    differs = ~known
    for column in after.frame.columns:
        was = before.frame[column].iloc[place[known]].reset_index(drop=True)
        now = after.frame[column].loc[known].reset_index(drop=True)
        differs[known] |= _differs(was, now)
    return Changes(after.frame.loc[differs], gone)


def _differs(was: "pd.Series[Any]", now: "pd.Series[Any]") -> Flags:
    if isinstance(now.dtype, pd.CategoricalDtype):
        was, now = was.astype(object), now.astype(object)
    same = (was == now) | (was.isna() & now.isna())
    return ~same.to_numpy(dtype=np.bool_, na_value=False)


def from_rows(
    schema: str,
    name: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    key: tuple[str, ...] = ("id",),
) -> Table:
    """A small table that reads best row by row."""
    frame = pd.DataFrame([list(row) for row in rows], columns=list(columns), dtype=object)
    return Table(schema, name, frame, key)


def money(cents: Ints) -> npt.NDArray[np.float64]:
    """Amounts with two decimals, from whole cents; exact below 90 trillion."""
    return np.asarray(cents / 100)


def nullable(values: Ints, present: Flags) -> pd.arrays.IntegerArray:
    """The values where present, NULL elsewhere."""
    return pd.arrays.IntegerArray(values.astype(np.int64), ~present)


def one_of(codes: Ints, values: Sequence[Any]) -> "pd.Categorical[Any]":
    """Column of few different values: the value at each code, NULL at code -1."""
    dtype = pd.CategoricalDtype(list(values))
    return pd.Categorical.from_codes(codes.tolist(), dtype=dtype)


def latest(owners: Ints, moments: Moments, size: int) -> Moments:
    """Per owner (its index below size) the last of its moments, given in order; NaT where none."""
    last = np.full(size, np.datetime64("NaT", "ms"), dtype="datetime64[ms]")
    last[owners] = moments
    return last


def uuids(rng: np.random.Generator, size: int) -> npt.NDArray[np.object_]:
    """Random version 4 identifiers in hexadecimal."""
    octets = np.frombuffer(rng.bytes(16 * size), dtype=np.uint8).reshape(size, 16).copy()
    octets[:, 6] = octets[:, 6] & 0x0F | 0x40
    octets[:, 8] = octets[:, 8] & 0x3F | 0x80
    digits = octets.tobytes().hex()
    return np.array([digits[i : i + 32] for i in range(0, 32 * size, 32)], dtype=object)
