"""A new audit cut's file, from a landed table: rows a day, which its author makes the real one."""

from dataclasses import dataclass
from string import Template

from heartbeat.errors import HeartbeatError
from heartbeat.landing.catalog import Column
from heartbeat.project import LandedTable

_TEXT = Template('''\
"""$title, day by day."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from heartbeat.audit.audit_cut import Connection, window_days
from heartbeat.audit.chart_theme import CHART_WIDTH, title
from heartbeat.audit.palette import Colour
from heartbeat.judgement.wording import counted, value_text

META = {
    "page": "$page",
    "title": $title_literal,
    "prose": "How many rows $table has of each day, and whether they are getting fewer.",
    "reads": ["$table"],
    "how_to_read": "A bar a day; the last one is of today so far.",
    "methodology": "Rows of $table by $time_column, by business day, of the window's days.",
}

ROWS_SQL = """
select day.d, count(t.$time_column) as rows
  from heartbeat.business_days(%(days)s) as day
  left join $table as t
    on $of_the_day
 group by day.d
 order by day.d
"""


def compute(conn: Connection, *, window: str) -> dict[str, Any]:
    """The rows of each day, and what they come to beside the same number of days before."""
    days = window_days(window)
    both = conn.execute(ROWS_SQL, {"days": 2 * days}).fetchall()
    before, now = (sum(rows for _, rows in part) for part in (both[:days], both[days:]))
    return {
        "headline": f"Rows of $table in {counted(days, 'day')}: {value_text(now, 'count')}",
        "prose": f"In the {counted(days, 'day')} before there were {value_text(before, 'count')}.",
        "rows": [{"d": d, "rows": rows} for d, rows in both[days:]],
    }


def chart(payload: Mapping[str, Any]) -> alt.TopLevelMixin:
    """A bar a day."""
    # as a text a day would be midnight UTC, the evening before in a browser west of Greenwich
    rows = pd.DataFrame(payload["rows"]).astype({"d": "datetime64[s]"})
    days = alt.Chart(rows, mark=alt.MarkDef("bar", color=Colour.ACCENT))
    return days.encode(
        x=alt.X("yearmonthdate(d):T", title=None).axis(format="%-d %b", tickCount=5, grid=False),
        y=alt.Y("rows:Q", title=None).axis(tickCount=3),
    ).properties(width=CHART_WIDTH, height=300, title=title(payload, "rows a day"))
''')


class CutDraftError(HeartbeatError):
    """What was asked for does not fit the table."""


@dataclass(frozen=True)
class CutDraft:
    """All that a file needs; `time_column` says to which day a row belongs."""

    table: LandedTable
    time_column: str
    page: str
    title: str

    def text(self) -> str:
        """The file. Raises CutDraftError for a column that the table does not have or that dates
        nothing.
        """
        column = self._dating_column()
        return _TEXT.substitute(
            title=self.title.replace("\\", " ").replace('"', "'"),
            title_literal=_literal(self.title),
            page=self.page,
            table=self.table.reference,
            time_column=column.landed_as,
            of_the_day=_of_the_day(column),
        )

    def _dating_column(self) -> Column:
        known = {column.landed_as: column for column in self.table.table.columns}
        column = known.get(self.time_column)
        if column is None:
            names = ", ".join(sorted(known))
            raise CutDraftError(
                f"{self.table.reference} has no column {self.time_column}; it has {names}"
            )
        if not column.is_temporal:
            raise CutDraftError(
                f"{self.time_column} is {column.landed_type}, which is no moment in time"
            )
        return column


def _of_the_day(column: Column) -> str:
    """A date is compared with the day itself: it is no moment. Moments without a zone are UTC."""
    dated = f"t.{column.landed_as}"
    if column.is_date:
        return f"{dated} = day.d"
    zone = "" if "with time zone" in column.landed_type else " at time zone 'UTC'"
    return f"{dated} >= day.opens{zone} and {dated} < day.closes{zone}"


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
