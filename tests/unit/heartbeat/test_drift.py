"""What a source has become since its catalog was written."""

import pytest

from heartbeat.errors import HeartbeatError
from heartbeat.landing.catalog import Catalog, Column, Table
from heartbeat.landing.drift import drift
from heartbeat.landing.reflection import Reflection


def column(name: str, source_type: str = "integer") -> Column:
    return Column(
        name=name, landed_as=name, source_type=source_type, landed_type=source_type, nullable=True
    )


def table(name: str, *columns: Column, key: tuple[str, ...] = ("id",)) -> Table:
    return Table(
        schema_name="core",
        name=name,
        landed_as=name,
        columns=columns,
        primary_key=key,
        write="replace",
        reason="",
    )


BEFORE = table("payment", column("id"), column("state"))


@pytest.mark.parametrize(
    ("after", "sentences"),
    [
        ((BEFORE,), ()),
        ((BEFORE, table("fee", column("id"))), ("core.fee: new table",)),
        ((), ("core.payment: the table is gone",)),
        (
            (table("payment", column("id"), column("state"), column("eur", "numeric")),),
            ("core.payment: new column eur numeric",),
        ),
        ((table("payment", column("id")),), ("core.payment: column state is gone",)),
        (
            (table("payment", column("id"), column("state", "text")),),
            ("core.payment: column state was integer and is text",),
        ),
        (
            (table("payment", column("id"), column("state"), key=("id", "state")),),
            ("core.payment: the key was ('id',) and is ('id', 'state')",),
        ),
    ],
    ids=["equal", "new table", "gone table", "new column", "gone column", "type", "key"],
)
def test_each_difference_is_one_sentence(
    after: tuple[Table, ...], sentences: tuple[str, ...]
) -> None:
    found = {(table.schema_name, table.landed_as): table for table in after}
    assert drift(Catalog(tables=(BEFORE,)), Reflection(found, {}, {})) == sentences


def test_a_table_that_cannot_land_says_why_and_is_not_called_gone() -> None:
    problem = HeartbeatError("core.payment: two columns become one")
    found = Reflection({}, {("core", "payment"): problem}, {})
    assert drift(Catalog(tables=(BEFORE,)), found) == (str(problem),)
