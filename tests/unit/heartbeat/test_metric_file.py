import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heartbeat.errors import ContentError
from heartbeat.metrics.metric import Direction, Kind, Metric, Period, Season
from heartbeat.metrics.metric_file import load_metrics, parse_metric
from heartbeat.table_reference import TableRef

FULL = """\
/* ---
code: OSEP                          # 4 characters, unique
name: Outgoing SEPA credit, median processing time
short_name: SEPA out, median
period: 24h
unit: min
direction: lower_is_better
kind: rolling_stat
norm_value: 60
alert_value: 240.5
target_value: 30
target_due_date: 2026-12-31
owner: payments@bank.example
cuts: [outgoing_payment_journey, rejection_reasons]
description: |
  What it is.
how_to_read: Late money, in €.
methodology: how it is counted
notes: why
amber_z: 1.5
red_z: 3
benchmark_days: 60
season: weekday
--- */
-- name: value
select percentile_cont(0.5) within group (order by x)
from core.payment where at > heartbeat.as_of() - interval '24 hours';

-- name: history
with days as (select d from generate_series(1, 90) d)
select d, v from days join core.state_log using (d)
"""

MINIMAL = """\
/* ---
code: AB12
name: A
short_name: A
period: snapshot
unit: count
direction: lower_is_better
kind: threshold
--- */
-- name: value
select 1
"""


def write(folder: Path, text: str, name: str = "some_metric") -> Path:
    path = folder / f"{name}.sql"
    path.write_text(text, encoding="utf-8")
    return path


def with_line(text: str, key: str, value: str) -> str:
    """The header with the line of `key` replaced, or added as its last line."""
    lines = [line for line in text.split("\n") if not line.startswith(f"{key}:")]
    lines.insert(lines.index("--- */"), f"{key}: {value}")
    return "\n".join(lines)


def refusal_of(path: Path) -> ContentError:
    with pytest.raises(ContentError) as refusal:
        parse_metric(path)
    return refusal.value


def test_a_full_file_becomes_a_metric(tmp_path: Path) -> None:
    path = write(tmp_path, FULL, "outgoing_sepa_p50")
    assert parse_metric(path) == Metric(
        metric_id="outgoing_sepa_p50",
        code="OSEP",
        name="Outgoing SEPA credit, median processing time",
        short_name="SEPA out, median",
        period=Period.DAY,
        unit="min",
        direction=Direction.LOWER_IS_BETTER,
        kind=Kind.ROLLING_STAT,
        norm_value=Decimal(60),
        alert_value=Decimal("240.5"),
        target_value=Decimal(30),
        target_due_date=date(2026, 12, 31),
        owner="payments@bank.example",
        cuts=("outgoing_payment_journey", "rejection_reasons"),
        description="What it is.",
        how_to_read="Late money, in €.",
        methodology="how it is counted",
        notes="why",
        amber_z=1.5,
        red_z=3.0,
        benchmark_days=60,
        season=Season.WEEKDAY,
        path=path,
        value_sql=FULL.split("-- name: value\n")[1].split("\n\n")[0],
        value_line=26,
        history_sql=FULL.split("-- name: history\n")[1].strip(),
        history_line=30,
        reads=(TableRef("core", "payment"), TableRef("core", "state_log")),
    )


def test_what_a_header_leaves_out_or_empty_is_none(tmp_path: Path) -> None:
    text = MINIMAL
    for key in ("owner", "norm_value", "target_due_date", "cuts", "notes"):
        text = with_line(text, key, "")
    metric = parse_metric(write(tmp_path, with_line(text, "alert_value", "null")))
    assert (metric.norm_value, metric.alert_value, metric.target_value) == (None, None, None)
    assert (metric.owner, metric.target_due_date) == (None, None)
    assert (metric.cuts, metric.notes, metric.description) == ((), "", "")
    assert (metric.amber_z, metric.red_z) == (1.0, 2.0)
    assert (metric.history_sql, metric.history_line, metric.reads) == (None, None, ())


@pytest.mark.parametrize("code", ["0123", "NULL", "1E10", "TRUE", "2026"])
def test_a_code_that_yaml_would_take_for_something_else_stays_text(
    tmp_path: Path, code: str
) -> None:
    assert parse_metric(write(tmp_path, with_line(MINIMAL, "code", code))).code == code


