import pytest
from hypothesis import given
from hypothesis import strategies as st

from heartbeat.syntax_tree import StatementError
from heartbeat.table_reference import TableRef, UnqualifiedTableError, table_references


def named(*tables: str) -> tuple[TableRef, ...]:
    return tuple(TableRef(*table.split(".")) for table in tables)


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        pytest.param("select 1", named(), id="no table"),
        pytest.param("select 1 from a.t;", named("a.t"), id="closing semicolon"),
        pytest.param("select 1 from a.t; -- done;\n", named("a.t"), id="comment after the end"),
        pytest.param("select 1 from b.t, a.t, b.t x", named("a.t", "b.t"), id="sorted, once"),
        pytest.param("select 1 from A.T", named("a.t"), id="unquoted names fold"),
        pytest.param(
            "select ПЛАТЁЖ from Bank.Größe, bank.Ähre, bank.支払い, bank.नाम",
            named("bank.größe", "bank.Ähre", "bank.नाम", "bank.支払い"),
            id="names of other scripts keep case, as in Postgres",
        ),
        pytest.param('select 1 from a."Note"', named("a.Note"), id="quoted names keep case"),
        pytest.param('select 1 from "a"."t.x"', (TableRef("a", "t.x"),), id="dot inside quotes"),
        pytest.param(
            "select 1 from a.t join b.u on true left join c.v on true",
            named("a.t", "b.u", "c.v"),
            id="joins",
        ),
        pytest.param(
            "select 1 from (a.t join b.u on true) j", named("a.t", "b.u"), id="aliased join"
        ),
        pytest.param(
            "select 1 from a.t union all select 2 from b.u except select 3 from c.v",
            named("a.t", "b.u", "c.v"),
            id="set operations",
        ),
        pytest.param("(select 1 from a.t) order by 1", named("a.t"), id="query in parentheses"),
        pytest.param(
            "select (select max(x) from a.t), exists (select 1 from b.u) from c.v "
            "where y in (select y from d.w) having count(*) > (select 1 from e.x)",
            named("a.t", "b.u", "c.v", "d.w", "e.x"),
            id="subqueries everywhere",
        ),
        pytest.param(
            "select 1 from a.t x, lateral (select 1 from b.u where b.u.i = x.i) l",
            named("a.t", "b.u"),
            id="lateral",
        ),
        pytest.param(
            "select 1 from a.t, lateral jsonb_array_elements(t.payload) e",
            named("a.t"),
            id="lateral function",
        ),
        pytest.param("select 1 from (values (1), (2)) v(x)", named(), id="values"),
        pytest.param(
            "select 1 from generate_series(1, (select max(i) from a.t)) g, "
            "unnest(array[1]) u, heartbeat.as_of() n",
            named("a.t"),
            id="functions are not tables",
        ),
        pytest.param(
            "select 1 from rows from (generate_series(1, 2), heartbeat.days()) r",
            named(),
            id="rows from",
        ),
        pytest.param(
            "select heartbeat.as_of() - max(t.at) from a.t",
            named("a.t"),
            id="qualified function call",
        ),
        pytest.param(
            "select 1 from heartbeat.client_segment",
            named("heartbeat.client_segment"),
            id="a table in the schema heartbeat",
        ),
        pytest.param(
            "select 'select 1 from b.u', $q$ from c.v $q$ -- from d.w\n"
            "/* from e.x /* nested */ from f.y */ from a.t",
            named("a.t"),
            id="strings and comments",
        ),
        pytest.param(
            "with c as (select 1 from a.t) select 1 from c, c as d", named("a.t"), id="cte"
        ),
        pytest.param(
            'with "C" as (select 1 from a.t) select 1 from "C"', named("a.t"), id="quoted cte"
        ),
        pytest.param("with C as (select 1) select 1 from c", named(), id="cte in another case"),
        pytest.param(
            "with t as (select 1 from a.t) select 1 from t",
            named("a.t"),
            id="cte named like the table that it reads",
        ),
        pytest.param(
            "with t as (select 1) select 1 from a.t, t",
            named("a.t"),
            id="a cte hides no qualified table",
        ),
        pytest.param(
            "with x as (select 1 from a.t), y as (select 1 from x) select 1 from y",
            named("a.t"),
            id="a cte sees those before it",
        ),
        pytest.param(
            "with recursive y as (select 1 from x), x as (select 1 from a.t) select 1 from y",
            named("a.t"),
            id="under recursive also those after it",
        ),
        pytest.param(
            "with recursive n(i) as (select 1 union all select i + 1 from n) "
            "select 1 from n join a.t on t.i = n.i",
            named("a.t"),
            id="recursive cte",
        ),
        pytest.param(
            "with x as (select 1) select (select 1 from x), z.* from "
            "(with y as (select 1 from x) select 1 from y) z",
            named(),
            id="inner scope",
        ),
        pytest.param(
            "with x as materialized (select 1 from a.t) select 1 from x",
            named("a.t"),
            id="materialized cte",
        ),
        pytest.param("select x.a.b from x.a", named("x.a"), id="columns are not tables"),
        pytest.param("select 1 from only a.t tablesample bernoulli (1)", named("a.t"), id="sample"),
        pytest.param("select 1 from only (a.t)", named("a.t"), id="only in parentheses"),
        pytest.param(
            "with recursive n(i) as (select 1 union all select i + 1 from n join a.t using (i)) "
            "search depth first by i set o cycle i set seen using path select i from n",
            named("a.t"),
            id="search and cycle",
        ),
        pytest.param(
            "select j.n from a.t, json_table(t.doc, '$[*]' columns "
            "(n int path '$.n' default 0 on empty error on error)) as j",
            named("a.t"),
            id="json_table",
        ),
        pytest.param(
            "select j.id from a.t join b.u using (id) as j",
            named("a.t", "b.u"),
            id="alias of using",
        ),
        pytest.param("select t.at at local from a.t", named("a.t"), id="at local"),
        pytest.param(
            "select qualify, regexp, insert, xor, div from a.t where rlike > 1",
            named("a.t"),
            id="words of other dialects are names",
        ),
        pytest.param("select 1 from a.xor x, b.insert", named("a.xor", "b.insert"), id="as tables"),
        pytest.param(
            "select array_agg(x) filter (where x is json object) from a.t "
            "group by distinct rollup (y), grouping sets (cube (z), w)",
            named("a.t"),
            id="grouping sets",
        ),
        pytest.param("select 'ä' || t.ö from a.t", named("a.t"), id="umlauts"),
        pytest.param('select 1 from a."T" as "ä"', (TableRef("a", "T"),), id="quoted alias"),
        pytest.param("select 1 from A.ÄB", (TableRef("a", "Äb"),), id="only A to Z folds"),
        pytest.param("select " + "1 + " * 200 + "1 from a.t", named("a.t"), id="a long sum"),
        pytest.param("table a.t", named("a.t"), id="the table command"),
        pytest.param(
            "select percentile_cont(0.5) within group (order by e - s) "
            "filter (where k)::numeric from a.t",
            named("a.t"),
            id="ordered-set aggregate",
        ),
    ],
)
def test_the_tables_of_a_query_come_from_its_syntax(sql: str, tables: tuple[TableRef, ...]) -> None:
    assert table_references(sql) == tables


