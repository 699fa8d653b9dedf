"""The table behind a picture as a file for a spreadsheet."""

import csv
import io

import pytest

from heartbeat_api.csv_table import csv_table


def read(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))


def test_columns_stand_where_their_keys_first_come_up() -> None:
    rows = [{"part": "a", "eur": 1.5}, {"part": "b", "items": 2}]
    assert read(csv_table(rows)) == [["part", "eur", "items"], ["a", "1.5", ""], ["b", "", "2"]]


def test_what_is_not_known_is_an_empty_field() -> None:
    assert read(csv_table([{"a": None, "b": False}])) == [["a", "b"], ["", "False"]]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\tx"])
def test_text_is_never_a_formula(text: str) -> None:
    assert read(csv_table([{text: text}])) == [[f"'{text}"], [f"'{text}"]]


def test_numbers_below_zero_stay_numbers() -> None:
    assert read(csv_table([{"eur": -2.5}])) == [["eur"], ["-2.5"]]


def test_any_text_survives() -> None:
    text = 'Łódź, "€"\nnext line'
    assert read(csv_table([{"name": text}]))[1] == [text]
