"""The reading side under load: one uvicorn worker, a database with 31 metrics and one with 300.

Requests come at a fixed rate over a few connections, whether or not earlier ones were answered: a
stall counts for all who would have waited. Percentiles are the median of three rounds. The
generator is a process of its own. Beside it in the same run: a bare ASGI application on the same
server, which shows what machine and server take by themselves; how often the database was read;
and the first paint in Chromium.
"""

import argparse
import asyncio
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import psycopg
from playwright.sync_api import Browser, sync_playwright

from heartbeat.database import ensure_database
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.schema.migration import migrate
from heartbeat_api.database import Database
from heartbeat_api.snapshot import read_snapshot
from tests.unit.heartbeat_api.stored_metrics import StoredMetric, ramp, store

RATE = 100
SECONDS = 8
ROUNDS = 3
CONNECTIONS = 16
WARM_REQUESTS = 50
PAINTS = 9
CALIBRATION = 40
READS_PER_SECOND = 1.2
"""One, and what the measurement adds by its own transactions."""
P50_MS, P99_MS, P50_OF_300_MS, NOT_MODIFIED_PER_SECOND, PAINT_MS = 5.0, 20.0, 15.0, 800.0, 500.0
BARE = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 304, "headers": []})
    await send({"type": "http.response.body", "body": b""})
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--generate", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.generate:
        print(json.dumps(asyncio.run(generate(**json.loads(options.generate)))))
        return
    with tempfile.TemporaryDirectory(prefix="api-") as name:
        sys.exit(0 if measure(Path(name)) else 1)


def measure(folder: Path) -> bool:
    server = EmbeddedPostgres(folder / "marts")
    good = True
    with server.running():
        for number in (31, 300):
            url = server.url(f"metrics_{number}")
            ensure_database(url)
            migrate(url)
            with psycopg.connect(url, autocommit=True) as connection:
                store(connection, metrics(number), datetime.now(UTC))
            with api(url) as origin:
                good &= measure_metrics(origin, number, url)
                if number == 31:
                    good &= measure_not_modified(folder, origin)
                    good &= measure_paint(origin)
    return good


def metrics(number: int) -> list[StoredMetric]:
    """Every eighth is red, every sixth amber."""
    return [
        StoredMetric(
            *(f"metric_{n}", f"M{n:03d}", f"Metric number {n}"),
            kind="rolling_stat",
            typical=(100, 8),
            norm=90 if n % 6 == 0 else 150,
            alert=95 if n % 8 == 0 else 200,
            values=ramp(100, 104 + n / 10, 5),
        )
        for n in range(number)
    ]


def measure_metrics(origin: str, number: int, url: str) -> bool:
    good = True
    for path in ("/api/metrics", "/"):
        with reads_of(url) as reads:
            rounds = [load(origin, path, rate=RATE, seconds=SECONDS) for _ in range(ROUNDS)]
        p50, p99 = (statistics.median(found[name] for found in rounds) for name in ("p50", "p99"))
        worst, size = (max(found[name] for found in rounds) for name in ("worst", "bytes"))
        bounds = (P50_MS, P99_MS) if number == 31 else (P50_OF_300_MS, float("inf"))
        good &= p50 < bounds[0] and p99 < bounds[1] and reads[0] <= READS_PER_SECOND
        print(
            f"{number} metrics, {path}: p50 {p50:.1f} ms (bound {bounds[0]:g}), "
            f"p99 {p99:.1f} ms (bound {bounds[1]:g}), worst {worst:.1f} ms, "
            f"{size:.0f} bytes, {reads[0]:.2f} reads a second",
            flush=True,
        )
    return good


@contextmanager
def reads_of(url: str) -> Iterator[list[float]]:
    """How often the metrics were read per second, by the transactions of their database."""
    found: list[float] = []
    before = transactions(url)
    database = Database(url)
    database.open()
    for _ in range(CALIBRATION):
        read_snapshot(database, ZoneInfo("UTC"))
    database.close()
    of_a_read = (transactions(url) - before) / CALIBRATION
    before, began = transactions(url), time.monotonic()
    yield found
    found.append((transactions(url) - before) / (time.monotonic() - began) / of_a_read)


def transactions(url: str) -> float:
    """Those ended so far; what other sessions count arrives within a second or two."""
    time.sleep(3)
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "select xact_commit + xact_rollback from pg_stat_database"
            " where datname = current_database()"
        ).fetchone()
    assert row is not None
    return float(row[0])