@pytest.mark.parametrize(
    ("sql", "table", "line"),
    [
        pytest.param("select 1\nfrom\n payment", "payment", 3, id="plain"),
        pytest.param("with x as (select 1)\nselect 1 from a.t\n, y", "y", 3, id="unknown cte"),
        pytest.param(
            "with x as (\n select 1 from x)\nselect 1", "x", 2, id="a plain cte is not in itself"
        ),
        pytest.param(
            "with x as (select 1\n from y), y as (select 1) select 1", "y", 2, id="cte after"
        ),
        pytest.param(
            "select 1 from (with x as (select 1) select 1 from x) z,\n x", "x", 2, id="out of scope"
        ),
        pytest.param('with c as (select 1) select 1 from "C"', "C", 1, id="quoted in other case"),
    ],
)
def test_a_table_without_schema_is_refused_with_its_name_and_line(
    sql: str, table: str, line: int
) -> None:
    with pytest.raises(UnqualifiedTableError) as refusal:
        table_references(sql)
    assert (refusal.value.table, refusal.value.line) == (table, line)


@pytest.mark.parametrize(
    ("sql", "line", "problem"),
    [
        pytest.param("", 1, "there is no statement", id="empty"),
        pytest.param("-- select 1", 1, "there is no statement", id="comment only"),
        pytest.param("select 1;\n\nselect 2", 3, "only one statement", id="two queries"),
        pytest.param(";;select 1;;\nselect 2;", 2, "only one statement", id="empty statements"),
        pytest.param("select ';';\ndrop table a.t", 2, "only one statement", id="query and ddl"),
        pytest.param("\ninsert into a.t select 1", 2, "only a SELECT", id="insert"),
        pytest.param("update a.t set x = 1", 1, "only a SELECT", id="update"),
        pytest.param("delete from a.t", 1, "only a SELECT", id="delete"),
        pytest.param("create table a.t as select 1", 1, "only a SELECT", id="ddl"),
        pytest.param("truncate a.t", 1, "only a SELECT", id="truncate"),
        pytest.param("set x = 1", 1, "only a SELECT", id="set"),
        pytest.param("explain select 1", 1, "only a SELECT", id="explain"),
        pytest.param("copy a.t to stdout", 1, "only a SELECT", id="copy"),
        pytest.param("values (1)", 1, "only a SELECT", id="values"),
        pytest.param("foo", 1, 'syntax error at or near "foo"', id="expression"),
        pytest.param(
            "with x as (\n delete from\n a.t returning *) select 1 from x",
            3,
            "must not write",
            id="writing cte",
        ),
        pytest.param("select 1\ninto a.u from a.t", 2, "must not write", id="select into"),
        *(
            pytest.param(
                f"select 1 from a.t\nwhere {call}('role', 'none', false) = ''",
                2,
                "must not change its session",
                id=call,
            )
            for call in ("set_config", "pg_catalog.set_config", '"set_config"', "SET_CONFIG")
        ),
        pytest.param(
            "select 1\nfrom a.t where (", 2, "syntax error at end of input", id="syntax error"
        ),
        pytest.param("select 'ä',\n 1 form a.t u v", 2, 'at or near "a"', id="after an umlaut"),
        pytest.param("select 1,\n 'abc", 2, "unterminated quoted string", id="open quote"),
        pytest.param("select " + "1+" * 14_000 + "1", 1, "too deeply", id="too deep"),
        pytest.param("select " + "1+" * 90_000 + "1", 1, "longer than 60,000", id="too long"),
        pytest.param("select 1\n from a.t \0; drop", 2, "null byte", id="null byte"),
        pytest.param("select 1\nfrom a.t for update", 1, "must not lock", id="row locks"),
        pytest.param("select 1\nfrom x.a.t", 2, "with a database", id="another database"),
        *(
            pytest.param(f"select\n {call}", 2, "does not name", id=call)
            for call in ("query_to_xml('select 1 from a.t', true, true, '')", "ts_stat('...')")
        ),
    ],
)
def test_anything_but_one_query_is_refused_at_its_line(sql: str, line: int, problem: str) -> None:
    with pytest.raises(StatementError, match=problem) as refusal:
        table_references(sql)
    assert refusal.value.line == line


def test_references_sort_by_schema_and_read_as_in_sql() -> None:
    refs = [TableRef("b", "a"), TableRef("a", "z")]
    assert [str(ref) for ref in sorted(refs)] == ["a.z", "b.a"]


SQL_PIECES = """
select from where with as ( ) , ; . * a b c.d 'x' "Y" $$ -- /* */ union join on lateral 1 = values
insert into in exists case when end :: [ ] recursive order by group having
"""
sql_words = st.sampled_from(SQL_PIECES.split())


lines_that_end_in_newline = st.text(st.characters(exclude_characters="\r"))


@given(lines_that_end_in_newline | st.lists(sql_words).map(" ".join))
def test_arbitrary_text_is_read_or_refused(text: str) -> None:
    try:
        found = table_references(text)
    except StatementError as error:
        found, line = (), error.line
    else:
        line = 1
    assert 1 <= line <= text.count("\n") + 1
    assert list(found) == sorted(set(found))
