"""Amounts of the type `money`: whole numbers, of which `lc_monetary` says what one of them is.

1750 is 1,750 yen in a database of ja_JP and 17.50 dollars in one of en_US.
"""

from typing import Any

from psycopg import Connection

from heartbeat.errors import HeartbeatError
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("money")


class MoneyUnclearError(HeartbeatError):
    """An amount cannot be read, since what the database means by it is hidden."""

    def __init__(self, table: str) -> None:
        super().__init__(
            f"{table} has amounts of the type money, and the role, PGOPTIONS or the URL that "
            "Heartbeat connects with has an lc_monetary of its own, which hides the server's; take "
            "it away, or say `alter database ... set lc_monetary = ...`"
        )


def read_money_as_meant(connection: Connection[Any]) -> frozenset[tuple[str, str]]:
    """Make amounts read as the database means them, until the transaction ends.

    Gives the tables (schema, name) whose amounts cannot be read.
    """
    locale = connection.execute(_STATEMENTS["locale"].encode()).fetchone()
    if locale and locale[0] is not None:
        connection.execute("select set_config('lc_monetary', %s, true)", locale)
        return frozenset()
    return frozenset(connection.execute(_STATEMENTS["tables"].encode()).fetchall())