def test_decimals_are_read_exactly(tmp_path: Path) -> None:
    text = with_line(MINIMAL, "norm_value", "0.10000000000000000001")
    assert parse_metric(write(tmp_path, text)).norm_value == Decimal("0.10000000000000000001")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(MINIMAL.replace("\n", "\r\n").encode(), id="CRLF"),
        pytest.param(MINIMAL.replace("\n", "\r").encode(), id="CR"),
        pytest.param(b"\xef\xbb\xbf" + MINIMAL.encode(), id="byte order mark"),
        pytest.param(b"\n \n" + MINIMAL.encode(), id="blank lines first"),
    ],
)
def test_a_file_from_another_editor_is_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.sql"
    path.write_bytes(content)
    assert parse_metric(path).value_sql == "select 1"


@pytest.mark.parametrize(
    ("direction", "norm", "alert", "target"),
    [
        ("lower_is_better", "0", "0.005", ""),
        ("lower_is_better", "10", "10", "0"),
        ("higher_is_better", "-5", "-10", ""),
        ("in_range", "10", "25", "100"),
        ("in_range", "0", "0", "-100"),
        ("in_range", "", "", ""),
        ("higher_is_better", "", "10", ""),
    ],
)
def test_lines_in_the_order_of_the_direction_are_accepted(
    tmp_path: Path, direction: str, norm: str, alert: str, target: str
) -> None:
    text = MINIMAL
    wanted = {"alert_value": alert, "norm_value": norm, "target_value": target}
    for key, value in {"direction": direction, **wanted}.items():
        text = with_line(text, key, value)
    metric = parse_metric(write(tmp_path, text))
    found = {key: getattr(metric, key) for key in wanted}
    assert found == {key: Decimal(value) if value else None for key, value in wanted.items()}


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("code", "ABC", "code: must be exactly 4 characters A-Z or 0-9, not 'ABC'"),
        ("code", "abcd", "exactly 4 characters"),
        ("code", "ABCDE", "exactly 4 characters"),
        ("code", "ÄBCD", "exactly 4 characters"),
        ("name", "", "name: .*at least 1"),
        ("short_name", "a" * 27, "short_name: .*at most 26"),
        ("period", "24 h", "period: .*'24h'"),
        ("direction", "up", "direction: .*'higher_is_better'"),
        ("kind", "", "kind: .*'threshold'"),
        ("unit", "''", "unit: .*at least 1"),
        ("unit", "€", "unit: write EUR, not '€'"),
        ("unit", "EURO", "unit: write EUR, not 'EURO'"),
        ("unit", "eur", "unit: write EUR, not 'eur'"),
        ("unit", "hours", "unit: write h, not 'hours'"),
        ("unit", "Percent", "unit: write %, not 'Percent'"),
        ("norm_value", "many", "norm_value: must be a number"),
        ("norm_value", "NaN", "norm_value: .*finite"),
        ("norm_value", "[1, 2]", "norm_value"),
        ("target_due_date", "soon", "target_due_date: .*date"),
        ("cuts", "one", "cuts: must be a list, such as .one."),
        ("cuts", "[a, [b]]", "cuts: .*must be text"),
        ("amber_z", "0", "amber_z: must be more than 0"),
        ("amber_z", "inf", "amber_z: .*finite"),
        ("red_z", "0.5", "red_z: must not be below amber_z 1"),
        ("colour", "red", "no key 'colour'"),
        ("description", "{a: b}", "description: must be text"),
    ],
)
def test_a_key_that_is_not_valid_is_refused_at_its_line(
    tmp_path: Path, key: str, value: str, problem: str
) -> None:
    text = with_line(MINIMAL, key, value)
    refusal = refusal_of(write(tmp_path, text))
    assert refusal.line == text.split("\n").index(f"{key}: {value}") + 1
    assert re.search(problem, refusal.problem)


