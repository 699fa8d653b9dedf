"""What is done in a confined process: an author's code, and the drawing of its spec.

The first line that it reads says how it is confined, and what it answers first is how that went.
Each further line is a task. No line of the author's code is reached before.
"""

import base64
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import psycopg

from heartbeat.audit.confinement import confine
from heartbeat.audit.cut_code import parsed
from heartbeat.audit.cut_module import causes_of, fault_line, function_problem, imported, refusal
from heartbeat.audit.cut_payload import json_payload
from heartbeat.audit.cut_session import CutReader
from heartbeat.errors import ContentError, HeartbeatError
from heartbeat.marts_session import LockedOutError, ReaderSession

Task = Mapping[str, Any]
Answer = dict[str, Any]


def work(requests: BinaryIO, answers: BinaryIO) -> None:
    """Confine this process, then do what is asked until nobody asks any more."""
    session: ReaderSession | None = None
    try:
        begin = json.loads(requests.readline())
        if begin["reader"] is not None:
            reader = CutReader.of_json(begin["reader"])
            session = reader.begun()
            _say(answers, {"backend_pid": session.info.backend_pid})
            reader.read(session, json.loads(requests.readline())["snapshot"])
        missing = confine(
            [Path(each) for each in begin["readable"]],
            memory_bytes=begin["memory_bytes"],
            cpu_seconds=begin["cpu_seconds"],
        )
    except LockedOutError as error:
        _say(answers, {"locked_out": [error.table.schema, error.table.table]})
        return
    except Exception as error:  # noqa: BLE001 - whatever it is, the other side tells it
        _say(answers, {"not_begun": f"{type(error).__name__}: {error}"})
        return
    _say(answers, {"pid": os.getpid(), "missing": missing})
    for line in requests:
        task = json.loads(line)
        _say(answers, _answer(task, session))


def _say(answers: BinaryIO, answer: Answer) -> None:
    answers.write(json.dumps(answer, allow_nan=False).encode() + b"\n")
    answers.flush()


def _answer(task: Task, session: psycopg.Connection[Any] | None) -> Answer:
    if task["do"] == "draw":
        return _drawn(task)
    if task["do"] == "is_open":
        return {"value": session is not None and not session.closed}
    path = Path(task["path"])
    try:
        if task["do"] == "describe":
            return {"value": _described(path)}
        if task["do"] == "compute":
            payload = json_payload(imported(path).compute(session, window=task["window"]))
            json.dumps(payload, allow_nan=False)
            return {"value": payload}
        return {"value": _chart_spec(imported(path).chart, task["payload"])}
    except MemoryError:
        return {"fault": {"memory": True}}
    except ContentError as problem:
        return {"fault": {"line": problem.line, "problem": problem.problem}}
    except BaseException as error:  # noqa: BLE001 - the author's code may raise anything
        return {"fault": _fault(error, path)}


def _described(path: Path) -> dict[str, Any]:
    """META as JSON has it, and what is wrong with the functions."""
    module = imported(path)
    problem = function_problem(path, module, parsed(path))
    meta = {"meta": module.META} if hasattr(module, "META") else {}
    return {
        **json.loads(json.dumps(meta, default=_no_json)),
        "function_problem": [problem.line, problem.problem] if problem else None,
    }


def _no_json(value: object) -> dict[str, str]:
    """Stands for a value that no field of META can hold."""
    return {"python": type(value).__name__}


def _chart_spec(chart: Callable[..., Any], payload: Mapping[str, Any]) -> dict[str, Any]:
    from heartbeat.audit.chart_rendering import chart_spec

    return chart_spec(chart(payload))


def _drawn(task: Task) -> Answer:
    from heartbeat.audit.chart_rendering import ChartError, draw

    try:
        drawn = draw(task["spec"], ZoneInfo(task["zone"]))
    except ChartError as error:
        return {"fault": {"line": None, "reason": str(error), "sqlstate": None}}
    png = base64.b64encode(drawn.png).decode()
    return {"value": {"spec": drawn.spec, "svg": drawn.svg, "png": png}}


def _fault(error: BaseException, path: Path) -> dict[str, Any]:
    database = next((each for each in causes_of(error) if isinstance(each, psycopg.Error)), None)
    return {
        "line": fault_line(error, path),
        "reason": _reason(error),
        "sqlstate": database.sqlstate if database else None,
    }


def _reason(error: BaseException) -> str:
    lines = str(error).splitlines() or ["no message"]
    told = lines[0] if isinstance(error, HeartbeatError) else f"{type(error).__name__}: {lines[0]}"
    return told + refusal(error)
