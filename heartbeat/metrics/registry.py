"""The metric registry: the files' configuration in the database."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from heartbeat.metrics.definition import ColumnTypes, definition_of, differences
from heartbeat.metrics.metric import Metric
from heartbeat.metrics.metric_file import LoadedMetrics
from heartbeat.sql import platform_statements
from heartbeat.table_reference import TableRef

_STATEMENTS = platform_statements("registry")
_SYNC_LOCK = "heartbeat registry sync"

_CONFIG_COLUMNS = (
    *("code", "name", "short_name", "period", "unit", "direction", "kind", "amber_z", "red_z"),
    *("benchmark_days", "season", "reads", "cuts"),
    *("description", "how_to_read", "methodology", "notes", "definition"),
)
_INITIAL_COLUMNS = ("norm_value", "alert_value", "target_value", "target_due_date", "owner")


class ChangeKind(StrEnum):
    """What a sync does to one row."""

    ADD = "add"
    UPDATE = "update"
    REMOVE = "remove"


@dataclass(frozen=True)
class ColumnChange:
    """One column of an update, in words."""

    column: str
    change: str


@dataclass(frozen=True)
class RegistryChange:
    """One row that differs from its file; `columns` are those that an update changes."""

    kind: ChangeKind
    metric_id: str
    columns: tuple[ColumnChange, ...] = ()


@dataclass(frozen=True)
class KeptValue:
    """A value that belongs to the operators, where the file says another one; it stays."""

    metric_id: str
    column: str
    in_file: object
    registered: object


@dataclass(frozen=True)
class SyncPlan:
    """What a sync does, and where it leaves an operator's value as it is."""

    changes: tuple[RegistryChange, ...]
    kept: tuple[KeptValue, ...]


def plan_sync(connection: Connection[Any], loaded: LoadedMetrics) -> SyncPlan:
    """What `sync` would do now.

    A broken file is not a deleted one: its row stays as it is and keeps its code. A file that takes
    that code waits until the broken one is mended or deleted.
    """
    return _plan(_registered(connection), loaded, _values_of(connection, loaded))


def sync(connection: Connection[Any], loaded: LoadedMetrics) -> SyncPlan:
    """Bring the registry to the files, in one transaction; returns what changed.

    Operator values (lines, target, owner, verification) are taken from a file only when its row is
    made; later they belong to the operators. History of a removed metric stays.
    """
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [_SYNC_LOCK])
        values = _values_of(connection, loaded)
        plan = _plan(_registered(connection), loaded, values)
        connection.execute("set local role heartbeat_sync")
        for change in reversed(plan.changes):
            _apply(connection, change, values)
    return plan


def _registered(connection: Connection[Any]) -> dict[str, dict[str, Any]]:
    cursor = connection.cursor(row_factory=dict_row)
    rows = cursor.execute(_STATEMENTS["registered"].encode()).fetchall()
    return {row["metric_id"]: row for row in rows}


def _plan(
    registered: Mapping[str, Mapping[str, Any]],
    loaded: LoadedMetrics,
    values: Mapping[str, Mapping[str, Any]],
) -> SyncPlan:
    broken = loaded.broken
    kept_codes = {row["code"] for name, row in registered.items() if name in broken}
    usable = [metric for metric in loaded.metrics if metric.code not in kept_codes]
    changes = [
        change
        for metric in usable
        if (change := _change(values[metric.metric_id], registered.get(metric.metric_id)))
    ]
    gone = set(registered) - {metric.metric_id for metric in loaded.metrics} - broken
    return SyncPlan(
        (*changes, *(RegistryChange(ChangeKind.REMOVE, name) for name in sorted(gone))),
        tuple(
            KeptValue(metric.metric_id, column, in_file, row[column])
            for metric in usable
            if (row := registered.get(metric.metric_id))
            for column in _INITIAL_COLUMNS
            if (in_file := values[metric.metric_id][column]) not in (None, row[column])
        ),
    )


def _change(values: Mapping[str, Any], row: Mapping[str, Any] | None) -> RegistryChange | None:
    metric_id = values["metric_id"]
    if row is None:
        return RegistryChange(ChangeKind.ADD, metric_id)
    columns = tuple(
        ColumnChange(name, _in_words(name, row[name], values[name]))
        for name in _CONFIG_COLUMNS
        if values[name] != row[name]
    )
    return RegistryChange(ChangeKind.UPDATE, metric_id, columns) if columns else None


def _in_words(column: str, before: Any, after: Any) -> str:
    if column == "definition":
        return ", ".join(differences(before, after)) if before else "recorded for the first time"
    return f"{_short(before)} → {_short(after)}"


def _short(value: object) -> str:
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _apply(
    connection: Connection[Any], change: RegistryChange, values: Mapping[str, Mapping[str, Any]]
) -> None:
    if change.kind is ChangeKind.REMOVE:
        connection.execute(_STATEMENTS["delete"].encode(), {"metric_id": change.metric_id})
        return
    row = dict(values[change.metric_id])
    row["definition"] = Jsonb(row["definition"])
    statement = "insert" if change.kind is ChangeKind.ADD else "update"
    connection.execute(_STATEMENTS[statement].encode(), row)


def _values_of(connection: Connection[Any], loaded: LoadedMetrics) -> dict[str, dict[str, Any]]:
    types = _column_types(connection, loaded)
    return {metric.metric_id: _values(metric, types) for metric in loaded.metrics}


def _values(metric: Metric, types: ColumnTypes) -> dict[str, Any]:
    columns = ("metric_id", *_CONFIG_COLUMNS, *_INITIAL_COLUMNS)
    values = {name: getattr(metric, name) for name in columns if name != "definition"}
    values["cuts"] = list(metric.cuts)
    values["reads"] = [str(table) for table in metric.reads]
    definition = definition_of(metric, types)
    return values | {"definition": definition.document, "definition_hash": definition.hash}


def _column_types(connection: Connection[Any], loaded: LoadedMetrics) -> ColumnTypes:
    tables = sorted({table for metric in loaded.metrics for table in metric.reads})
    asked = {
        "schemas": [table.schema for table in tables],
        "tables": [table.table for table in tables],
    }
    types: defaultdict[TableRef, dict[str, str]] = defaultdict(dict)
    for schema, table, column, type_ in connection.execute(
        _STATEMENTS["columns"].encode(), asked
    ).fetchall():
        types[TableRef(schema, table)][column] = type_
    return types
