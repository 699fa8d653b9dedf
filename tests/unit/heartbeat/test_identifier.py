"""Names in every script: what they become in marts, and for those who take ASCII only."""

import pytest
from dlt.common.normalizers.naming.snake_case import NamingConvention
from hypothesis import given
from hypothesis import strategies as st

from heartbeat.identifier import MOST_BYTES, ascii_name, original_name
from heartbeat.landing.landed_name import dlt_name, landed_name

_DLT = NamingConvention(max_length=MOST_BYTES)


@pytest.mark.parametrize(
    ("name", "landed"),
    [
        ("größe", "größe"),
        ("ÜberWeisung", "über_weisung"),
        ("Платёж", "платёж"),
        ("СуммаПлатежа", "сумма_платежа"),
        ("支払い", "支払い"),
        ("नाम", "नाम"),
        ("Größe in cm", "größe_in_cm"),
        ("re\u0301sume\u0301", "résumé"),
        ("1é_", "_1éx"),
        ("€", "x"),
        (" ", "x"),
        ("userId", "user_id"),
        ("платёж" * 6, "платёжплатёжплатёжплатёжпла_59e82ff0"),
    ],
)
def test_a_landed_name_keeps_the_letters_of_every_script(name: str, landed: str) -> None:
    assert landed_name(name) == landed


@given(st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=70))
def test_a_name_in_ascii_lands_as_dlt_would_land_it(name: str) -> None:
    if name.strip():
        assert landed_name(name) == _DLT.normalize_identifier(name)


@given(st.text(min_size=1, max_size=63))
def test_a_landed_name_fits_and_needs_no_sign(name: str) -> None:
    landed = landed_name(name)
    assert 0 < len(landed.encode()) <= MOST_BYTES
    assert '"' not in landed
    assert "." not in landed


@given(st.text(min_size=1, max_size=63).map(landed_name))
def test_a_name_comes_back_from_its_like_in_ascii(name: str) -> None:
    written = ascii_name(name)
    assert written.replace("_", "a").isalnum()
    assert written.isascii()
    if not name.startswith("xn_"):
        assert original_name(written) == name


@pytest.mark.parametrize("schema", ["bank_core", "b" * 63, "банк_ядро", "bank__core", "bank_"])
def test_dlt_gets_a_name_that_it_takes_as_it_is(schema: str) -> None:
    name = dlt_name(schema)
    assert name == _DLT.normalize_identifier(name)
    assert name.isidentifier()
    assert len(name) <= 48
    assert (name == schema) == (schema == "bank_core")
