import re
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heartbeat.judgement.wording import (
    ValueParts,
    age_text,
    bytes_text,
    counted,
    delta_text,
    value_parts,
    value_text,
)

UNITS = ["EUR", "%", "h", "d", "min", "count", "", "σ"]
SCALES = {"": 1, "k": 10**3, "M": 10**6, "bn": 10**9, "tn": 10**12}


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        ("84200", "EUR", "€84.2k"),
        ("3100000", "EUR", "€3.1M"),
        ("-1900000", "EUR", "−€1.9M"),
        ("0.01", "EUR", "€0.01"),
        ("0.004", "EUR", "€0.004"),
        ("0", "EUR", "€0"),
        ("-0", "EUR", "€0"),
        ("45.3", "EUR", "€45.30"),
        ("99.999", "EUR", "€100"),
        ("912.4", "EUR", "€912"),
        ("999.5", "EUR", "€1k"),
        ("180000", "EUR", "€180k"),
        ("999960", "EUR", "€1M"),
        ("2500000000", "EUR", "€2.5bn"),
        ("1234", "USD", "$1.2k"),
        ("71", "%", "71 %"),
        ("71.0", "%", "71 %"),
        ("0.6", "%", "0.6 %"),
        ("0.04", "%", "0.04 %"),
        ("99.2", "%", "99.2 %"),
        ("142.4", "%", "142 %"),
        ("30.00", "h", "30 h"),
        ("13.98", "h", "14 h"),
        ("9.4", "d", "9.4 d"),
        ("120", "d", "120 d"),
        ("38", "min", "38 min"),
        ("12480", "count", "12,480"),
        ("46", "", "46"),
        ("99999.6", "count", "100k"),
        ("3100000", "count", "3.1M"),
        ("0.00000004", "count", "4.0e−8"),
        ("1e15", "count", "1.0e+15"),
        ("7", "applicants", "7 applicants"),
    ],
    ids=str,
)
def test_a_value_reads_as_on_the_wall(value: str, unit: str, text: str) -> None:
    assert value_text(Decimal(value), unit) == text


@pytest.mark.parametrize(
    ("value", "unit", "parts"),
    [
        (-1_900_000, "EUR", ValueParts("−€1.9M", "")),
        (0.01, "EUR", ValueParts("€0.01", "")),
        (117, "d", ValueParts("117", "d")),
        (46, "count", ValueParts("46", "")),
        (3_100_000, "h", ValueParts("3.1M", "h")),
    ],
    ids=str,
)
def test_a_tile_gets_the_figure_and_its_unit_apart(
    value: float, unit: str, parts: ValueParts
) -> None:
    assert value_parts(value, unit) == parts


@pytest.mark.parametrize(
    ("value", "typical", "unit", "text"),
    [
        (117, 3, "d", "+114 d vs typical 3 d"),
        (31, 1.2, "h", "26× typical 1.2 h"),
        (46, 9, "count", "+37 vs typical 9"),
        (3.8, 0.9, "%", "4.2× typical 0.9 %"),
        (1200, 1, "min", "1,200× typical 1 min"),
        (38, 23, "min", "+15 min vs typical 23 min"),
        (46, 71, "%", "−25 pp vs typical 71 %"),
        (-1_900_000, 700_000, "EUR", "−€2.6M vs typical €700k"),
        (5, 0, "h", "+5 h vs typical 0 h"),
        (5, -1, "h", "+6 h vs typical −1 h"),
        (71.0001, 71, "%", "same as typical 71 %"),
        (0, 0, "d", "same as typical 0 d"),
        (5, None, "d", None),
    ],
    ids=str,
)
def test_a_difference_reads_as_on_the_wall(
    value: float, typical: float | None, unit: str, text: str | None
) -> None:
    assert delta_text(value, typical, unit) == text


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(0), "0 min"),
        (timedelta(minutes=41, seconds=59), "41 min"),
        (timedelta(minutes=89, seconds=59), "89 min"),
        (timedelta(minutes=90), "1 h"),
        (timedelta(hours=52, minutes=59), "52 h"),
        (timedelta(hours=72) - timedelta(seconds=1), "71 h"),
        (timedelta(hours=72), "3 d"),
        (timedelta(days=6, hours=23), "6 d"),
        (timedelta(days=400), "400 d"),
    ],
    ids=str,
)
def test_an_age_reads_in_one_whole_unit(age: timedelta, text: str) -> None:
    assert age_text(age) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 MB"),
        (99_400_000, "99 MB"),
        (100_000_000, "0.1 GB"),
        (2_140_000_000, "2.1 GB"),
        (10**15, "1,000,000.0 GB"),
    ],
)
def test_bytes_read_in_gigabytes(number: int, text: str) -> None:
    assert bytes_text(number) == text


def read_back(text: str, unit: str) -> float:
    """The number that a person would take from the text."""
    bare = text.removesuffix(f" {unit}").replace("€", "").replace("−", "-").replace(",", "")
    match = re.fullmatch(r"(-?[\d.]+(?:e[+-]\d+)?)(k|M|bn|tn)?", bare)
    assert match is not None, text
    return float(match[1]) * SCALES[match[2] or ""]


finite = st.floats(-1e300, 1e300) | st.floats(-1e6, 1e6)


@given(finite, st.sampled_from(UNITS))
def test_the_text_is_within_five_percent_or_half_a_cent(value: float, unit: str) -> None:
    half_a_cent = 0.005 if unit == "EUR" and abs(value) >= 0.01 else 0
    read = read_back(value_text(value, unit), unit)
    assert read == pytest.approx(value, rel=0.051, abs=half_a_cent)


@given(finite.filter(bool), st.sampled_from(UNITS))
def test_a_value_that_is_not_zero_never_reads_as_zero(value: float, unit: str) -> None:
    assert re.search("[1-9]", value_text(value, unit))


@given(finite, st.sampled_from(UNITS))
def test_the_text_is_short_and_has_a_true_minus_sign(value: float, unit: str) -> None:
    text = value_text(value, unit)
    assert len(text) <= 16
    assert "-" not in text
    assert text.startswith("−") == (value < 0)


@given(finite, finite, st.sampled_from(UNITS))
def test_a_difference_always_names_the_typical_value(
    value: float, typical: float, unit: str
) -> None:
    text = delta_text(value, typical, unit)
    assert text is not None
    assert text.endswith(f"typical {value_text(typical, unit)}")


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 days"), (1, "1 day"), (2, "2 days"), (12480, "12,480 days")]
)
def test_a_number_of_things_reads_as_one_says_it(number: int, text: str) -> None:
    assert counted(number, "day") == text
    assert counted(number, "stretch", "stretches").endswith("stretches") is (number != 1)