@pytest.mark.parametrize(
    ("direction", "norm", "alert", "target", "key", "problem"),
    [
        ("lower_is_better", "30", "7", "", "alert_value", "must not be below norm_value 30"),
        ("higher_is_better", "45", "55", "", "alert_value", "must not be above norm_value 45"),
        ("in_range", "25", "10", "100", "alert_value", "must not be below norm_value 25"),
        ("in_range", "-1", "10", "100", "norm_value", "0 or more"),
        ("in_range", "1", "10", "", "norm_value", "give one"),
        ("in_range", "", "10", "", "alert_value", "give one"),
    ],
)
def test_lines_against_the_direction_are_refused(
    tmp_path: Path, direction: str, norm: str, alert: str, target: str, key: str, problem: str
) -> None:
    text = with_line(MINIMAL, "norm_value", norm)
    text = with_line(with_line(text, "alert_value", alert), "target_value", target)
    text = with_line(text, "direction", direction)
    refusal = refusal_of(write(tmp_path, text))
    assert text.split("\n")[refusal.line - 1].startswith(f"{key}:")
    assert problem in refusal.problem


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        pytest.param("", 1, "the file is empty", id="empty"),
        pytest.param(" \n\n", 1, "the file is empty", id="blank"),
        pytest.param("-- name: value\nselect 1", 1, "must begin with", id="no header"),
        pytest.param("select 1 " + MINIMAL, 1, "must begin with", id="header not first"),
        pytest.param("/* ---\ncode: AB12\n*/", 1, "not closed", id="header not closed"),
        pytest.param("/* ---\n--- */\n", 2, "lines of 'key: value'", id="header without keys"),
        pytest.param("/* ---\n- a\n--- */\n", 2, "lines of 'key: value'", id="header is a list"),
        pytest.param("/* ---\na: b\nc: [\n--- */", 4, "not YAML", id="open bracket"),
        pytest.param("/* ---\na: b\nc: d: e\n--- */", 3, "not YAML", id="colon in a value"),
        pytest.param("/* ---\na: b\nc: \x07\n--- */", 3, "does not allow", id="control character"),
        pytest.param("/* ---\n" + "[" * 3000 + "\n--- */", 2, "too deeply", id="deep header"),
        pytest.param("/* ---\na: b\n? [c]\n: d\n--- */", 1, "needs the key", id="missing first"),
        pytest.param(
            MINIMAL.replace("unit: count", "unit: count\n? [c]\n: d"),
            7,
            "one word",
            id="list as key",
        ),
        pytest.param(
            MINIMAL.replace("unit: count", "unit: count\ncode: XXXX"),
            7,
            "given twice",
            id="key twice",
        ),
        pytest.param(
            MINIMAL.replace("kind: threshold\n", ""), 1, "needs the key 'kind'", id="key missing"
        ),
        pytest.param(
            MINIMAL.replace("-- name: value\nselect 1\n", ""), 9, "is missing", id="no value"
        ),
        pytest.param(
            MINIMAL.replace("name: value", "name: history"), 9, "is missing", id="history only"
        ),
        pytest.param(
            MINIMAL.replace("name: value", "name: valeu"),
            10,
            "'valeu' is unknown",
            id="unknown name",
        ),
        pytest.param(
            MINIMAL + "\n-- name: value\nselect 2", 13, "already defined", id="value twice"
        ),
        pytest.param(MINIMAL + "\n-- name: history\n", 13, "is empty", id="empty history"),
        pytest.param(
            MINIMAL.replace("-- name", "select 1;\n-- name"),
            10,
            "SQL before",
            id="sql before a name",
        ),
        pytest.param(MINIMAL + "\nfrom payment", 13, "'payment' needs its", id="unqualified"),
        pytest.param(MINIMAL + "where (", 12, "syntax error", id="syntax error"),
        pytest.param(MINIMAL + ";\ndelete from a.t", 13, "only one statement", id="two statements"),
        pytest.param(
            MINIMAL + "\n-- name: history\n\nselect 1\nfrom t", 16, "'t' needs", id="bad history"
        ),
    ],
)
def test_a_broken_file_is_refused_at_its_line(
    tmp_path: Path, text: str, line: int, problem: str
) -> None:
    refusal = refusal_of(write(tmp_path, text))
    assert refusal.line == line
    assert problem in refusal.problem


def test_the_first_of_several_problems_is_reported(tmp_path: Path) -> None:
    broken = (
        MINIMAL.replace("AB12", "AB1")
        .replace("unit: count", "unit: count\nunit: d\ncolour: red")
        .replace("select 1", "select 1 from t\n-- name: other\nselect 1")
    )
    problems = []
    for repair in [("AB1", "AB12"), ("unit: d\n", ""), ("colour: red\n", ""), (" from t", "")]:
        problems.append(refusal_of(write(tmp_path, broken)).problem)
        broken = broken.replace(*repair)
    problems.append(refusal_of(write(tmp_path, broken)).problem)
    assert [re.sub(r"(?:: | needs| is unknown).*", "", problem) for problem in problems] == [
        "code",
        "key 'unit' is given twice",
        "the header has no key 'colour'",
        "table 't'",
        "statement 'other'",
    ]


def test_text_that_is_not_utf_8_is_refused_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "m.sql"
    path.write_bytes(MINIMAL.replace("unit: count", "unit: ¤").encode("latin-1"))
    refusal = refusal_of(path)
    assert (refusal.line, refusal.problem) == (6, "the text is not UTF-8")


