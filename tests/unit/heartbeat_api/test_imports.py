"""The reading side stays small: what it may not import."""

import subprocess
import sys

FORBIDDEN = ("heartbeat_assets", "dagster", "dlt", "pandas", "altair", "vl_convert")


def test_the_api_loads_nothing_of_the_writing_side() -> None:
    program = "import sys, heartbeat_api.app, heartbeat_api.__main__; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    packages = {module.partition(".")[0] for module in loaded.stdout.split()}
    assert "heartbeat_api" in packages
    assert packages.isdisjoint(FORBIDDEN)
