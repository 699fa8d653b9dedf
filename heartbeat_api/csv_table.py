"""A table as a file for a spreadsheet."""

import csv
import io
from collections.abc import Mapping, Sequence

_READ_AS_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_table(rows: Sequence[Mapping[str, object]]) -> bytes:
    """CSV (RFC 4180) in UTF-8 with a byte order mark, which spreadsheets need; a column a key.

    A column stands where its key first comes up; a row without it has an empty field. Text that a
    spreadsheet would run as a formula begins with an apostrophe.
    """
    written = io.StringIO(newline="")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = csv.DictWriter(written, columns, restval="")
    table.writerow({column: _field(column) for column in columns})
    table.writerows({key: _field(value) for key, value in row.items()} for row in rows)
    return written.getvalue().encode("utf-8-sig", errors="replace")


def _field(value: object) -> object:
    if isinstance(value, str) and value.startswith(_READ_AS_FORMULA):
        return f"'{value}"
    return "" if value is None else value
