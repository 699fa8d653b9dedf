"""The API as a process of its own, of which the memory can be measured."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

PATIENCE_SECONDS = 120


class ApiProcess:
    """One `python -m heartbeat_api`."""

    def __init__(self, pid: int, origin: str, log: Path) -> None:
        self.pid = pid
        self.origin = origin
        self.log = log

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.origin.removeprefix("http://").partition(":")
        return host, int(port)

    @property
    def rss(self) -> int:
        """Bytes that it holds now."""
        return self._memory("VmRSS")

    @property
    def highest_rss(self) -> int:
        """The most bytes that it held since `forget_highest`."""
        return self._memory("VmHWM")

    def forget_highest(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _memory(self, name: str) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        (line,) = [each for each in lines if each.startswith(f"{name}:")]
        return int(line.split()[1]) * 1024


@contextmanager
def api_process(
    database_url: str, folder: Path, variables: Mapping[str, str] | None = None
) -> Iterator[ApiProcess]:
    """Run the API on a port of its own until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HEARTBEAT_")}
    own = {
        "HEARTBEAT_DATABASE_URL": database_url,
        "HEARTBEAT_API_PORT": str(port),
        "HEARTBEAT_HOME": str(folder / "home"),
        "HEARTBEAT_PROJECT": str(folder),
        "HEARTBEAT_LOOPBACK_WRITES": "yes",
    }
    log = folder / "api.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "heartbeat_api"],
            env={**inherited, **own, **(variables or {})},
            stdout=output,
            stderr=output,
        )
    try:
        found = ApiProcess(process.pid, f"http://127.0.0.1:{port}", log)
        _wait_for(found, process)
        yield found
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def _wait_for(found: ApiProcess, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        assert process.poll() is None, found.log.read_text()
        assert time.monotonic() < deadline, found.log.read_text()
        try:
            httpx.get(f"{found.origin}/healthz", timeout=5)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
