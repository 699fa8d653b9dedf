"""Ten minutes of many walls on a real stack, while refreshes run and marts are frozen for two.

Each wall is an HTTP client that polls as `heartbeat_api/static/wall.js` does: the active job and
its own page with the version that it shows, a beat after each good poll, the same delays and the
same patience. A refresh of everything follows the other. In the middle every process of the marts
server is stopped (SIGSTOP), as a machine that hangs: connections stand and nothing answers.
"""

import argparse
import asyncio
import math
import random
import re
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil

from tests.acceptance.process_tree import ProcessTree
from tests.acceptance.running_stack import Up

POLL, POLL_JOB, ABORT, LONGEST_DELAY = 30.0, 2.0, 8.0, 120.0
"""Seconds, as in wall.js."""

BANNER_AFTER = 2
"""Polls that fail one after the other until a wall says NO CONNECTION."""

GROWTH_MB = 20.0
"""What the resident memory of the API may grow between its second minute and the end."""

TOKEN = "the-token-of-the-benchmark"
SETTLE_SECONDS = 60.0
_VERSION = re.compile(r'data-version="([^"]*)"')


@dataclass
class Record:
    """What all walls have seen, by phase: `before`, `away`, `after`."""

    phase: str = "before"
    polls: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    banners: Counter[str] = field(default_factory=Counter)
    lost_beats: Counter[str] = field(default_factory=Counter)
    notices: Counter[str] = field(default_factory=Counter)
    page_ms: dict[str, list[float]] = field(default_factory=dict)
    job_ms: dict[str, list[float]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    refreshes: Counter[str] = field(default_factory=Counter)
    rss: list[tuple[float, float]] = field(default_factory=list)


class Wall:
    """One screen; it holds one connection or two, as a browser does."""

    def __init__(self, origin: str, name: str, record: Record) -> None:
        self._client = httpx.AsyncClient(base_url=origin, timeout=None)
        self._name = name
        self._record = record
        self._version = ""
        self._missed = 0
        self._job_shown = False
        self._notice = False
        self._page_due = 0.0

    async def lives(self) -> None:
        await asyncio.sleep(random.uniform(0, POLL))
        while True:
            await self._poll()
            await asyncio.sleep(self._delay())

    def _delay(self) -> float:
        if self._missed:
            return float(min(LONGEST_DELAY, 10 * 1.35 ** (self._missed - 1)))
        return POLL_JOB if self._job_shown else POLL * random.uniform(0.9, 1.1)

    async def _poll(self) -> None:
        phase = self._record.phase
        self._record.polls[phase] += 1
        try:
            job, _ = await asyncio.gather(self._active_job(), self._page())
            self._job_shown = job
            await self._beat(phase)
            self._missed = 0
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            self._missed += 1
            self._record.failed[phase] += 1
            self._record.reasons[f"{phase}: {type(error).__name__} {error}"] += 1
            self._record.banners[phase] += self._missed == BANNER_AFTER

    async def _active_job(self) -> bool:
        with suppress(httpx.HTTPError, TimeoutError, ValueError):
            response = await self._timed("/api/metrics/active-job", {}, self._record.job_ms)
            return response.is_success and bool(response.json().get("job"))
        return False

    async def _page(self) -> None:
        if self._job_shown and time.monotonic() < self._page_due:
            return
        self._page_due = time.monotonic() + POLL
        known = {"If-None-Match": f'W/"{self._version}"'}
        response = await self._timed("/", known, self._record.page_ms)
        if response.status_code != httpx.codes.NOT_MODIFIED:
            response.raise_for_status()
            found = _VERSION.search(response.text)
            if found is None:
                raise httpx.DecodingError("not a wall")
            self._version = found[1]
            self._notice = "NO NEW DATA" in response.text
        self._record.notices[self._record.phase] += self._notice

    async def _timed(
        self, path: str, headers: dict[str, str], into: dict[str, list[float]]
    ) -> httpx.Response:
        phase, began = self._record.phase, time.perf_counter()
        async with asyncio.timeout(ABORT):
            response = await self._answer(self._client.build_request("GET", path, headers=headers))
        into.setdefault(phase, []).append((time.perf_counter() - began) * 1_000)
        return response

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._client.send(request)
        except (httpx.ReadError, httpx.RemoteProtocolError):
            # as a browser does when the server has just closed a connection for its idleness
            return await self._client.send(request)

    async def _beat(self, phase: str) -> None:
        report = {
            "name": self._name,
            "page": "/",
            "build": "benchmark",
            "last_good_poll": datetime.now(UTC).isoformat(),
        }
        request = self._client.build_request("POST", "/api/displays/beat", json=report)
        response = await self._answer(request)
        self._record.lost_beats[phase] += response.status_code != httpx.codes.NO_CONTENT


async def refreshes(origin: str, record: Record) -> None:
    """One refresh of everything after the other, ten seconds between them."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=origin, timeout=60, headers=headers) as client:
        while True:
            with suppress(httpx.HTTPError):
                asked = await client.post("/api/metrics/recompute", json={"metric_ids": "all"})
                if asked.is_success:
                    record.refreshes[await _ended(client, asked.json()["job_id"])] += 1
            await asyncio.sleep(10)


async def _ended(client: httpx.AsyncClient, job_id: str) -> str:
    while True:
        with suppress(httpx.HTTPError):
            job = await client.get(f"/api/metrics/recompute/{job_id}")
            if job.is_success and job.json()["phase"] == "ended":
                return str(job.json()["state"])
        await asyncio.sleep(2)


async def samples(process: psutil.Process, record: Record, began: float) -> None:
    while True:
        rss = process.memory_info().rss / 2**20
        record.rss.append((time.monotonic() - began, rss))
        await asyncio.sleep(5)


@contextmanager
def frozen(home: Path) -> Iterator[None]:
    """Every process of the marts server stands still."""
    postmaster = psutil.Process(int((home / "postgres" / "postmaster.pid").read_text().split()[0]))
    postmaster.suspend()
    stopped = [postmaster, *postmaster.children(recursive=True)]
    for each in stopped[1:]:
        each.suspend()
    try:
        yield
    finally:
        for each in reversed(stopped):
            with suppress(psutil.NoSuchProcess):
                each.resume()


async def measure(up: Up, walls: int, minutes: float, away: float) -> tuple[Record, int, int]:
    """The record, and how many screens are known and dark at the end."""
    origin = f"http://127.0.0.1:{up.ports['API']}"
    record, began = Record(), time.monotonic()
    api = psutil.Process(ProcessTree(up).pid("api"))
    tasks = [
        *(asyncio.create_task(Wall(origin, f"wall-{n:03d}", record).lives()) for n in range(walls)),
        asyncio.create_task(refreshes(origin, record)),
        asyncio.create_task(samples(api, record, began)),
    ]
    await asyncio.sleep((minutes - away) / 2 * 60)
    record.phase = "away"
    with frozen(up.home):
        await asyncio.sleep(away * 60)
    record.phase = "back"
    await asyncio.sleep(SETTLE_SECONDS)
    record.phase = "after"
    await asyncio.sleep(max(0.0, (minutes - away) / 2 * 60 - SETTLE_SECONDS))
    async with httpx.AsyncClient(base_url=origin, timeout=30) as client:
        displays = (await client.get("/api/displays")).json()["displays"]
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    for each in ended:
        if not isinstance(each, asyncio.CancelledError):
            print(f"a task ended early: {each!r}")
    ours = [each for each in displays if each["name"].startswith("wall-")]
    return record, len(ours), sum(each["dark_since"] is not None for each in ours)


def told(record: Record, walls: int, screens: int, dark: int) -> bool:
    """Print the figures; whether they are within the bounds."""
    for phase in ("before", "away", "back", "after"):
        print(
            f"{phase:>6}: {record.polls[phase]} polls, {record.failed[phase]} failed, "
            f"{record.banners[phase]} walls said NO CONNECTION, "
            f"{record.notices[phase]} polls showed NO NEW DATA, "
            f"{record.lost_beats[phase]} beats refused; "
            f"page {_percentiles(record.page_ms.get(phase))}, "
            f"job {_percentiles(record.job_ms.get(phase))}"
        )
    for reason, number in record.reasons.most_common(8):
        print(f"        {number} x {reason}")
    early = _rss_at(record, 120.0)
    late = record.rss[-1][1]
    most = max(rss for _, rss in record.rss)
    print(
        f"resident memory of the API: {early:.0f} MB at minute 2, {late:.0f} MB at the end, "
        f"{most:.0f} MB at most; refreshes {dict(record.refreshes)}; "
        f"{screens} of {walls} screens known, {dark} dark",
        flush=True,
    )
    good = {
        "no poll failed": not record.failed.total(),
        "no wall said NO CONNECTION": not record.banners.total(),
        "no beat was refused": not record.lost_beats.total(),
        "NO NEW DATA only while marts were away": not record.notices["before"]
        and not record.notices["after"],
        f"memory grew by less than {GROWTH_MB:g} MB": late - early < GROWTH_MB,
        "every screen is known and none is dark": (screens, dark) == (walls, 0),
    }
    for what, holds in good.items():
        print(f"{'ok  ' if holds else 'FAIL'} {what}")
    return all(good.values())


def _percentiles(milliseconds: list[float] | None) -> str:
    if not milliseconds:
        return "-"
    ordered = sorted(milliseconds)
    p99 = ordered[min(len(ordered) - 1, math.ceil(len(ordered) * 0.99) - 1)]
    return f"p50 {statistics.median(ordered):.0f} p99 {p99:.0f} most {ordered[-1]:.0f} ms"


def _rss_at(record: Record, seconds: float) -> float:
    return min(record.rss, key=lambda sample: abs(sample[0] - seconds))[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--walls", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--away", type=float, default=2, help="minutes that marts are frozen")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="walls-") as name:
        up = Up(
            Path(name) / "state",
            variables={"HEARTBEAT_OPERATOR_TOKENS": f"benchmark@company.example={TOKEN}"},
        )
        up.start()
        try:
            up.wait_for("Cockpit  ")
            found = asyncio.run(measure(up, options.walls, options.minutes, options.away))
        finally:
            up.stop(signal.SIGTERM)
    sys.exit(0 if told(found[0], options.walls, *found[1:]) else 1)


if __name__ == "__main__":
    main()
