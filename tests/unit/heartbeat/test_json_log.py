"""Log lines for programs."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from heartbeat.json_log import JsonFormatter

PROGRAM = """
import logging, sys, threading, warnings
from heartbeat.json_log import LogFormat, install
install(LogFormat.JSON)
import coloredlogs
from dagster._utils.log import configure_loggers
configure_loggers()
logging.getLogger("dagster").info("of Dagster", extra={"table": "bank.payment"})
coloredlogs.install(logger=logging.getLogger("of.a.run"), level="DEBUG")
logging.getLogger("of.a.run").debug("of a run")
import uvicorn
uvicorn.Config("nothing:app", log_level="info").configure_logging()
logging.getLogger("uvicorn.error").info("of uvicorn")
logging.getLogger("nobody").warning("with no handler")
try:
    raise ValueError("wrong")
except ValueError:
    logging.getLogger("dagster").exception("it failed")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise RuntimeError("the end of postgresql://owner:hush@host/marts")
"""


def record(message: object, *arguments: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("heartbeat.x", logging.WARNING, "", 1, message, arguments, None)
    made.__dict__.update(extra)
    return made


def written(made: logging.LogRecord) -> dict[str, Any]:
    line = JsonFormatter().format(made)
    assert "\n" not in line
    document: dict[str, Any] = json.loads(line)
    return document


def test_a_record_has_the_same_fields_whoever_wrote_it() -> None:
    document = written(record("%d tables\nfailed", 2, run_id="r-1", metric="COLD"))
    assert document["message"] == "2 tables\nfailed"
    assert (document["level"], document["logger"]) == ("warning", "heartbeat.x")
    assert (document["run_id"], document["metric"]) == ("r-1", "COLD")
    assert document["time"].endswith("+00:00")
    assert document["process"] == "command"


def test_an_event_of_a_run_says_which_run_and_step() -> None:
    meta = {"run_id": "r", "job_name": "refresh", "step_key": "land", "orig_message": "Landed."}
    document = written(record("refresh - r - 1 - land - Landed.", dagster_meta=meta))
    assert (document["run_id"], document["job"], document["step"]) == ("r", "refresh", "land")
    assert document["message"] == "Landed."


class Shut(tuple[int, ...]):
    """As Dagster's records, which are tuples that refuse to be walked through."""

    def __iter__(self) -> Iterator[int]:
        raise RuntimeError("not allowed")

    def __repr__(self) -> str:
        return "Shut()"


def test_what_a_library_gives_along_cannot_break_a_line() -> None:
    document = written(
        record("x", shut=Shut((1,)), many={"a": [Shut((1,))]}, long=Path("a" * 20_000))
    )
    assert document["shut"] == "Shut()"
    assert document["many"] == {"a": ["Shut()"]}
    assert len(document["long"]) == 10_000


def test_a_structured_event_of_a_library_is_taken_apart() -> None:
    document = written(record({"event": "it went", "table": "a.b"}))
    assert (document["message"], document["table"]) == ("it went", "a.b")


@pytest.mark.parametrize(
    ("message", "extra"),
    [
        ("cannot reach postgresql://owner:hush@host/marts", {}),
        ("host=a password=hush dbname=b", {}),
        ("host=a password='hu sh' dbname=b", {}),
        ("Authorization: Bearer hush", {}),
        ("asked", {"operator_token": "hush"}),
        ("asked", {"asked": {"url": "https://dana:hush@host/"}}),
        ("asked", {"error": ValueError("postgresql://o:hush@h/m")}),
    ],
)
def test_secrets_are_hidden(message: str, extra: dict[str, object]) -> None:
    line = json.dumps(written(record(message, **extra)))
    assert "hush" not in line
    assert "hu sh" not in line
    assert "***" in line


def test_every_line_of_a_process_is_a_document_whatever_writes_it() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=120
    )
    lines = [json.loads(line) for line in (ran.stdout + ran.stderr).splitlines()]
    messages = [line["message"] for line in lines]
    assert {"of Dagster", "of a run", "of uvicorn", "with no handler", "it failed"} <= {*messages}
    assert ran.returncode == 1
    assert lines[-1]["level"] == "critical"
    assert "RuntimeError" in lines[-1]["traceback"]
    assert "hush" not in ran.stderr
    (failed,) = [line for line in lines if line["message"] == "it failed"]
    assert failed["traceback"].startswith("Traceback")
    assert any("ZeroDivisionError" in line.get("traceback", "") for line in lines)
    assert next(line for line in lines if line["message"] == "of Dagster")["table"]


def test_a_text_log_in_a_file_has_no_colour_codes() -> None:
    program = PROGRAM.partition("import uvicorn")[0].replace("LogFormat.JSON", "LogFormat.TEXT")
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    said = ended.stdout + ended.stderr
    assert "of Dagster" in said
    assert "of a run" in said
    assert "\x1b" not in said
