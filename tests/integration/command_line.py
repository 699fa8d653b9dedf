"""The command line as a person and a program use it: exit code, output, one line on stderr."""

import io
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from heartbeat.cli import main

HEARTBEAT = str(Path(sysconfig.get_path("scripts")) / "heartbeat")
METRIC = """\
/* ---
code: FEES
name: Fees
short_name: Fees
period: snapshot
unit: EUR
direction: higher_is_better
kind: threshold
--- */
-- name: value
select sum(eur) from bank_core.fee where paid_at <= heartbeat.as_of()
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


def run_here(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in this process, which saves the start of an interpreter."""
    output, errors, code = io.StringIO(), io.StringIO(), 0
    with (
        redirect_stdout(output),
        redirect_stderr(errors),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "argv", ["heartbeat", *arguments])
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return subprocess.CompletedProcess(arguments, code, output.getvalue(), errors.getvalue())


def told(result: subprocess.CompletedProcess[str]) -> str:
    """The output of a command that succeeded."""
    assert result.returncode == 0, result.stderr
    return result.stdout


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """The one line of a command that failed."""
    assert result.returncode == 1, result.stdout
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def landed_bank(heartbeat: Run) -> None:
    told(heartbeat("source", "discover", "bank"))
    told(heartbeat("ingest"))
