"""The metrics that Heartbeat brings along, of itself, and their values at this moment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg import Connection

from heartbeat.author_query import fault
from heartbeat.metrics.metric import Metric
from heartbeat.named_statement import load_statements
from heartbeat.sql import platform_statements

FOLDER = Path(__file__).parents[1] / "platform_metrics"
"""One file a metric, in the format of every other."""

_VIEWS = "heartbeat.platform_"
_REFRESH = "heartbeat.platform_refresh"
_STATEMENTS = platform_statements("platform_state")


class RegisteredReads(Protocol):
    """What is asked of a row of the registry."""

    @property
    def metric_id(self) -> str:
        """The id of the metric."""

    @property
    def reads(self) -> Sequence[str]:
        """What it reads, as schema.table."""


@dataclass(frozen=True)
class PresentValue:
    """What a metric of the platform is now; with neither `value` nor `error` nothing is known."""

    value: Decimal | None
    source_as_of: datetime | None
    error: str | None = None


@cache
def load_platform_metrics() -> tuple[Metric, ...]:
    """The metrics in the package; its tests hold that each can be used."""
    from heartbeat.metrics.metric_file import load_metrics  # a parser that readers do not need

    return load_metrics(FOLDER).metrics


@cache
def _value_statements() -> Mapping[str, bytes]:
    return {path.stem: load_statements(path)["value"].encode() for path in FOLDER.glob("*.sql")}


def is_platform_metric(row: RegisteredReads) -> bool:
    """Whether a registered metric is one of the platform's own, and not a company's of that id."""
    return row.metric_id in _value_statements() and all(
        name.startswith(_VIEWS) for name in row.reads
    )


def present_values(
    connection: Connection[Any], rows: Iterable[RegisteredReads], now: datetime
) -> Mapping[str, PresentValue]:
    """The values at `now` of the platform's own metrics among `rows`.

    Computes store them as those of every other metric. But while the engine stands still nobody
    computes, and a stored value would go on telling that all is well: so readers ask for it.
    """
    own = [row for row in rows if is_platform_metric(row)]
    if not own:
        return {}
    with connection.transaction():
        connection.execute(_STATEMENTS["as_of"], {"as_of": now.isoformat()})
        values = {row.metric_id: _present_value(connection, row) for row in own}
        connection.execute(_STATEMENTS["as_of"], {"as_of": ""})
    return values


def _present_value(connection: Connection[Any], row: RegisteredReads) -> PresentValue:
    try:
        with connection.transaction(), connection.cursor() as cursor:
            if _REFRESH in row.reads and not _is_refreshed(connection):
                return PresentValue(None, None)
            found = cursor.execute(_value_statements()[row.metric_id]).fetchone()
            polled = cursor.execute(_STATEMENTS["polled"], {"reads": list(row.reads)}).fetchone()
    except psycopg.errors.OperationalError:
        raise  # the database is away, and with it everything
    except psycopg.Error as error:
        return PresentValue(None, None, fault(error))
    value = found[0] if found else None
    if value is None:
        return PresentValue(None, None)
    return PresentValue(Decimal(value), polled[0] if polled else None)


def _is_refreshed(connection: Connection[Any]) -> bool:
    """Whether any refresh has ended: the compute within the first one stores an age of 0."""
    row = connection.execute(_STATEMENTS["refreshed_at"]).fetchone()
    return row is not None and row[0] is not None
