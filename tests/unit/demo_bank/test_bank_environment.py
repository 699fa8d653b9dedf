"""The addresses of the bank for a shell, where a person runs commands beside the demo."""

import json
import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from demo_bank.databases import reader_urls

DOCUMENTED = 'eval "$(.venv/bin/demo_bank environment --export)"'
URL = "postgresql://postgres@/postgres?host=/tmp/it's%20here"


@pytest.fixture
def demo(tmp_path: Path) -> dict[str, str]:
    """The environment of a shell beside a demo that runs."""
    (tmp_path / "demo_bank.url").write_text(URL, encoding="utf-8")
    return {"PATH": os.environ["PATH"], "HEARTBEAT_HOME": str(tmp_path)}


@pytest.mark.parametrize("document", ["README.md", "docs/operations/demo-bank.md"])
def test_the_documented_line_sets_the_variables_of_the_bank_in_a_shell(
    document: str, demo: dict[str, str]
) -> None:
    assert DOCUMENTED in Path(document).read_text(encoding="utf-8")
    line = DOCUMENTED.replace(".venv/bin", sysconfig.get_path("scripts"))
    shell = ["sh", "-ec", f"{line}; printenv SOURCE_WEBBANK_URL SOURCE_CARD_MANAGEMENT_URL"]
    shown = subprocess.run(shell, env=demo, capture_output=True, text=True, check=True).stdout
    urls = reader_urls(URL)
    assert shown.splitlines() == [urls["SOURCE_WEBBANK_URL"], urls["SOURCE_CARD_MANAGEMENT_URL"]]


def test_a_program_reads_the_same_variables_as_json(demo: dict[str, str]) -> None:
    command = [f"{sysconfig.get_path('scripts')}/demo_bank", "environment"]
    shown = subprocess.run(command, env=demo, capture_output=True, text=True, check=True).stdout
    assert json.loads(shown) == reader_urls(URL)
