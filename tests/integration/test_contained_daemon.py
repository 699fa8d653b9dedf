"""A daemon in a container: whoever stops it stops the workers of its runs first-hand."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PATIENCE_SECONDS = 120
# a worker as the launcher has it: in a session of its own, with its lock; it tidies up and ends
WORKER = """
import os, signal, sys, time
from pathlib import Path
from forkserver_launcher.worker_lock import WorkerLocks, write_holder
folder = Path(sys.argv[1])
def tidy_up(*_):
    time.sleep(0.2)
    (folder / "tidied-up").touch()
    sys.exit()
signal.signal(signal.SIGTERM, tidy_up)
write_holder(WorkerLocks(folder).take("run"), os.getpid())
(folder / "works").touch()
time.sleep(600)
"""
DAEMON = """
import signal, subprocess, sys, time
worker = subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]], start_new_session=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(int(sys.argv[3])))
while worker.poll() is None:
    time.sleep(0.05)
sys.exit(3)
"""


def contained(folder: Path, code: int = 0) -> subprocess.Popen[bytes]:
    daemon = [sys.executable, "-c", DAEMON, str(folder), WORKER, str(code)]
    contain = [sys.executable, "-m", "forkserver_launcher.contained", str(folder)]
    process = subprocess.Popen([*contain, *daemon])
    wait_until((folder / "works").exists)
    return process


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda each: each.name)
def test_its_workers_have_tidied_up_when_it_has_ended(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = contained(tmp_path)
    process.send_signal(number)
    process.wait(PATIENCE_SECONDS)
    assert (tmp_path / "tidied-up").exists()


def test_it_ends_as_the_daemon_ends(tmp_path: Path) -> None:
    process = contained(tmp_path, code=7)
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) == 7


def test_workers_are_left_alone_when_the_daemon_dies_by_itself(tmp_path: Path) -> None:
    """Without a container around it the next daemon finds them."""
    process = contained(tmp_path)
    (worker,) = tmp_path.glob("*.worker")
    (daemon,) = children(process.pid)
    os.kill(daemon, signal.SIGKILL)
    assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGKILL
    assert not (tmp_path / "tidied-up").exists()
    os.kill(int(worker.read_text().split()[0]), signal.SIGKILL)


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
