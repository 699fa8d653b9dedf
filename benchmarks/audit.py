"""Every audit cut over every window on the bank at scale 1, and the pages that show them.

A cut is computed, drawn as SVG and PNG, and stored, one after the other as the daily run does it.
Beside it the sum of all entries, which reads the largest table once. The pages are those of the API
on the same database: their size as it is sent, and the first paint in Chromium.
"""

import argparse
import gzip
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
from api import api, measure_paint
from compute import ANCHOR, REPOSITORY, land, settings_for

from heartbeat.audit.audit_snapshot import compute_snapshot, store_chart_runtime, sync_cuts
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.project import Project
from heartbeat.segments.segment_days import store_segments
from heartbeat.settings import Settings

RUN_SECONDS = 60.0
PAGE_KILOBYTES = 60.0
SCAN = "select sum(amount) from webbank_core.entry"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="1")
    parser.add_argument("--marts", help="A URL of marts where the bank has landed already.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="audit-") as name:
        folder = Path(name)
        if options.marts:
            sys.exit(0 if measure(folder, options.marts) else 1)
        sources, marts = (EmbeddedPostgres(folder / part) for part in ("sources", "marts"))
        with sources.running(), marts.running():
            land(sources.url("postgres"), marts.url("marts"), options.scale)
            sys.exit(0 if measure(folder, marts.url("marts")) else 1)


def measure(folder: Path, marts_url: str) -> bool:
    settings = settings_for(REPOSITORY, folder, marts_url)
    project = Project(REPOSITORY)
    store_segment_days(project, settings)
    well = measure_run(project, settings, scan_seconds(marts_url))
    with api(marts_url) as origin:
        for page in ("overview", "clients", "journeys"):
            well &= measure_size(origin, f"/audit/{page}")
            well &= measure_paint(origin, f"/audit/{page}")
    return well


def store_segment_days(project: Project, settings: Settings) -> None:
    segments = project.segments.segments
    if segments is None:
        sys.exit(f"no segments: {project.segments.problems}")
    for _ in store_segments(segments, settings, now=ANCHOR, run_id="benchmark"):
        pass


def scan_seconds(marts_url: str) -> float:
    with psycopg.connect(marts_url) as connection:
        times = []
        for _ in range(3):
            started = time.monotonic()
            connection.execute(SCAN).fetchall()
            times.append(time.monotonic() - started)
    return min(times)


def measure_run(project: Project, settings: Settings, scan: float) -> bool:
    with psycopg.connect(settings.database_url) as connection:
        sync_cuts(connection, project.cuts)
        store_chart_runtime(connection)
    total = timedelta()
    for cut in project.cuts.cuts:
        took = {}
        for window in cut.windows:
            started = time.monotonic()
            stored = compute_snapshot(cut, window, settings, as_of=ANCHOR, run_id="benchmark")
            took[window] = time.monotonic() - started
            if stored.error:
                sys.exit(f"{cut.cut_id} {window}: {stored.error}")
        total += timedelta(seconds=sum(took.values()))
        each = "  ".join(f"{window} {seconds:5.2f}" for window, seconds in took.items())
        print(f"{cut.cut_id:<32}{each} s", flush=True)
    seconds = total.total_seconds()
    verdict = "" if seconds <= RUN_SECONDS else "  BEYOND ITS BOUND"
    print(
        f"all {len(project.cuts.cuts)} cuts: {seconds:.1f} s (bound {RUN_SECONDS:g}), "
        f"{seconds / scan:.0f} x the sum of all entries ({scan:.2f} s){verdict}",
        flush=True,
    )
    return seconds <= RUN_SECONDS


def measure_size(origin: str, path: str) -> bool:
    with httpx.stream("GET", origin + path, headers={"Accept-Encoding": "gzip"}) as response:
        sent = b"".join(response.iter_raw())
    kilobytes = len(sent) / 1000
    verdict = "" if kilobytes < PAGE_KILOBYTES else "  BEYOND ITS BOUND"
    print(
        f"{path}: {kilobytes:.1f} kB sent (bound {PAGE_KILOBYTES:g}), "
        f"{len(gzip.decompress(sent)) / 1000:.0f} kB of HTML{verdict}",
        flush=True,
    )
    return kilobytes < PAGE_KILOBYTES


if __name__ == "__main__":
    main()
