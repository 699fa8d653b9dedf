"""How a process writes its log."""

from enum import StrEnum


class LogFormat(StrEnum):
    """Lines for people, or one JSON document an event."""

    TEXT = "text"
    JSON = "json"
