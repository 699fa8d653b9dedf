"""From a click to the new value, with the fork server and with Dagster's default launcher.

Two whole stacks run side by side on the demo bank, this checkout and a copy whose `dagster.yaml`
names no launcher. A click asks for one metric that reads two small tables; it ends when the API
serves a value that was computed after the click. Clicks alternate between the stacks. Then the
default stack stops and this one refreshes everything, first alone, then while its API answers 50
requests a second.
"""

import argparse
import http.client
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import yaml

REPOSITORY = Path(__file__).parents[1]
METRIC = "application_approval_rate"
BOUNDS = {"click": 3.0, "share of the default": 1 / 3, "everything": 45.0, "read p99": 0.050}
READ_PATHS = ("/api/metrics", "/", "/api/metrics/active-job", f"/api/metrics/{METRIC}")
READS_PER_SECOND = 50
READERS = 4
CONTENT = ("sources", "metrics", "segments", "audit_cuts", "workspace.yaml", "dagster.yaml")
CODE = ("forkserver_launcher", "heartbeat", "heartbeat_assets", "heartbeat_api", "demo_bank")


@dataclass(frozen=True)
class Stack:
    """A running stack."""

    api: httpx.Client
    port: int

    def click(self) -> float:
        """Seconds from the request to the value that answers it."""
        began, asked = time.perf_counter(), datetime.now(UTC)
        wanted = {"metric_ids": [METRIC], "trigger": "ui"}
        self.api.post("/api/metrics/recompute", json=wanted).raise_for_status()
        while datetime.fromisoformat(self._metric()["computed_at"]) < asked:
            time.sleep(0.02)
        seconds = time.perf_counter() - began
        while self.api.get("/api/metrics/active-job").json()["job"]:
            time.sleep(0.1)
        return seconds

    def refresh_everything(self) -> float:
        """Seconds from the request to the end of the job."""
        began = time.perf_counter()
        ticket = self.api.post("/api/metrics/recompute", json={"metric_ids": "all"}).json()
        while True:
            job = self.api.get(f"/api/metrics/recompute/{ticket['job_id']}").json()
            if job["phase"] == "ended":
                assert job["state"] == "success", job
                assert job["tables"]["done"] == job["tables"]["planned"] > 0
                assert job["metrics"]["done"] == job["metrics"]["planned"] > 0
                return time.perf_counter() - began
            time.sleep(0.5)

    def _metric(self) -> dict[str, str]:
        metric: dict[str, str] = self.api.get(f"/api/metrics/{METRIC}").json()
        return metric


class Readers:
    """Asks the API at a fixed rate, whether or not it is quick; keeps every latency."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self.seconds: list[float] = []
        self._threads = [
            threading.Thread(target=self._read, args=[number]) for number in range(READERS)
        ]

    def __enter__(self) -> "Readers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        interval = READERS / READS_PER_SECOND
        due = time.perf_counter() + number * interval / READERS
        turn = number
        while not self._stop.is_set():
            time.sleep(max(0.0, due - time.perf_counter()))
            connection.request("GET", READ_PATHS[turn % len(READ_PATHS)])
            response = connection.getresponse()
            response.read()
            assert response.status == http.client.OK
            self.seconds.append(time.perf_counter() - due)
            due, turn = due + interval, turn + 1


@contextmanager
def running(code: Path, home: Path, first_port: int, scale: str) -> Iterator[Stack]:
    """`heartbeat up --demo` of the code in a folder."""
    ports = {"API": first_port, "DAGSTER": first_port + 1, "CODE": first_port + 2}
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("HEARTBEAT_")},
        **{f"HEARTBEAT_{name}_PORT": str(port) for name, port in ports.items()},
        "HEARTBEAT_HOME": str(home),
        "HEARTBEAT_PROJECT": str(code),
        "HEARTBEAT_PLATFORM_METRICS": "off",
        "PYTHONPATH": str(code),
    }
    log = home.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "heartbeat", "up", "--demo", "--scale", scale],
            env=environment,
            cwd=code,
            stdout=output,
            stderr=output,
        )
    try:
        while "Up to date" not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
        with httpx.Client(base_url=f"http://127.0.0.1:{first_port}", timeout=60) as client:
            yield Stack(client, first_port)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def copied_without_launcher(folder: Path) -> Path:
    """This checkout's code and content, on Dagster's default launcher."""
    for name in CODE:
        shutil.copytree(REPOSITORY / name, folder / name)
    for name in CONTENT:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        copy(REPOSITORY / name, folder / name)
    instance = yaml.safe_load((folder / "dagster.yaml").read_text())
    del instance["run_launcher"]
    (folder / "dagster.yaml").write_text(yaml.safe_dump(instance))
    return folder


def p99(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="0.1")
    parser.add_argument("--clicks", type=int, default=15)
    options = parser.parse_args()
    with ExitStack() as stacks:
        folder = Path(stacks.enter_context(tempfile.TemporaryDirectory(prefix="hb-bench-")))
        forked = stacks.enter_context(running(REPOSITORY, folder / "a", 18000, options.scale))
        copy = copied_without_launcher(folder / "default")
        with running(copy, folder / "b", 18010, options.scale) as default:
            clicks = [(forked.click(), default.click()) for _ in range(options.clicks)]
        ours, theirs = (statistics.median(column) for column in zip(*clicks, strict=True))
        figures = {"click": ours, "share of the default": ours / theirs}
        print(
            f"click: median {ours:.2f} s, worst {max(a for a, _ in clicks):.2f} s; "
            f"default launcher {theirs:.2f} s; {ours / theirs:.2f} of it"
        )
        everything = statistics.median(forked.refresh_everything() for _ in range(3))
        figures["everything"] = everything
        print(f"everything: {everything:.1f} s")
        with Readers(forked.port) as readers:
            loaded = [forked.refresh_everything() for _ in range(3)]
        figures["read p99"] = p99(readers.seconds)
        print(
            f"while {len(readers.seconds)} reads went on: {statistics.median(loaded):.1f} s; reads "
            f"p50 {statistics.median(readers.seconds) * 1000:.1f} ms, p99 "
            f"{p99(readers.seconds) * 1000:.1f} ms, worst {max(readers.seconds) * 1000:.0f} ms"
        )
    missed = {name: figures[name] for name, bound in BOUNDS.items() if figures[name] >= bound}
    print(json.dumps(figures))
    if missed:
        sys.exit(f"bounds missed: {missed}")


if __name__ == "__main__":
    main()
