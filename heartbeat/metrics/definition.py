"""The definition of a metric: what its number means, and what a verification therefore signs."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from heartbeat.metrics.metric import Metric
from heartbeat.metrics.sql_words import ALL_COLUMNS, sql_words
from heartbeat.table_reference import TableRef

ColumnTypes = Mapping[TableRef, Mapping[str, str]]
"""The columns of landed tables with their Postgres types."""


@dataclass(frozen=True)
class Definition:
    """Value and history as normalised SQL, and the columns that they name by table.

    Comments, white space and the case of words that are not quoted do not count; nor does a column
    that no statement names. `select *` names every column of every table.
    """

    value: str
    history: str | None
    direction: str
    period: str
    tables: Mapping[str, Mapping[str, str]]

    @property
    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @property
    def hash(self) -> str:
        """SHA-256 of the document, hexadecimal."""
        text = json.dumps(self.document, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def definition_of(metric: Metric, types: ColumnTypes) -> Definition:
    """The definition of a metric on tables that have these columns now."""
    statements = [sql for sql in (metric.value_sql, metric.history_sql) if sql]
    words = {word for sql in statements for word in sql_words(sql)}
    return Definition(
        value=" ".join(sql_words(metric.value_sql)),
        history=" ".join(sql_words(metric.history_sql)) if metric.history_sql else None,
        direction=metric.direction.value,
        period=metric.period.value,
        tables={
            str(table): {
                name: type_
                for name, type_ in sorted(types.get(table, {}).items())
                if {ALL_COLUMNS, name, f'"{name}"'} & words
            }
            for table in metric.reads
        },
    )


def prepare_definitions(metrics: Iterable[Metric]) -> None:
    """Tell the words of all statements apart now, so that it takes no time later."""
    for metric in metrics:
        definition_of(metric, {})


def differences(signed: Mapping[str, Any], present: Mapping[str, Any]) -> tuple[str, ...]:
    """What has changed between two documents, in words for the owner of the number."""
    return tuple(_differences(signed, present))


def _differences(signed: Mapping[str, Any], present: Mapping[str, Any]) -> Iterator[str]:
    for statement in ("value", "history"):
        if signed[statement] != present[statement]:
            yield f"the {statement} statement"
    for field in ("direction", "period"):
        if signed[field] != present[field]:
            yield f"{field} from {signed[field]} to {present[field]}"
    before, after = signed["tables"], present["tables"]
    for table in sorted({*before, *after}):
        yield from _table_differences(table, before.get(table), after.get(table))


def _table_differences(
    table: str, before: Mapping[str, str] | None, after: Mapping[str, str] | None
) -> Iterator[str]:
    if before is None or after is None:
        yield f"{table} is {'read now' if before is None else 'not read any more'}"
        return
    for column in sorted({*before, *after}):
        old, new = before.get(column), after.get(column)
        if old != new:
            yield f"{table}.{column} from {old or 'absent'} to {new or 'absent'}"
