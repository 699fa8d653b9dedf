"""The column by which a load finds what changed: its type, its lag, and values that are no moment.

`infinity` and NaN are greater than every value to come, `-infinity` is smaller than every one that
is there. Neither may hide a row: the first do not move the landed maximum, and rows with the
second are read by every load, as those without a cursor are.
"""

import re

from psycopg import sql

from heartbeat.errors import HeartbeatError
from heartbeat.landing.catalog import Column
from heartbeat.source import TableOptions

_LEAST = {"smallint": -(2**15), "integer": -(2**31), "bigint": -(2**63)}
_DECIMAL = {"numeric", "real", "double precision"}
_TEXT = {"text", "character varying", "character"}
_MOMENT = re.compile(r"date|timestamp(\(\d\))? with(out)? time zone")
_ENDLESS = re.compile(rf"{_MOMENT.pattern}|numeric(\(.*\))?|real|double precision")


class UnusableCursorError(HeartbeatError):
    """A column that cannot tell which rows are new, or not by that lag or write mode."""


def refuse_unusable_cursor(qualified_name: str, cursor: Column, options: TableOptions) -> None:
    """Raise UnusableCursorError unless a greater value is a later one on both sides."""
    kind = _kind(cursor)
    where = f"{qualified_name}: cursor {cursor.name} is {cursor.source_type}"
    if not (cursor.is_temporal or kind in {*_LEAST, *_DECIMAL, *_TEXT}):
        raise UnusableCursorError(
            f"{where}; a cursor must be a number, a date, a timestamp or a text, which can grow"
        )
    if kind in _TEXT and cursor.is_cast:
        raise UnusableCursorError(
            f"{where}, whose order marts does not have; choose another column"
        )
    if kind in _TEXT and options.write == "append":
        raise UnusableCursorError(
            f"{where}, and `write: append` needs a number, a date or a timestamp: two databases "
            "may order texts differently"
        )
    if kind in _TEXT and options.lags:
        raise UnusableCursorError(f"{where}, and nothing can be taken off a text; give no `lag`")
    if options.lags and options.is_lag_a_number == cursor.is_temporal:
        wanted = "a time such as 15 minutes" if cursor.is_temporal else "a number such as 1000"
        raise UnusableCursorError(f"{where}, so its lag must be {wanted}, not `{options.lag}`")


def less_lag(value: sql.Composable, cursor: Column, options: TableOptions) -> sql.Composable:
    """The cursor value from which a load reads, given the greatest one that is known."""
    type_ = sql.SQL(cursor.landed_type)
    if not options.lags:
        return value
    if cursor.is_temporal:
        return sql.SQL("({} - interval {})::{}").format(value, sql.Literal(options.lag), type_)
    lowered = sql.SQL("{} - {}").format(value, sql.SQL(options.lag))
    if least := _LEAST.get(_kind(cursor)):
        lowered = sql.SQL("greatest({}::numeric - {}, {})").format(
            value, sql.SQL(options.lag), sql.SQL(str(least))
        )
    return sql.SQL("({})::{}").format(lowered, type_)


def has_come(cursor: Column, name: sql.Identifier) -> sql.Composable:
    """The condition on a value to be one that later ones exceed."""
    if cursor.is_temporal:
        return sql.SQL("{} <= now()").format(name)
    if _kind(cursor) in _DECIMAL:
        # as text, since old servers have no infinite numeric to compare with
        return sql.SQL("{}::text not in ('NaN', 'Infinity', '-Infinity')").format(name)
    return sql.SQL("true")


def is_beyond_time(type_: str, name: sql.Identifier) -> sql.Composable:
    """The condition on a row to be read by every load: no cursor, or one before all others."""
    if not _ENDLESS.fullmatch(type_):
        return sql.SQL("{} is null").format(name)
    if type_.startswith("numeric"):
        # below all numbers with a use; old servers have no infinite numeric to compare with
        return sql.SQL("({0} is null or {0} < '-1e131000'::numeric)").format(name)
    return sql.SQL("({0} is null or {0} = '-infinity'::{1})").format(name, sql.SQL(type_))


def _kind(cursor: Column) -> str:
    return cursor.landed_type.split("(")[0].strip()
