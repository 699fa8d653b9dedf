"""The metric registry: the files' configuration in the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from heartbeat.metric import Metric
from heartbeat.metric_file import LoadedMetrics
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("registry")
_SYNC_LOCK = "heartbeat registry sync"

_CONFIG_COLUMNS = (
    *("code", "name", "short_name", "period", "unit", "direction", "kind", "amber_z", "red_z"),
    *("reads", "cuts", "description", "how_to_read", "methodology", "notes"),
)
_INITIAL_COLUMNS = ("norm_value", "alert_value", "target_value", "target_due_date", "owner")


class ChangeKind(StrEnum):
    """What a sync does to one row."""

    ADD = "add"
    UPDATE = "update"
    REMOVE = "remove"


@dataclass(frozen=True)
class RegistryChange:
    """One row that differs from its file; `columns` names what an update changes."""

    kind: ChangeKind
    metric_id: str
    columns: tuple[str, ...] = ()


def plan_sync(connection: Connection[Any], loaded: LoadedMetrics) -> tuple[RegistryChange, ...]:
    """What `sync` would do now.

    A broken file is not a deleted one: its row stays as it is and keeps its code. A file that takes
    that code waits until the broken one is mended or deleted.
    """
    rows = connection.cursor(row_factory=dict_row).execute(_STATEMENTS["registered"]).fetchall()
    registered = {row["metric_id"]: row for row in rows}
    broken = {problem.path.stem for problem in loaded.problems}
    kept_codes = {row["code"] for name, row in registered.items() if name in broken}
    changes = [
        change
        for metric in loaded.metrics
        if metric.code not in kept_codes
        and (change := _change(metric, registered.get(metric.metric_id)))
    ]
    gone = set(registered) - {metric.metric_id for metric in loaded.metrics} - broken
    return (*changes, *(RegistryChange(ChangeKind.REMOVE, name) for name in sorted(gone)))


def sync(connection: Connection[Any], loaded: LoadedMetrics) -> tuple[RegistryChange, ...]:
    """Bring the registry to the files, in one transaction; returns what changed.

    Operator values (lines, target, owner, verification) are taken from a file only when its row is
    made; later they belong to the operators. History of a removed metric stays.
    """
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [_SYNC_LOCK])
        changes = plan_sync(connection, loaded)
        values = {metric.metric_id: _values(metric) for metric in loaded.metrics}
        connection.execute("set local role heartbeat_sync")
        for change in reversed(changes):
            _apply(connection, change, values)
    return changes


def _change(metric: Metric, row: Mapping[str, Any] | None) -> RegistryChange | None:
    if row is None:
        return RegistryChange(ChangeKind.ADD, metric.metric_id)
    values = _values(metric)
    columns = tuple(name for name in _CONFIG_COLUMNS if values[name] != row[name])
    return RegistryChange(ChangeKind.UPDATE, metric.metric_id, columns) if columns else None


def _apply(
    connection: Connection[Any], change: RegistryChange, values: Mapping[str, Mapping[str, Any]]
) -> None:
    match change.kind:
        case ChangeKind.ADD:
            connection.execute(_STATEMENTS["insert"], values[change.metric_id])
        case ChangeKind.UPDATE:
            connection.execute(_STATEMENTS["update"], values[change.metric_id])
        case ChangeKind.REMOVE:
            connection.execute(_STATEMENTS["delete"], {"metric_id": change.metric_id})


def _values(metric: Metric) -> dict[str, Any]:
    columns = ("metric_id", *_CONFIG_COLUMNS, *_INITIAL_COLUMNS)
    values = {name: getattr(metric, name) for name in columns}
    values["cuts"] = list(metric.cuts)
    values["reads"] = [str(table) for table in metric.reads]
    return values
