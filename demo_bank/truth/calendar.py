"""Moments, days and the worst moment of a day."""

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from demo_bank.accounts import CURRENCIES
from demo_bank.clock import Floats, Ints, Moments

HOUR = np.timedelta64(1, "h")
DAY = np.timedelta64(1, "D")
CENT = Decimal("0.01")

Number = int | float | Decimal | None
Level = tuple[Moments, Ints]
Spans = npt.NDArray[np.timedelta64]


def day_of(moment: np.datetime64) -> np.datetime64:
    return np.datetime64(str(moment)[:10], "D")


def opens(day: np.datetime64) -> np.datetime64:
    return day + np.timedelta64(0, "ms")


def closes(day: np.datetime64) -> np.datetime64:
    return opens(day) + DAY


def share(part: int, whole: int) -> float | None:
    """Per cent; unknown of nothing."""
    return 100 * part / whole if whole else None


def quantile(values: Floats, q: float) -> float | None:
    """With linear interpolation; unknown of nothing."""
    return float(np.quantile(values, q)) if values.size else None


def hours(spans: Spans) -> Floats:
    return np.asarray(spans.astype("timedelta64[ms]").astype(np.int64) / 3_600_000)


def level(moments: Moments, steps: Ints) -> Level:
    """A number that changes by `steps` at `moments`: the instants and the number after each."""
    order = np.argsort(moments, kind="stable")
    instants, first = np.unique(moments[order], return_index=True)
    sums = np.add.reduceat(steps[order], first, axis=0) if first.size else steps[:0]
    return instants, np.cumsum(sums, axis=0)


def within(steps: Level, day: np.datetime64) -> Ints:
    """Every number that a level had during the day, the one at its start included."""
    instants, numbers = steps
    first = int(np.searchsorted(instants, opens(day), side="left"))
    last = int(np.searchsorted(instants, closes(day), side="left"))
    before = numbers[first - 1 : first] if first else np.zeros_like(numbers[:1])
    if not numbers.shape[0]:
        return np.zeros((1, *numbers.shape[1:]), dtype=np.int64)
    return np.concatenate([before, numbers[first:last]])


def at(steps: Level, moment: np.datetime64) -> Ints:
    """The number just before that moment."""
    instants, numbers = steps
    count = int(np.searchsorted(instants, moment, side="left"))
    return numbers[count - 1] if count else np.zeros(numbers.shape[1:], dtype=np.int64)


def euro(cents: Sequence[int] | Ints, rates: Mapping[str, Fraction]) -> Fraction:
    """Cents of every currency at those rates (units for one euro), exactly."""
    return sum(
        (
            Fraction(int(amount), 100) / rates[currency]
            for currency, amount in zip(CURRENCIES, cents, strict=True)
            if amount
        ),
        Fraction(0),
    )


def to_the_cent(amount: Fraction) -> Decimal:
    with localcontext(prec=60):
        return (Decimal(amount.numerator) / amount.denominator).quantize(CENT, ROUND_HALF_UP)


def extreme_in_euro(
    numbers: Ints, rates: Mapping[str, Fraction], pick: Callable[[Floats], np.intp]
) -> Decimal:
    """The largest or smallest euro amount among rows of cents a currency."""
    weights = np.array([1 / float(rates[currency]) for currency in CURRENCIES])
    return to_the_cent(euro(numbers[int(pick(numbers @ weights))], rates))
