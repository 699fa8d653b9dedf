"""`make check` runs what is not heavy; this keeps it quick."""

import re
from pathlib import Path

import pytest

from tests.conftest import HEAVY, is_heavy

TESTS = Path(__file__).parents[1]
HERE = Path(__file__)
COSTLY = re.compile(
    r"\bsubprocess\.(?:run|Popen|check)|\bheartbeat_process\b|\bdemo_platform\(|\bplaywright\b"
    r"|\bDagsterGrpcClient\b|\bschemathesis\b|\bRuleBasedStateMachine\b"
)
CHEAP_PROCESSES = {
    "unit/heartbeat/test_chart_rendering.py",
    "unit/heartbeat_api/test_imports.py",
}


@pytest.mark.parametrize("name", sorted(HEAVY))
def test_what_is_heavy_is_there(name: str) -> None:
    assert (TESTS / name).exists()


def test_what_starts_a_process_a_bank_or_a_browser_is_heavy() -> None:
    costly = {
        str(path.relative_to(TESTS))
        for path in TESTS.rglob("test_*.py")
        if path != HERE and not is_heavy(path) and COSTLY.search(path.read_text(encoding="utf-8"))
    }
    assert costly == CHEAP_PROCESSES
