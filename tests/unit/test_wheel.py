"""What `pip install` brings is all that runs: the packages with their data, and Dagster's files."""

import subprocess
import sys
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PACKAGES = (
    *("heartbeat", "heartbeat_api", "heartbeat_assets", "heartbeat_web"),
    *("dagster_guard", "forkserver_launcher", "demo_bank"),
)


def test_a_wheel_has_every_file_of_the_packages(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*build, "--directory", str(tmp_path)], cwd=REPOSITORY, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
        assert (
            archive.read("heartbeat/stack/dagster.yaml")
            == (REPOSITORY / "dagster.yaml").read_bytes()
        )
        assert (
            archive.read("heartbeat/stack/workspace.yaml")
            == (REPOSITORY / "workspace.yaml").read_bytes()
        )
    here = {
        str(file.relative_to(REPOSITORY))
        for package in PACKAGES
        for file in (REPOSITORY / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert here - packed == set()
