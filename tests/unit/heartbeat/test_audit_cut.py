import sys
from pathlib import Path
from textwrap import dedent

import pytest

from heartbeat.audit.audit_cut import AuditCut, load_cuts, window_days
from heartbeat.audit.cut_module import imported
from heartbeat.table_reference import TableRef

META = """
META = {
    "page": "overview",
    "title": "Money at risk",
    "prose": "What may be lost.",
    "reads": ["webbank_core.payment", "webbank_core.entry"],
    "methodology": "Sums.",
    "how_to_read": "Longer is worse.",
}
"""
FUNCTIONS = """
def compute(conn, *, window):
    return {"window": window}

def chart(payload):
    return None
"""


def write_cut(folder: Path, name: str, content: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(content.lstrip("\n"), encoding="utf-8")
    return path


def only_cut(folder: Path) -> AuditCut:
    loaded = load_cuts(folder)
    assert loaded.problems == ()
    (cut,) = loaded.cuts
    return cut


def test_a_file_is_a_cut_named_by_its_stem(tmp_path: Path) -> None:
    path = write_cut(tmp_path, "money_at_risk", '"""A cut."""\n' + META + FUNCTIONS)

    cut = only_cut(tmp_path)

    assert (cut.cut_id, cut.page, cut.title) == ("money_at_risk", "overview", "Money at risk")
    assert cut.reads == (
        TableRef("webbank_core", "entry"),
        TableRef("webbank_core", "payment"),
    )
    assert (cut.windows, cut.window_default) == (("7d", "30d", "90d"), "30d")
    assert (cut.path, cut.line) == (path, 3)
    assert imported(cut.path).compute(None, window="7d") == {"window": "7d"}


def test_a_folder_that_is_not_there_holds_no_cuts(tmp_path: Path) -> None:
    assert load_cuts(tmp_path / "audit_cuts").cuts == ()


def test_a_folder_may_be_named_from_where_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cut(tmp_path, "cut", META + FUNCTIONS)
    write_cut(tmp_path, "wrong", "x = 1 / 0")
    monkeypatch.chdir(tmp_path)

    loaded = load_cuts(Path())

    assert [cut.cut_id for cut in loaded.cuts] == ["cut"]
    assert [problem.path for problem in loaded.problems] == [Path("wrong.py")]


def test_cuts_come_in_the_order_of_their_ids(tmp_path: Path) -> None:
    for name in ("b_cut", "a_cut", "c_cut"):
        write_cut(tmp_path, name, META + FUNCTIONS)

    assert [cut.cut_id for cut in load_cuts(tmp_path).cuts] == ["a_cut", "b_cut", "c_cut"]


def test_a_name_with_an_underscore_in_front_is_no_cut_but_can_be_shared(tmp_path: Path) -> None:
    write_cut(tmp_path, "_shared", 'PROSE = "Shared prose."')
    content = META.replace('"What may be lost."', "PROSE")
    write_cut(tmp_path, "cut", "from ._shared import PROSE\n" + content + FUNCTIONS)

    assert only_cut(tmp_path).prose == "Shared prose."


def test_loading_leaves_the_import_path_alone(tmp_path: Path) -> None:
    write_cut(tmp_path, "cut", META + FUNCTIONS)
    path_before = list(sys.path)

    load_cuts(tmp_path)

    assert sys.path == path_before
    assert "cut" not in sys.modules


def test_loading_again_sees_a_file_of_equal_length_changed_in_the_same_second(
    tmp_path: Path,
) -> None:
    write_cut(tmp_path, "cut", META + FUNCTIONS)
    assert only_cut(tmp_path).title == "Money at risk"

    write_cut(tmp_path, "cut", META.replace("Money at risk", "Money in boxes") + FUNCTIONS)

    assert only_cut(tmp_path).title == "Money in boxes"


def test_a_dataclass_with_postponed_annotations_loads(tmp_path: Path) -> None:
    record = dedent("""
        from __future__ import annotations
        from dataclasses import dataclass
        from typing import ClassVar

        @dataclass
        class Part:
            unit: ClassVar[str] = "EUR"
            eur: float
    """)
    write_cut(tmp_path, "cut", record + META + FUNCTIONS)

    assert only_cut(tmp_path).cut_id == "cut"


BROKEN = {
    "syntax error": ("x = 1\ndef compute(:\n", 2, "not valid Python: invalid syntax"),
    "zero byte": ("x = '\0'\n", 1, "not valid Python"),
    "import fails": (
        "import math\n\nx = 1 / 0\n",
        3,
        "the import fails with ZeroDivisionError: division by zero",
    ),
    "import exits": ("import sys\nsys.exit(3)\n", 2, "the import fails with SystemExit: 3"),
    "no META": (FUNCTIONS, 1, "META: is missing"),
    "META is no dict": ("META = 7\n" + FUNCTIONS, 1, "META: must have keys and values"),
    "missing field": (
        META.replace('    "page": "overview",\n', "") + FUNCTIONS,
        1,
        "META.page: is missing",
    ),
    "unknown field": (
        META.replace('"prose"', '"colour": "red",\n    "prose"') + FUNCTIONS,
        4,
        "META.colour: is not a known field",
    ),
    "blank text": (META.replace("Sums.", " ") + FUNCTIONS, 6, "META.methodology: is empty"),
    "unqualified table": (
        META.replace('"webbank_core.entry"', '\n"entry"') + FUNCTIONS,
        6,
        "META.reads.1: 'entry' is not a landed table; write 'schema.table' in snake_case",
    ),
    "bad window": (
        META.replace('"reads"', '"windows": ["7d", "1h"],\n    "reads"') + FUNCTIONS,
        5,
        "META.windows.1: '1h' is not a window; write days, such as '30d'",
    ),
    "window twice": (
        META.replace('"reads"', '"windows": ["30d", "30d"],\n    "reads"') + FUNCTIONS,
        5,
        "META.windows: names 30d twice",
    ),
    "metric twice": (
        META.replace('"reads"', '"metrics": ["fees", "fees"],\n    "reads"') + FUNCTIONS,
        5,
        "META.metrics: names fees twice",
    ),
    "metric by its code": (
        META.replace('"reads"', '"metrics": ["FEES"],\n    "reads"') + FUNCTIONS,
        5,
        "META.metrics.0: must match the pattern",
    ),
    "place that is no number": (
        META.replace('"reads"', '"place": "first",\n    "reads"') + FUNCTIONS,
        5,
        "META.place: must be a whole number, such as 5",
    ),
    "default outside of the windows": (
        META.replace('"reads"', '"window_default": "14d",\n    "reads"') + FUNCTIONS,
        5,
        "META.window_default: '14d' is not one of the windows 7d, 30d, 90d",
    ),
    "no compute": (
        META + "def chart(payload): ...\n",
        1,
        "compute: is missing; define compute(conn, *, window)",
    ),
    "no chart": (
        META + "def compute(conn, *, window): ...\n",
        1,
        "chart: is missing; define chart(payload)",
    ),
    "compute without window": (
        META + FUNCTIONS.replace(", *, window", ""),
        10,
        "compute: cannot be called as compute(conn, *, window)",
    ),
    "chart with a second argument": (
        META + FUNCTIONS.replace("chart(payload)", "chart(payload, size)"),
        13,
        "chart: cannot be called as chart(payload): missing a required argument: 'size'",
    ),
    "chart is no function": (
        META + FUNCTIONS.split("def chart")[0] + "chart = 4\n",
        13,
        "chart: cannot be called as chart(payload): 4 is not a callable object",
    ),
}


@pytest.mark.parametrize(("content", "line", "problem"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_a_problem_with_its_line_and_the_rest_loads(
    tmp_path: Path, content: str, line: int, problem: str
) -> None:
    write_cut(tmp_path, "good", META + FUNCTIONS)
    path = write_cut(tmp_path, "wrong", content)

    loaded = load_cuts(tmp_path)

    assert [cut.cut_id for cut in loaded.cuts] == ["good"]
    (error,) = loaded.problems
    assert (error.path, error.line) == (path, line)
    assert error.problem.startswith(problem)
    assert loaded.broken == {"wrong"}


def test_every_wrong_field_of_meta_is_a_problem_in_file_order(tmp_path: Path) -> None:
    content = META.replace('"overview"', '"No page"').replace('"Sums."', "7")
    write_cut(tmp_path, "cut", content + FUNCTIONS)

    problems = [(error.line, error.problem.split(":")[0]) for error in load_cuts(tmp_path).problems]

    assert problems == [(2, "META.page"), (6, "META.methodology")]


def test_a_file_that_is_not_utf_8_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "cut.py").write_bytes(b"x = '\xff'\n")

    (error,) = load_cuts(tmp_path).problems

    assert "not valid Python" in error.problem


@pytest.mark.parametrize("name", ["Money", "money-at-risk", "7days", "m" * 64])
def test_a_file_name_that_is_no_id_is_a_problem(tmp_path: Path, name: str) -> None:
    write_cut(tmp_path, name, META + FUNCTIONS)

    (error,) = load_cuts(tmp_path).problems

    assert "file name" in error.problem


@pytest.mark.parametrize(("key", "days"), [("1d", 1), ("30d", 30), ("9999d", 9999)])
def test_a_window_is_a_number_of_days(key: str, days: int) -> None:
    assert window_days(key) == days


@pytest.mark.parametrize(
    "key", ["", "d", "0d", "07d", "7", "7 d", "7D", "24h", "-7d", "7d\n", "٧d"]
)
def test_anything_else_is_no_window(key: str) -> None:
    with pytest.raises(ValueError, match="is not a window"):
        window_days(key)


def test_the_definition_changes_with_the_code_and_with_the_code_it_shares(tmp_path: Path) -> None:
    shared = "from ._shared import RULE\n"
    write_cut(tmp_path, "_deeper", "LIMIT = 1\n")
    write_cut(tmp_path, "_shared", "from ._deeper import LIMIT\nRULE = LIMIT\n")
    write_cut(tmp_path, "cut", shared + META + FUNCTIONS)
    before = only_cut(tmp_path).definition_hash

    write_cut(tmp_path, "cut", shared + "# a comment\n\n" + META + FUNCTIONS)
    assert only_cut(tmp_path).definition_hash == before
    write_cut(tmp_path, "_deeper", "LIMIT = 2\n")
    assert only_cut(tmp_path).definition_hash != before
    write_cut(tmp_path, "_deeper", "LIMIT = 1\n")
    write_cut(tmp_path, "cut", shared + META + FUNCTIONS.replace("None", "payload"))
    assert only_cut(tmp_path).definition_hash != before


def test_a_cut_may_share_code_by_module_and_from_a_folder(tmp_path: Path) -> None:
    write_cut(tmp_path, "_shared", "RULE = 1\n")
    (tmp_path / "_more").mkdir()
    (tmp_path / "_more" / "__init__.py").write_text("LIMIT = 2\n", encoding="utf-8")
    imports = "from . import _shared\nfrom ._more import LIMIT\n"
    write_cut(tmp_path, "cut", imports + META + FUNCTIONS)
    before = only_cut(tmp_path).definition_hash

    write_cut(tmp_path, "_shared", "RULE = 3\n")
    assert only_cut(tmp_path).definition_hash != before
