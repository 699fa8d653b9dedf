"""Which columns of a table a query searches by."""

import pytest

from heartbeat.lint.searched_columns import searched_columns
from heartbeat.table_reference import TableRef

PAYMENT = TableRef("core", "payment")
CLIENT = TableRef("core", "client")
COLUMNS = {
    PAYMENT: ("id", "client_id", "state", "at", "eur"),
    CLIENT: ("id", "name", "at"),
}


@pytest.mark.parametrize(
    ("sql", "payment", "client"),
    [
        pytest.param("select count(*) from core.payment", "", "", id="nothing"),
        pytest.param("select id from core.payment where at >= now()", "at", "", id="a range"),
        pytest.param(
            "select 1 from core.payment p where p.at between 1 and 2", "at", "", id="an alias"
        ),
        pytest.param(
            "select 1 from core.payment where state in (1, 2) and eur is null",
            "state eur",
            "",
            id="in, and is null",
        ),
        pytest.param(
            "select 1 from core.payment p join core.client c on c.id = p.client_id",
            "client_id",
            "id",
            id="a join",
        ),
        pytest.param(
            "select 1 from core.payment join core.client using (id)", "id", "id", id="using"
        ),
        pytest.param(
            'select 1 from "core"."client" as "C" where "C"."name" = 1', "", "name", id="quotes"
        ),
        pytest.param(
            "select 1 from core.payment where lower(state) = 'x' and at::date = '2026-01-01'",
            "",
            "",
            id="columns in expressions",
        ),
        pytest.param(
            "with p as (select client_id as c, at as moment from core.payment)"
            " select 1 from p where moment > now() and c = 1",
            "at client_id",
            "",
            id="a CTE",
        ),
        pytest.param(
            "with p as (select at from core.payment union all select at from core.client)"
            " select 1 from p where at > now()",
            "at",
            "at",
            id="a union in a CTE",
        ),
        pytest.param(
            "select 1 from core.client c where exists"
            " (select from core.payment p where p.client_id = c.id and p.state = 'x')",
            "client_id state",
            "id",
            id="a correlated subquery",
        ),
        pytest.param(
            "select count(*) filter (where state = 'x') from core.payment",
            "state",
            "",
            id="a filter",
        ),
        pytest.param("select 1 from core.payment where missing = 1", "", "", id="no such column"),
        pytest.param("select from where", "", "", id="no SQL"),
    ],
)
def test_a_query_searches_by(sql: str, payment: str, client: str) -> None:
    expected = {PAYMENT: frozenset(payment.split()), CLIENT: frozenset(client.split())}
    found = searched_columns(sql, COLUMNS)
    assert found == {table: names for table, names in expected.items() if names}