@pytest.mark.parametrize("name", ["Abc", "1st", "_a", "a-b", "a b", "ä", "a" * 64, "a.b"])
def test_a_file_name_that_is_no_metric_id_is_refused(tmp_path: Path, name: str) -> None:
    refusal = refusal_of(write(tmp_path, MINIMAL, name))
    assert refusal.line == 1
    assert f"not '{name}'" in refusal.problem


@pytest.mark.parametrize("name", ["a", "a1_b", "a" * 63])
def test_a_file_name_is_the_metric_id(tmp_path: Path, name: str) -> None:
    assert parse_metric(write(tmp_path, MINIMAL, name)).metric_id == name


def test_one_broken_file_is_reported_and_the_rest_loads(tmp_path: Path) -> None:
    write(tmp_path, with_line(MINIMAL, "code", "CCCC"), "c")
    broken = write(tmp_path, "", "b")
    write(tmp_path, with_line(MINIMAL, "code", "AAAA"), "a")
    dangling = tmp_path / "d.sql"
    dangling.symlink_to(tmp_path / "nowhere")
    loaded = load_metrics(tmp_path)
    assert [metric.metric_id for metric in loaded.metrics] == ["a", "c"]
    assert [problem.path for problem in loaded.problems] == [broken, dangling]
    assert "cannot be read" in loaded.problems[1].problem


def test_files_that_share_a_code_are_all_refused_and_name_each_other(tmp_path: Path) -> None:
    paths = [write(tmp_path, MINIMAL, name) for name in ("z", "a", "m")]
    write(tmp_path, with_line(MINIMAL, "code", "GOOD"), "b")
    loaded = load_metrics(tmp_path)
    assert [metric.metric_id for metric in loaded.metrics] == ["b"]
    assert [problem.path for problem in loaded.problems] == sorted(paths)
    assert {problem.line for problem in loaded.problems} == {2}
    assert loaded.problems[0].problem == "code 'AB12' is also used by m.sql, z.sql"


def test_a_broken_file_does_not_claim_its_code(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL, "good")
    write(tmp_path, MINIMAL + "where (", "broken")
    loaded = load_metrics(tmp_path)
    assert [metric.metric_id for metric in loaded.metrics] == ["good"]
    assert len(loaded.problems) == 1


def test_only_sql_files_directly_in_the_folder_are_metrics(tmp_path: Path) -> None:
    write(tmp_path, "", ".#open_in_an_editor")
    (tmp_path / "readme.md").write_text("", encoding="utf-8")
    (tmp_path / "folder.sql").mkdir()
    write(tmp_path / "folder.sql", "", "inner")
    assert load_metrics(tmp_path) == load_metrics(tmp_path / "no_such_folder")


def test_a_missing_folder_has_no_metrics(tmp_path: Path) -> None:
    loaded = load_metrics(tmp_path / "metrics")
    assert (loaded.metrics, loaded.problems) == ((), ())


one_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def assert_read_or_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    loaded = load_metrics(path.parent)
    assert len(loaded.metrics) + len(loaded.problems) == 1
    for problem in loaded.problems:
        assert 1 <= problem.line <= content.count(b"\n") + content.count(b"\r") + 1


@one_file
@given(content=st.binary() | st.text().map(str.encode))
def test_arbitrary_content_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    assert_read_or_refused(tmp_path / "m.sql", content)


@one_file
@given(header=st.text(st.characters(codec="utf-8")))
def test_an_arbitrary_header_is_read_or_refused(tmp_path: Path, header: str) -> None:
    text = f"/* ---\n{header}\n--- */\n-- name: value\nselect 1"
    assert_read_or_refused(tmp_path / "m.sql", text.encode())


@one_file
@given(
    st.sampled_from(["code", "cuts", "norm_value", "target_due_date", "red_z", "owner", "period"]),
    st.text(st.characters(codec="utf-8")),
)
def test_an_arbitrary_value_of_a_key_is_read_or_refused(
    tmp_path: Path, key: str, value: str
) -> None:
    assert_read_or_refused(tmp_path / "m.sql", with_line(MINIMAL, key, value).encode())


@one_file
@given(position=st.integers(0, len(FULL)), piece=st.text("-*/'\"$\n:[{ ;(a.", max_size=5))
def test_a_file_with_a_slip_of_the_pen_is_read_or_refused(
    tmp_path: Path, position: int, piece: str
) -> None:
    text = FULL[:position] + piece + FULL[position + len(piece) :]
    assert_read_or_refused(tmp_path / "m.sql", text.encode())
