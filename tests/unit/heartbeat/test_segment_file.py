"""`segments/clients.sql`: what it must say, and where its errors point."""

from pathlib import Path

import pytest

from heartbeat.errors import ContentError
from heartbeat.segments.segment_file import load_segments, parse_segments
from heartbeat.table_reference import TableRef

QUERY = """\
select id, case when eur > 9 then 'top' else 'small' end
from bank_core.client
"""
FILE = f"""\
/* ---
segments:
  top: pays most
  small: all others
description: Who pays.
methodology: Counted.
--- */
-- name: segments
{QUERY}"""


def test_a_file_has_its_rules_in_order_and_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "clients.sql"
    path.write_text(FILE, encoding="utf-8")
    segments = parse_segments(path)
    assert list(segments.rules.items()) == [("top", "pays most"), ("small", "all others")]
    assert segments.reads == (TableRef("bank_core", "client"),)
    assert segments.line == 9


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("segments:\n  top: pays most\n  small: all others\n", "", 1, "'segments'"),
        ("  top: pays most\n  small: all others\n", "", 2, "segments"),
        ("description: Who pays.\n", "", 1, "'description'"),
        ("-- name: segments", "-- name: value", 8, "a segments file has segments"),
        ("from bank_core.client", "from client", 10, "'client' needs its schema"),
        (QUERY, "delete from bank_core.client\n", 9, "SELECT"),
    ],
    ids=["no segments", "none in them", "no description", "statement", "table", "no query"],
)
def test_an_error_points_at_its_line(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    path = tmp_path / "clients.sql"
    path.write_text(FILE.replace(old, new), encoding="utf-8")
    with pytest.raises(ContentError) as caught:
        parse_segments(path)
    assert (caught.value.line, words in caught.value.problem) == (line, True), caught.value


def test_no_file_is_no_segments_and_no_problem(tmp_path: Path) -> None:
    loaded = load_segments(tmp_path / "segments")
    assert (loaded.segments, loaded.problems) == (None, ())


def test_a_file_that_nothing_reads_is_a_problem_and_the_rest_loads(tmp_path: Path) -> None:
    (tmp_path / "clients.sql").write_text(FILE, encoding="utf-8")
    (tmp_path / "accounts.sql").write_text(FILE, encoding="utf-8")
    loaded = load_segments(tmp_path)
    assert loaded.segments is not None
    assert [problem.path.name for problem in loaded.problems] == ["accounts.sql"]
