"""Numbers, differences and ages as people read them on the wall."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

CURRENCY_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£"}
COUNT_UNITS = {"", "count"}

# units of rates and short durations: their multiple of the typical value says more than the
# difference, whereas people, money and days add up
RATIO_UNITS = {"%", "h", "min", "s"}
TELLING_RATIO = 3

MINUS = "−"
_SCALES = ((3, "k"), (6, "M"), (9, "bn"), (12, "tn"))
_SHOWN_IN_FULL = 100_000

Number = Decimal | float


@dataclass(frozen=True)
class ValueParts:
    """A value split for a tile: the large figure, and the smaller unit after it (may be empty)."""

    figure: str
    unit: str


def value_text(value: Number, unit: str) -> str:
    """A finite value with its unit: "€84.2k", "−€1.9M", "0.6 %", "9.4 d", "12,480".

    At most four significant figures (counts below 100,000 in full); a value that is not zero never
    reads as zero. An unknown unit is written after the number as it is.
    """
    parts = value_parts(value, unit)
    space = "" if unit in CURRENCY_SYMBOLS or not parts.unit else " "
    return f"{parts.figure}{space}{parts.unit}"


def value_parts(value: Number, unit: str) -> ValueParts:
    """`value_text` in two parts: ("9.4", "d"); money is all figure, ("−€1.9M", "").

    A "€180" beside a small "k" would be misread by a thousand.
    """
    exact = _exact(value)
    sign = MINUS if exact < 0 else ""
    symbol = CURRENCY_SYMBOLS.get(unit)
    if symbol is not None:
        digits, scale = _amount(abs(exact))
        return ValueParts(f"{sign}{symbol}{digits}{scale}", "")
    digits, scale = _quantity(abs(exact))
    return ValueParts(f"{sign}{digits}{scale}", "" if unit in COUNT_UNITS else unit)


def delta_text(value: Number, typical_mean: Number | None, unit: str) -> str | None:
    """The distance from the typical value: "+114 d vs typical 3 d" or "26× typical 1.2 h".

    The multiple is used for rates and short durations from three times the typical value on. A
    difference of two percentages is in percentage points. None without a typical value.
    """
    if typical_mean is None:
        return None
    exact, mean = _exact(value), _exact(typical_mean)
    typical = f"typical {value_text(mean, unit)}"
    if value_text(exact, unit) == value_text(mean, unit):
        return f"same as {typical}"
    if unit in RATIO_UNITS and mean > 0 and exact / mean >= TELLING_RATIO:
        return f"{_ratio_text(exact / mean)}× {typical}"
    difference = exact - mean
    plus = "+" if difference > 0 else ""
    return f"{plus}{value_text(difference, 'pp' if unit == '%' else unit)} vs {typical}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: "1 row", "12,480 rows"; `many` where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def bytes_text(number: int) -> str:
    """Bytes in gigabytes of 10^9, or in megabytes below a tenth of one: "2.1 GB", "80 MB"."""
    if number < 100_000_000:
        return f"{number / 1_000_000:.0f} MB"
    return f"{number / 1_000_000_000:,.1f} GB"


def age_text(age: timedelta) -> str:
    """An age in whole units, rounded down: below 90 min in minutes, below 72 h in hours, else days.

    The age is never negative.
    """
    if age < timedelta(minutes=90):
        return f"{age // timedelta(minutes=1)} min"
    if age < timedelta(hours=72):
        return f"{age // timedelta(hours=1)} h"
    return f"{age // timedelta(days=1)} d"


def _exact(value: Number) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _amount(magnitude: Decimal) -> tuple[str, str]:
    """Digits and scale of money: cents below 100, whole below 1,000, then one decimal."""
    if magnitude < Decimal("0.01"):
        return _fraction(magnitude), ""
    if magnitude < 100:
        return f"{_rounded(magnitude, 2)}".removesuffix(".00"), ""
    if magnitude < Decimal("999.5"):
        return f"{_rounded(magnitude, 0)}", ""
    return _scaled(magnitude)


def _quantity(magnitude: Decimal) -> tuple[str, str]:
    """Digits and scale of anything but money: one decimal below 100, then whole."""
    if magnitude < 1:
        return _fraction(magnitude), ""
    if magnitude < 100:
        return _trimmed(_rounded(magnitude, 1)), ""
    if magnitude < _SHOWN_IN_FULL - Decimal("0.5"):
        return f"{_rounded(magnitude, 0):,}", ""
    return _scaled(magnitude)


def _fraction(magnitude: Decimal) -> str:
    """Two significant figures, so that nothing but zero reads as zero."""
    if magnitude == 0:
        return "0"
    if magnitude.adjusted() < -6:
        return f"{magnitude:.1e}".replace("-", MINUS)
    return _trimmed(_rounded(magnitude, 1 - magnitude.adjusted()))


def _scaled(magnitude: Decimal) -> tuple[str, str]:
    for exponent, suffix in _SCALES:
        scaled = magnitude.scaleb(-exponent)
        if scaled < 1000 and _rounded(scaled, 1) < 1000:
            return _trimmed(_rounded(scaled, 1)), suffix
    return f"{magnitude:.1e}", ""


def _ratio_text(ratio: Decimal) -> str:
    return _quantity(_rounded(ratio, 0))[0] if 10 <= ratio < 1000 else "".join(_quantity(ratio))


def _rounded(magnitude: Decimal, places: int) -> Decimal:
    return magnitude.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def _trimmed(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
