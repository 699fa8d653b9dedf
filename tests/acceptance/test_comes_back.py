"""Every process of a running stack is killed and stopped; the stack comes back by itself."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from tests.acceptance.conftest import SOAK
from tests.acceptance.process_tree import PROCESSES, ProcessTree
from tests.acceptance.refreshed_bank import RefreshedBank, refreshed_bank

pytestmark = pytest.mark.skipif(not SOAK, reason="takes an hour and a half: make soak")

_LONGER_THAN_EVERY_TIMEOUT = 330.0


@pytest.fixture(scope="module")
def bank() -> Iterator[RefreshedBank]:
    with refreshed_bank() as bank:
        yield bank


@pytest.fixture
def tree(bank: RefreshedBank) -> ProcessTree:
    tree = ProcessTree(bank.up)
    bank.waits_until(tree.is_whole)
    return tree


def refreshes(bank: RefreshedBank) -> None:
    """All is well: the tree is whole and a refresh of one metric succeeds."""
    tree = ProcessTree(bank.up)
    bank.waits_until(tree.is_whole)
    job = bank.asks_when_it_can("payments")
    assert bank.ends(job)["state"] == "success", bank.logs()
    assert tree.is_whole(), tree.why_not()


@pytest.mark.parametrize("name", [each for each in PROCESSES if each != "up"])
def test_what_is_killed_comes_back(bank: RefreshedBank, tree: ProcessTree, name: str) -> None:
    killed = tree.send(name, signal.SIGKILL)
    bank.waits_until(lambda: not psutil.pid_exists(killed))
    refreshes(bank)


@pytest.mark.parametrize("name", PROCESSES)
def test_what_is_stopped_for_ten_seconds_goes_on(
    bank: RefreshedBank, tree: ProcessTree, name: str
) -> None:
    stopped = tree.send(name, signal.SIGSTOP)
    time.sleep(10)
    _go_on(stopped)
    refreshes(bank)
    assert stopped in tree.pids(), "ten seconds are no reason to start it again"


@pytest.mark.parametrize("name", PROCESSES)
def test_what_is_stopped_for_long_is_replaced_or_goes_on(
    bank: RefreshedBank, tree: ProcessTree, name: str
) -> None:
    stopped = tree.send(name, signal.SIGSTOP)
    time.sleep(_LONGER_THAN_EVERY_TIMEOUT)
    _go_on(stopped)
    refreshes(bank)


@pytest.mark.parametrize("seconds", [10, 45, 300])
def test_after_a_pause_of_everything_nothing_was_started_again(
    bank: RefreshedBank, tree: ProcessTree, seconds: int
) -> None:
    pids = [int(each.split()[0]) for each in bank.up.processes()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    for pid in pids:
        _go_on(pid)
    before = tree.lives()
    refreshes(bank)
    time.sleep(60)
    assert tree.is_whole(), tree.why_not()
    assert tree.lives() == before


def test_a_run_goes_on_while_its_code_location_and_daemon_are_replaced(
    bank: RefreshedBank, tree: ProcessTree
) -> None:
    with bank.held_up():
        job = bank.asks_when_it_can("both")
        bank.waits_until(lambda: bank.runs("STARTED") != [])
        for name in ("code-location", "daemon"):
            tree.send(name, signal.SIGKILL)
        bank.waits_until(tree.is_whole)
        assert [run["runId"] for run in bank.runs("STARTED")] == [job]
    assert bank.ends(job)["state"] == "success"


def _go_on(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