def measure_not_modified(folder: Path, origin: str) -> bool:
    """As many requests as go, the next when the last is answered; beside a bare application."""
    (folder / "bare.py").write_text(BARE)
    etag = httpx.get(origin).headers["etag"]
    with served([sys.executable, "-m", "uvicorn", "--no-access-log", "bare:app"], folder) as bare:
        rounds = [
            (
                load(origin, "/", seconds=5, etag=etag)["per_second"],
                load(bare, "/", seconds=5)["per_second"],
            )
            for _ in range(3)
        ]
    ours, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(
        f"304s: {ours:.0f} a second (bound {NOT_MODIFIED_PER_SECOND:g}), "
        f"{ours / theirs:.2f} of a bare application's {theirs:.0f}",
        flush=True,
    )
    return ours > NOT_MODIFIED_PER_SECOND


def measure_paint(origin: str, path: str = "/") -> bool:
    """First contentful paint with nothing cached, median: of a page, and of a bare picture."""
    executable = os.environ.get("HEARTBEAT_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        rounds = [
            (paint(browser, origin + path), paint(browser, f"{origin}/static/heartbeat.svg"))
            for _ in range(PAINTS)
        ]
        browser.close()
    ours, bare = zip(*rounds, strict=True)
    print(
        f"first contentful paint of {path}: {statistics.median(ours):.0f} ms, "
        f"worst {max(ours):.0f} ms "
        f"(bound {PAINT_MS:g}), {statistics.median(ours) / statistics.median(bare):.1f} of a "
        f"picture's {statistics.median(bare):.0f} ms",
        flush=True,
    )
    return statistics.median(ours) < PAINT_MS


def paint(browser: Browser, address: str) -> float:
    with browser.new_context(viewport={"width": 1920, "height": 1080}) as context:
        page = context.new_page()
        page.goto(address)
        asked = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
        while not (painted := page.evaluate(asked)):
            page.wait_for_timeout(20)
        return float(painted)


@contextmanager
def api(url: str) -> Iterator[str]:
    variables = {"HEARTBEAT_DATABASE_URL": url}
    with served([sys.executable, "-m", "heartbeat_api"], Path.cwd(), **variables) as origin:
        yield origin


@contextmanager
def served(command: Sequence[str], folder: Path, **variables: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    ours = "uvicorn" not in command
    process = subprocess.Popen(
        [*command, *([] if ours else ["--port", port])],
        cwd=folder,
        env={**os.environ, **variables, "HEARTBEAT_API_PORT": port},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        origin = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(origin)
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield origin
    finally:
        process.terminate()
        process.wait()


def load(origin: str, path: str, **options: object) -> dict[str, float]:
    """What a generator in a process of its own measures."""
    asked = json.dumps({"origin": origin, "path": path, **options})
    command = [sys.executable, __file__, "--generate", asked]
    found: dict[str, float] = json.loads(subprocess.check_output(command))
    return found


async def generate(
    origin: str, path: str, seconds: float, rate: float | None = None, etag: str = ""
) -> dict[str, float]:
    """Ask at a rate, or without one as fast as it goes; latencies in milliseconds."""
    port = int(origin.rpartition(":")[2])
    conditional = f"If-None-Match: {etag}\r\n" if etag else ""
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept-Encoding: gzip\r\n"
        f"{conditional}\r\n"
    ).encode()
    queue: asyncio.Queue[float] = asyncio.Queue()
    latencies: list[float] = []
    sizes: list[int] = []
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]

    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(WARM_REQUESTS // CONNECTIONS + 1):
            await answer_bytes(reader, writer, request)
        while True:
            due = await queue.get() if rate else time.perf_counter()
            sizes.append(await answer_bytes(reader, writer, request))
            latencies.append((time.perf_counter() - due) * 1000)

    workers = [asyncio.create_task(work(*connection)) for connection in connections]
    await asyncio.sleep(1)
    latencies.clear()
    began = time.perf_counter()
    for number in range(int((rate or 0) * seconds)):
        await asyncio.sleep(max(0.0, began + number / (rate or 1) - time.perf_counter()))
        queue.put_nowait(time.perf_counter())
    await asyncio.sleep(max(0.5, began + seconds - time.perf_counter()))
    elapsed = time.perf_counter() - began
    for worker in workers:
        worker.cancel()
    ranked = sorted(latencies)
    return {
        "p50": ranked[len(ranked) // 2],
        "p99": ranked[int(len(ranked) * 0.99)],
        "worst": ranked[-1],
        "per_second": len(ranked) / elapsed,
        "bytes": max(sizes),
    }


async def answer_bytes(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> int:
    """Ask once; the length of the answer, with its head."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = sum(
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length")
    )
    await reader.readexactly(length)
    return len(head) + length


if __name__ == "__main__":
    main()
