"""Dates and moments of a chart: written as the business day has it, wherever they are drawn.

A renderer takes "2026-11-20" for midnight in Greenwich and writes it in its own zone, which west of
there is the day before. So each becomes local time without a zone, which every renderer writes as
it stands.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*(?:Z|[+-]\d\d(?::?\d\d)?)")
_ROWS = frozenset({"values", "datasets"})


def with_local_dates(spec: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """The spec, in which every date and moment on a scale of time is local time of `zone`."""
    local = partial(_local, zone=zone)
    fields = frozenset(_fields(spec))
    return {key: _search(value, fields, local) for key, value in spec.items()}


def _fields(node: Any) -> Iterator[str]:
    """The columns that some part of the chart takes for time."""
    if isinstance(node, list):
        for each in node:
            yield from _fields(each)
    elif isinstance(node, Mapping):
        if _is_of_time(node) and isinstance(node.get("field"), str):
            yield node["field"]
        for key, value in node.items():
            if key not in _ROWS:
                yield from _fields(value)


def _is_of_time(channel: Mapping[str, Any]) -> bool:
    return channel.get("type") == "temporal" or "timeUnit" in channel


def _search(node: Any, fields: frozenset[str], local: Callable[[str], str]) -> Any:
    if isinstance(node, list):
        return [_search(each, fields, local) for each in node]
    if not isinstance(node, Mapping):
        return node
    if _is_of_time(node):
        return _every(node, local)
    return {
        key: _every(value, local) if key in fields else _search(value, fields, local)
        for key, value in node.items()
    }


def _every(node: Any, local: Callable[[str], str]) -> Any:
    """A value, domain or `datum` of time: all dates in it."""
    if isinstance(node, list):
        return [_every(each, local) for each in node]
    if isinstance(node, Mapping):
        return {key: _every(value, local) for key, value in node.items()}
    return local(node) if isinstance(node, str) else node


def _local(text: str, zone: ZoneInfo) -> str:
    if _DATE.fullmatch(text):
        return f"{text}T00:00:00"
    if not _MOMENT.fullmatch(text):
        return text
    moment = datetime.fromisoformat(text).astimezone(zone)
    return moment.replace(tzinfo=None).isoformat()
