"""`make check` runs what is not heavy; this keeps it quick."""

import re
from pathlib import Path

import pytest

from tests.conftest import HEAVY, is_heavy, kept_together

TESTS = Path(__file__).parents[1]
HERE = Path(__file__)
COSTLY = re.compile(
    r"\bsubprocess\.(?:run|Popen|check)|\bheartbeat_process\b|\bdemo_platform\(|\bplaywright\b"
    r"|\bDagsterGrpcClient\b|\bschemathesis\b|\bRuleBasedStateMachine\b"
)
CHEAP_PROCESSES = {
    "unit/demo_bank/test_bank_environment.py",
    "unit/heartbeat_api/test_imports.py",
    "unit/test_compose.py",
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


def test_the_tests_of_the_cuts_go_to_one_worker_and_all_others_by_file() -> None:
    cuts = "tests/integration/audit_cuts"
    assert kept_together(f"{cuts}/test_a.py::test_it") == kept_together(
        f"{cuts}/test_b.py::test_it"
    )
    assert kept_together("tests/unit/test_c.py::test_it[a::b]") == "tests/unit/test_c.py"
