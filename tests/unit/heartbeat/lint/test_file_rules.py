"""Each rule of the linter: what it reports, on which line, and what it leaves alone."""

from pathlib import Path

import pytest

from heartbeat.lint.linter import lint_files
from heartbeat.project import Project

HEADER = """\
/* ---
code: LINT
name: Linted
short_name: Linted
period: snapshot
unit: count
direction: lower_is_better
kind: threshold
norm_value: 1
description: What it is.
how_to_read: Each one is a client whose money waits for longer than a day.
methodology: How it is counted.
--- */
-- name: value
"""
FIRST = HEADER.count("\n") + 1
SOURCE = "kind: postgres\nconnection_env: SOURCE_BANK_URL\nschemas: [core]\n"


def findings(folder: Path, statement: str, header: str = HEADER) -> list[tuple[str, int]]:
    (folder / "metrics").mkdir()
    (folder / "metrics" / "linted.sql").write_text(header + statement, encoding="utf-8")
    found = lint_files(Project(folder))
    return [
        (each.rule, each.line - FIRST + 1)
        for each in found
        if "no source lands" not in each.problem
    ]


@pytest.mark.parametrize(
    ("rule", "line", "statement"),
    [
        ("present-moment", 2, "select count(*) from a.b\nwhere t < now()"),
        ("present-moment", 1, "select current_date - max(d) from a.b"),
        ("present-moment", 1, "select CURRENT_TIMESTAMP(0) - max(d) from a.b"),
        ("present-moment", 1, "select localtimestamp - max(d) from a.b"),
        ("present-moment", 1, "select clock_timestamp() - max(d) from a.b"),
        ("present-moment", 1, "select pg_catalog.now() - max(d) from a.b"),
        ("present-moment", 2, "select count(*) from a.b where\nd < 'today'::date"),
        ("present-moment", 1, "select count(*) from a.b where d < date 'yesterday'"),
        ("select-star", 1, "select * from a.b"),
        ("select-star", 1, "table a.b"),
        ("select-star", 1, "select * from only (a.b)"),
        ("cross-join", 1, "select count(*) from a.b natural join a.c cross join a.d"),
        ("cross-join", 1, "select count(*) from a.b, (a.c join a.d using (i)) as j"),
        ("select-star", 2, "with x as (\nselect b.* from a.b b)\nselect count(*) from x"),
        ("select-star", 1, "select count(*) from (select *, 1 as one from a.b) x"),
        ("cross-join", 2, "select count(*) from a.b\ncross join a.c"),
        ("cross-join", 2, "select count(*) from a.b x,\na.c y where x.i = y.i"),
        ("cross-join", 1, "select count(*) from a.b join a.c on true"),
        (
            "cross-join",
            2,
            "with p as (select max(t) from a.c) select 1 from p cross join a.b\ncross join a.d",
        ),
        (
            "cross-join",
            1,
            "with s as (select i from a.c group by i) select count(*) from a.b cross join s",
        ),
        (
            "correlated-subquery",
            2,
            "select sum(x.v) from a.b x where x.v > (\nselect avg(y.v) from a.b y where y.i = x.i)",
        ),
        (
            "correlated-subquery",
            1,
            "select sum((select max(y.v) from a.b y where y.i = x.i)) from a.b x",
        ),
        (
            "correlated-subquery",
            1,
            "select count(*) from a.b x where x.v in (select y.v from a.b y where y.i = x.i)",
        ),
        ("unordered-limit", 1, "select v from a.b limit 1"),
        ("unordered-limit", 1, "select v from a.b fetch first 1 row only"),
        (
            "unordered-limit",
            2,
            "with x as (\nselect distinct on (i) i, v from a.b) select sum(v) from x",
        ),
    ],
)
def test_a_rule_points_at_its_line(tmp_path: Path, rule: str, line: int, statement: str) -> None:
    assert findings(tmp_path, statement) == [(rule, line)]


SEARCH_AND_CYCLE = (
    "with recursive n(i) as (select 1 union all select i + 1 from n join a.b using (i)) "
    "search depth first by i set o cycle i set seen using path select count(i) from n"
)
JSON_TABLE = (
    "select sum(j.n) from a.b x, json_table(x.doc, '$[*]' columns "
    "(n int path '$.n' default 0 on empty error on error)) as j"
)


