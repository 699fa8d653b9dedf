"""Logs for files: lines without colour codes, or one JSON document per event and line."""

import json
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Any

PROCESS_VARIABLE = "HEARTBEAT_PROCESS"
"""The environment variable that says which process of the stack this is."""

_FORK_SERVER = "forkserver_launcher.server"
_WORKER = "execute_run"
_HIDDEN = "***"
_SECRET_NAMES = re.compile(r"(?i)password|secret|token|authorization|connection_string")
_SECRETS = (
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@]+@"), rf"\1{_HIDDEN}@"),
    (
        re.compile(r"(?i)(\bpassword['\"]?\s*[=:]\s*)('[^']*'|\"[^\"]*\"|[^\s,;&]+)"),
        rf"\1{_HIDDEN}",
    ),
    (re.compile(r"(?i)(\bbearer\s+)\S+"), rf"\1{_HIDDEN}"),
)
_OWN = frozenset(
    (
        *logging.LogRecord("", 0, "", 0, "", None, None).__dict__,
        *("message", "asctime", "taskName", "color_message"),
        *("dagster_meta", "dagster_event", "dagster_event_batch_metadata"),
    )
)
"""What a record has by itself, and what tells nothing more."""
_DAGSTER = {"run_id": "run_id", "job_name": "job", "step_key": "step"}
_COLOUR_CODE = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST = 10_000
"""Letters of one value that is no text by itself: an event of Dagster has all its assets in it."""


class LogFormat(StrEnum):
    """Lines for people, or one JSON document an event."""

    TEXT = "text"
    JSON = "json"


class JsonFormatter(logging.Formatter):
    """A record as JSON: time, level, logger, message, process, and what was given as `extra`.

    A traceback is one field. Passwords in addresses, and fields named like a secret, are hidden.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        document: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            "process": _process_name(),
            "pid": record.process,
            **dict(_extra(record)),
        }
        if record.exc_info and record.exc_info[0]:
            document["traceback"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        if record.stack_info:
            document["stack"] = record.stack_info
        return json.dumps(_cleared(document), ensure_ascii=False, default=str)


def install(log_format: LogFormat) -> None:
    """Write every log line of this process, whoever configured its handler, in that format.

    Dagster, uvicorn and coloredlogs each bring handlers with formatters of their own, some made
    anew for every run. So it is the stream handlers that get another way to write a record.
    """
    plain = logging.Handler.format
    if log_format is LogFormat.TEXT:
        if not sys.stderr.isatty():
            logging.StreamHandler.format = _without_colours  # type: ignore[method-assign, assignment]
        return
    formatter = JsonFormatter()

    def as_json(handler: logging.Handler, record: logging.LogRecord) -> str:
        return formatter.format(record)

    logging.StreamHandler.format = as_json  # type: ignore[method-assign, assignment]
    logging.FileHandler.format = plain  # type: ignore[method-assign]
    logging.captureWarnings(True)
    sys.excepthook = _told_at_the_end
    threading.excepthook = _told_of_a_thread


def _without_colours(handler: logging.Handler, record: logging.LogRecord) -> str:
    """What the handler writes, without the codes for a terminal: it goes to a file or a journal."""
    return _COLOUR_CODE.sub("", logging.Handler.format(handler, record))


def _message(record: logging.LogRecord) -> str:
    if isinstance(record.msg, Mapping):
        return str(record.msg.get("event", ""))
    meta = getattr(record, "dagster_meta", None)
    original = meta.get("orig_message") if isinstance(meta, Mapping) else None
    return str(original) if original else record.getMessage()


def _extra(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    meta = getattr(record, "dagster_meta", None)
    if isinstance(meta, Mapping):
        yield from ((ours, meta[name]) for name, ours in _DAGSTER.items() if meta.get(name))
        if event := meta.get("dagster_event"):
            yield "event", getattr(event, "event_type_value", None)
    if isinstance(record.msg, Mapping):
        yield from ((str(key), value) for key, value in record.msg.items() if key != "event")
    for name, value in record.__dict__.items():
        if name not in _OWN and not name.startswith("_"):
            yield name, value


def _process_name() -> str:
    """Workers are forks of a process that the daemon started, or what Dagster starts for a run."""
    if _FORK_SERVER in sys.orig_argv:
        return "worker" if os.getppid() in _fork_servers else "fork-server"
    if _WORKER in sys.orig_argv:
        return "worker"
    return os.environ.get(PROCESS_VARIABLE, "command")


_fork_servers: set[int] = set()
os.register_at_fork(before=lambda: _fork_servers.add(os.getpid()))


def _cleared(value: Any) -> Any:
    """Without secrets, and of types that JSON has: a record of a library may refuse to be read."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if type(value) is dict:
        return {
            str(key): _HIDDEN if _SECRET_NAMES.search(str(key)) else _cleared(each)
            for key, each in value.items()
        }
    if type(value) in (list, tuple):
        return [_cleared(each) for each in value]
    return _cleared_text(value if isinstance(value, str) else str(value)[:_LONGEST])


def _cleared_text(text: str) -> str:
    for pattern, hidden in _SECRETS:
        text = pattern.sub(hidden, text)
    return text


def _told_at_the_end(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("heartbeat").critical("%s", error, exc_info=(kind, error, trace))


def _told_of_a_thread(told: threading.ExceptHookArgs) -> None:
    if told.exc_value is not None and not issubclass(told.exc_type, SystemExit):
        logging.getLogger("heartbeat").critical(
            "%s", told.exc_value, exc_info=(told.exc_type, told.exc_value, told.exc_traceback)
        )
