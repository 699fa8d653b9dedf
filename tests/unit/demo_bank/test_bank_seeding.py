import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo_bank import AlreadySeededError, is_seeded, seed
from tests.unit.demo_bank.bank_rows import checksums, forget_everything

ANCHOR = datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC)
CLIENTS = 30
COMMAND = [sys.executable, "-m", "demo_bank"]
SEED = ["seed", "--anchor", "2026-11-20T12:34:56", "--scale", "0.005"]


@pytest.fixture
def empty_server(server_url: str) -> Iterator[str]:
    forget_everything(server_url)
    yield server_url
    forget_everything(server_url)


def test_seeding_twice_gives_equal_tables_and_leaves_none_empty(empty_server: str) -> None:
    seed(empty_server, anchor=ANCHOR, clients=CLIENTS)
    first = checksums(empty_server)
    forget_everything(empty_server)
    seed(empty_server, anchor=ANCHOR, clients=CLIENTS)
    assert checksums(empty_server) == first
    assert {name for name, (rows, _) in first.items() if not rows} == set()
    assert len(first) == 43


def test_a_finished_seeding_is_seen_and_not_done_again(empty_server: str) -> None:
    assert not is_seeded(empty_server)
    seed(empty_server, anchor=ANCHOR, clients=CLIENTS)
    assert is_seeded(empty_server)
    with pytest.raises(AlreadySeededError, match=r"aml and bpm and .* and webbank already exist"):
        seed(empty_server, anchor=ANCHOR, clients=CLIENTS)


def test_a_failed_seeding_is_not_a_bank_and_can_be_repeated(empty_server: str) -> None:
    def interrupt(table: str, done: float, total: int) -> None:
        if "core.entry" in table:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        seed(empty_server, anchor=ANCHOR, clients=CLIENTS, progress=interrupt)
    assert not is_seeded(empty_server)
    seed(empty_server, anchor=ANCHOR, clients=CLIENTS)
    assert is_seeded(empty_server)


def test_the_command_shows_its_progress_and_writes_the_hand_count(
    empty_server: str, tmp_path: Path
) -> None:
    file = tmp_path / "truth.json"
    command = [*COMMAND, *SEED, "--url", empty_server, "--truth", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "all tables" in done.stdout
    assert done.stdout.endswith("the bank is ready, as of 2026-11-20T12:34:56.000 UTC\n")
    counted = json.loads(file.read_text(encoding="utf-8"))
    assert counted["anchor"] == "2026-11-20T12:34:56.000Z"
    for metrics in (counted["with_incidents"], counted["without_incidents"]):
        assert len(metrics) == 31
        assert {len(metric["history"]) for metric in metrics.values()} == {30}
    overdue = "collateral_overdue_days_max"
    assert counted["with_incidents"][overdue]["value"] == 124
    assert counted["without_incidents"][overdue]["value"] == 0


def test_a_killed_seeding_is_not_a_bank_and_the_command_can_be_repeated(empty_server: str) -> None:
    for moment in ("core.entry", "all tables"):
        _kill_a_seeding(empty_server, moment)
        assert not is_seeded(empty_server)
    subprocess.run([*COMMAND, *SEED, "--url", empty_server], capture_output=True, check=True)
    assert is_seeded(empty_server)


SEED_UNTIL = """
import sys
from datetime import datetime

from demo_bank import seed


def stop(table: str, done: float, total: int) -> None:
    if sys.argv[2] in table:
        print(table, flush=True)
        sys.stdin.read()


seed(sys.argv[1], anchor=datetime.fromisoformat(sys.argv[3]), clients=30, progress=stop)
"""


def _kill_a_seeding(server_url: str, moment: str) -> None:
    """Kill a seeding that has come to that table and waits there."""
    command = [sys.executable, "-c", SEED_UNTIL, server_url, moment, ANCHOR.isoformat()]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert moment in process.stdout.readline()
        process.kill()


def test_what_the_other_cluster_has_left_of_another_bank_is_replaced(
    empty_server: str, other_server_url: str
) -> None:
    for _ in range(2):
        forget_everything(empty_server)
        seed(empty_server, other_server_url, anchor=ANCHOR, clients=20)
    assert is_seeded(empty_server)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["seed", "--anchor", "tomorrow", "--url", "postgresql:///x"], "--anchor: Invalid"),
        (["tick", "--once", "--url", "postgresql://nobody@localhost:1/x"], "error: connection"),
        (["truth", "/nowhere/t.json", "--anchor", "2026-11-20", "--scale", "0.005"], "error: "),
    ],
)
def test_bad_input_gets_one_error_and_no_traceback(arguments: list[str], complaint: str) -> None:
    refused = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert complaint in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_command_says_what_is_in_its_way(empty_server: str) -> None:
    seed(empty_server, anchor=ANCHOR, clients=CLIENTS)
    command = [*COMMAND, *SEED, "--url", empty_server]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ")
    assert "already exist on this server" in refused.stderr
