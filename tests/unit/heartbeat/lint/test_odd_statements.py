"""Whatever Postgres's grammar takes, the linter reads to its end."""

from pathlib import Path

import pytest

from heartbeat.lint.linter import lint_files
from heartbeat.lint.searched_columns import searched_columns
from heartbeat.project import Project
from heartbeat.table_reference import TableRef
from tests.unit.heartbeat.lint.test_file_rules import HEADER

COLUMNS = {TableRef("a", "t"): ("x", "y", "i"), TableRef("b", "u"): ("x", "y", "i")}


@pytest.mark.parametrize(
    "statement",
    [
        "select 1 from a.t where (a,b) in (select x,y from b.u)",
        "select 1 from a.t where row(a,b) = (1,2)",
        "select t from a.t t where t is null",
        "select (t).x from a.t t",
        "select x from a.t where x = any(select y from b.u)",
        "select x between symmetric 1 and 2 from a.t",
        "select count(*) over w from a.t window w as (partition by x order by y)",
        "select * from a.t, b.u, lateral (select t.x) l",
        "select (array_agg(x order by y))[1] from a.t",
        "select * from xmltable('/r' passing (select d from a.t) columns a int) x",
        "select 1 from a.t group by () having true",
        "select case when exists(select 1 from b.u where u.i=t.i) then 1 end from a.t t",
        "select t.* from a.t t union select * from b.u order by 1 limit 3",
        "select 1 from (a.t cross join b.u) j",
        "select 1 from a.t join lateral f(t.x) on true",
        "with x(a,b) as (select * from a.t) select a from x where b > 1",
        "select operator(pg_catalog.-) 1",
        "select 1 operator(pg_catalog.+) 2 from a.t",
        "select a.t.x from a.t where a.t.x=1",
        "select x::int from a.t where not (x is not distinct from 3)",
        "select nullif(x,1) from a.t where x like 'a%' and y similar to 'b'",
        "select xmlelement(name a, x) from a.t",
        "select json_object('a': x) from a.t",
        "select json_objectagg(k: v) from a.t",
        "select grouping(x) from a.t group by rollup(x)",
        "select * from rows from (generate_series(1,2), unnest(array[1])) with ordinality",
        "select extract(epoch from x - y) from a.t",
        "select * from (values (1),(2)) v(x) limit 1",
        "select min(*) from a.t",
        "select max(x, 1) from a.t having max(x, 1) < heartbeat.as_of()",
        "select min() from a.t where min() < heartbeat.as_of()",
        "select count(*) from a.t where x < all (array[1])",
        "select $1",
        "select * from a.t order by x fetch first 3 rows with ties",
        "select from a.t",
        "select 1 limit null",
        "select x from a.t limit (select 1)",
    ],
)
def test_no_statement_ends_the_linter(tmp_path: Path, statement: str) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "linted.sql").write_text(HEADER + statement, encoding="utf-8")
    assert "unusable-file" not in {
        each.rule for each in lint_files(Project(tmp_path)) if "no source" not in each.problem
    }
    searched_columns(statement, COLUMNS)
