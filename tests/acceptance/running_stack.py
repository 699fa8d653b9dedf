"""`heartbeat up` with a state folder and ports of its own."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import psutil

REPOSITORY = Path(__file__).parents[2]
HEARTBEAT = [sys.executable, "-m", "heartbeat"]
PATIENCE_SECONDS = 300
"""When to give up on what hangs: on a busy machine a stack takes minutes to start, else 40 s."""


class Up:
    """One `heartbeat up` with a state folder and ports of its own; without arguments, the demo."""

    def __init__(
        self,
        home: Path,
        arguments: Sequence[str] = ("--demo", "--scale", "0.02"),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home
        self._arguments = arguments
        self._variables = variables or {}
        self.ports = dict(zip(("API", "DAGSTER", "CODE"), free_ports(3), strict=True))
        self.output = home.parent / "up.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        own = {f"HEARTBEAT_{name}_PORT": str(port) for name, port in self.ports.items()}
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("HEARTBEAT_")}
        folders = {"HEARTBEAT_HOME": str(self.home), "HEARTBEAT_PROJECT": str(REPOSITORY)}
        chosen = {"HEARTBEAT_PLATFORM_METRICS": "off", "HEARTBEAT_LOOPBACK_WRITES": "yes"}
        return {**inherited, **own, **folders, **chosen, **self._variables}

    def start(self) -> None:
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                [*HEARTBEAT, "up", *self._arguments],
                env=self.environment,
                cwd=REPOSITORY,
                stdout=output,
                stderr=output,
            )

    def said(self) -> str:
        return self.output.read_text()

    def wait_for(self, words: str) -> None:
        self.wait_until(lambda: words in self.said(), words)

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert self._process.poll() is None, f"it ended: {self.said()}"
            assert time.monotonic() < deadline, f"no {what!r}: {self.said()}"
            time.sleep(0.3)

    def stop(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        """Kill `heartbeat up` alone; what it started lives on."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def cut_the_power(self) -> None:
        """Kill every process at once, so that none can clean up."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        for each in self._own_processes():
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(self._own_processes(), timeout=PATIENCE_SECONDS)

    def api(self, path: str) -> Any:
        return httpx.get(f"http://127.0.0.1:{self.ports['API']}{path}", timeout=30).json()

    @property
    def dagster_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['DAGSTER']}"

    def graphql(self, query: str) -> Any:
        address = f"{self.dagster_url}/graphql"
        return httpx.post(address, json={"query": query}, timeout=30).json()["data"]

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def named(self, words: str) -> list[psutil.Process]:
        """Its processes whose command line holds those words."""
        return [each for each in self._own_processes() if words in _command_line(each)]

    def processes(self) -> list[str]:
        """Every process of this machine that belongs to this state folder."""
        return [f"{each.pid} {each.name()}" for each in self._own_processes()]

    def _own_processes(self) -> list[psutil.Process]:
        return [each for each in psutil.process_iter() if self._owns(each)]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            return process.pid != os.getpid() and (
                any(str(self.home) in argument for argument in process.cmdline())
                or process.environ().get("HEARTBEAT_HOME") == str(self.home)
            )
        except psutil.Error:
            return False


def _command_line(process: psutil.Process) -> str:
    """Empty when the process has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def free_ports(count: int) -> list[int]:
    """Below the ports of outgoing connections: one of those could take it before it is used."""
    candidates = iter(random.sample(range(20_000, 32_000), 12_000))
    return list(islice(filter(_is_free, candidates), count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