@pytest.mark.parametrize(
    "statement",
    [
        "select count(*) from a.b where t < heartbeat.as_of()",
        "select count(*) from only (a.b)",
        SEARCH_AND_CYCLE,
        JSON_TABLE,
        "select count(j.id) from a.b join a.c using (id) as j",
        "select max(t at local) from a.b",
        "select max(qualify + regexp + insert + xor) from a.b",
        "select count(*) from a.b x tablesample system (10) join a.c y on y.i = x.i",
        "select v from a.b limit all",
        "select max(v) from a.b natural join a.c",
        "(select max(v) from a.b) union all (select max(v) from a.c)",
        "select 1 from a.b x where exists (select from a.c where i in (select z.i from a.d z))",
        "select count(*) from a.b where name = 'now()' -- now()",
        'select count("current_date") from a.b',
        "select count(now) from a.b",
        "with x as (select i, v from a.b) select sum(v) from (select *, 1 as one from x) y",
        "select count(*) from a.b x join a.c y on y.i = x.i",
        "select count(*) from a.b x join a.c using (i)",
        "select count(*) from a.b cross join heartbeat.business_days(2) d",
        "with p as (select max(t) as t from a.c) select count(*) from p cross join a.b",
        "select count(*) from a.b cross join (select max(t) as t from a.c) last",
        "select count(*) from a.b x cross join lateral (select y.i from a.c y where y.i = x.i) l",
        "select count(*) from a.b x where exists (select 1 from a.c y where y.i = x.i)",
        "select count(*) from a.b where t > (select max(t) from a.c)",
        "select v from a.b order by v, i limit 1",
        "select max(v) from a.b limit 1",
        "with x as (select distinct on (i) i, v from a.b order by i, t) select sum(v) from x",
    ],
)
def test_what_is_sound_is_left_alone(tmp_path: Path, statement: str) -> None:
    assert findings(tmp_path, statement) == []


def test_the_history_statement_is_read_too(tmp_path: Path) -> None:
    statement = "select 1\n-- name: history\nselect d,\n now() from a.b"
    assert findings(tmp_path, statement) == [("present-moment", 4)]


@pytest.mark.parametrize(
    ("rule", "line_of_header"),
    [
        ("missing-text", "description: What it is.\n"),
        ("missing-text", "methodology: How it is counted.\n"),
        (
            "missing-money-story",
            "how_to_read: Each one is a client whose money waits for longer than a day.\n",
        ),
        ("missing-lines", "norm_value: 1\n"),
    ],
)
def test_a_header_that_leaves_its_readers_alone_is_reported(
    tmp_path: Path, rule: str, line_of_header: str
) -> None:
    header = HEADER.replace(line_of_header, "")
    found = findings(tmp_path, "select count(*) from a.b", header)
    assert [name for name, _ in found] == [rule]


def test_a_money_story_of_a_few_words_is_none(tmp_path: Path) -> None:
    header = HEADER.replace(
        "how_to_read: Each one is a client whose money waits for longer than a day.",
        "how_to_read: Less is better.",
    )
    found = findings(tmp_path, "select count(*) from a.b", header)
    assert [name for name, _ in found] == ["missing-money-story"]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("select count(*) from a.b", "select count(*) from b", "table 'b' needs its schema"),
        ("unit: count\n", "", "unit"),
        ("short_name: Linted", f"short_name: {'x' * 27}", "26"),
        (
            "select count(*) from a.b",
            "select count(*) from a.b, set_config('role', 'x', true)",
            "a query must not change its session",
        ),
    ],
    ids=["no schema", "missing field", "long short name", "another session"],
)
def test_a_file_that_cannot_be_used_is_reported_first(
    tmp_path: Path, before: str, after: str, words: str
) -> None:
    text = (HEADER + "select count(*) from a.b").replace(before, after)
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "linted.sql").write_text(text, encoding="utf-8")
    (finding,) = lint_files(Project(tmp_path))
    assert finding.rule == "unusable-file"
    assert words in finding.problem


def test_two_metrics_with_one_code_are_both_reported(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    for name in ("one", "two"):
        (tmp_path / "metrics" / f"{name}.sql").write_text(HEADER + "select 1", encoding="utf-8")
    found = [(each.path.stem, each.rule) for each in lint_files(Project(tmp_path))]
    assert found == [("one", "unusable-file"), ("two", "unusable-file")]
